"""Columns of a table that are learned as numbers."""

import csv
import math

import pytest
from PIL import Image

from stargan_fw.errors import ConfigError, DataError
from stargan_fw_plugins.datasets.number_columns import round_outwards
from stargan_fw_plugins.datasets.table import Table
from stargan_fw_registry import Categorical, Continuous

RANGE = {"age": [0, 100]}


@pytest.fixture
def build(tmp_path):
    """Returns a function that writes a table of images with some ages, two colours in turn, and opens it."""

    def build(ages, **options):
        with (tmp_path / "labels.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "colour", "age"])
            for number, age in enumerate(ages):
                Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.png")
                writer.writerow([f"{number}.png", ["red", "blue"][number % 2], age])
        dataset = Table(tmp_path / "labels.csv", **options)
        dataset.alias = "faces"
        return dataset

    return build


def ages_of(dataset):
    return [example.labels["age"] for example in dataset.examples()]


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["20", "30.5", "1e1", "40"], [20, 30.5, 10, 40]),
        (["20", "", "NA", "40", "nan"], [20, None, None, 40, None]),
        (["20 years", "35 years", "40"], [20, 35, 40]),
        (["20,5", "30,5", "40"], [20.5, 30.5, 40]),
        (["12%", "55 %"], [12, 55]),
        (["0", "1"], [0, 1]),
    ],
)
def test_cells_that_are_numbers(build, cells, numbers):
    dataset = build(cells, continuous=RANGE)
    assert dataset.attributes == [Categorical("colour", ["blue", "red"]), Continuous("age", 0, 100)]
    assert ages_of(dataset) == numbers


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["20", "120"], r"line 3, column age: '120' is not from 0 to 100.*continuous=\{\"age\" = \[0, 120\]\}"),
        (["20", "30", "-1"], r"line 4, column age: '-1' is not from 0 to 100.*values=\{\"age\" = \{\"-1\" = \"\"\}\}"),
        (["35", "35"], "column age: it holds the number 35 everywhere, which cannot be learned"),
        (["", "NA"], "column age: it holds no number"),
        (["20", "30", "old", "40"], r"'old' is no number\. If nothing is known there, add .*\"old\" = "),
        (["20", "inf", "40"], "'inf' is no number"),
        (
            ["2020-01-01", "2020-01-02"],
            "'2020-01-01', '2020-01-02' are no numbers. Leave the column out of `continuous` to learn classes",
        ),
        (["20 years", "8 months"], "some numbers are in 'months', others in 'years'"),
        (["1,234", "2,345"], "'1234' is not from 0 to 100"),
        (["20", "1_0", "30"], "'1_0' is no number"),
    ],
)
def test_cells_that_are_none(build, cells, message):
    with pytest.raises(DataError, match=message):
        build(cells, continuous=RANGE).examples()


@pytest.mark.parametrize(
    ("continuous", "message"),
    [
        ({"age": [100, 0]}, "`continuous.age`: .* least value first"),
        ({"age": [0]}, r"`continuous.age` is \[0\]: give the least and the greatest value"),
        ({"age": [math.nan, 1]}, "low is nan"),
    ],
)
def test_ranges_that_are_none(build, continuous, message):
    with pytest.raises(ConfigError, match=message):
        build(["20", "30"], continuous=continuous).attributes  # noqa: B018 - reads the table


def test_a_column_is_learned_once(build):
    with pytest.raises(ConfigError, match="`continuous` and `exclusive` name the same column"):
        build(["0", "1"], continuous=RANGE, exclusive={"group": ["age", "colour"]}).attributes  # noqa: B018 - as above
    with pytest.raises(DataError, match="no column 'aeg', which `continuous` names; did you mean 'age'"):
        build(["20", "30"], continuous={"aeg": [0, 1]}).attributes  # noqa: B018 - as above


def test_the_range_may_be_that_of_the_data(build):
    dataset = build(["18", "77", "31"], continuous={"age": "data"})
    assert dataset.attributes[1] == Continuous("age", 18, 78)
    assert ages_of(dataset) == [18, 77, 31]
    assert dataset.found_options == {"continuous": {"age": [18, 78]}}
    assert build(["18", "77"], continuous=RANGE).found_options == {}


def test_minus_one_is_in_doubt_if_the_range_is_that_of_the_data(build):
    cells = ["-1", "20", "30", "40"]
    with pytest.raises(DataError, match="-1 is a number, or says that nothing is known") as error:
        build(cells, continuous={"age": "data"}).attributes  # noqa: B018 - as above
    assert 'values={"age" = {"-1" = ""}}' in str(error.value)
    assert ages_of(build(cells, continuous={"age": "data"}, values={"age": {"-1": ""}})) == [None, 20, 30, 40]
    assert ages_of(build(cells, continuous={"age": "data"}, values={"age": {"-1": "-1"}})) == [-1, 20, 30, 40]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([18, 80], (18, 80)),
        ([1, 116], (0, 120)),
        ([-0.98, 0.97], (-1, 1)),
        ([0.013, 0.987], (0, 1)),
        ([0, 29], (0, 30)),
        ([5, 5], (5, 5)),
        ([1e6, 3.3e6], (1e6, 3.4e6)),
    ],
)
def test_a_range_is_rounded_outwards(numbers, expected):
    assert round_outwards(numbers) == expected


def test_what_is_left_out_or_in_doubt_comes_with_a_line_that_learns_numbers(build):
    left_out = build([str(20 + number) for number in range(40)])
    left_out.examples()
    line = "to learn it as a number: --set 'datasets.faces.continuous={\"age\" = [20, 60]}'"
    assert line in "".join(left_out.remarks)
    with pytest.raises(DataError) as error:
        build([str(number % 4 + 1) for number in range(40)]).examples()
    assert "Or age: to learn it as a number: --set 'datasets.faces.continuous=" in str(error.value)
    with pytest.raises(DataError, match="or learn it as a number: --set"):
        build([str(number / 7) for number in range(40)], labels=["age"]).examples()


def test_a_column_that_is_learned_as_a_number_comes_beside_those_that_labels_names(build):
    dataset = build(["20", "30"], labels=["colour"], continuous=RANGE)
    assert [attribute.name for attribute in dataset.attributes] == ["colour", "age"]
    assert "left out" not in "".join(dataset.remarks)
