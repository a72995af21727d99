import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from stargan_fw.errors import ConfigError, DataError
from stargan_fw_plugins.datasets.table import Table
from stargan_fw_registry import Binary, Categorical, Exclusive


@pytest.fixture
def write(tmp_path):
    """Writes a table with its images, empty files: `write("labels.csv", "image,x\\na.jpg,1\\n") -> path`."""

    def write(name, content, images=("a.jpg", "b.jpg", "c.jpg", "d.jpg")):
        for image in images:
            (tmp_path / image).touch()
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def column(write, *cells, name="x", **options):
    """Returns the dataset of a column of at most four cells of JSON."""
    rows = [json.dumps({"image": f"{image}.jpg", name: cell}) for image, cell in zip("abcd", cells, strict=False)]
    return Table(write("labels.jsonl", "\n".join(rows)), **options)


def labels(dataset):
    return [example.labels for example in dataset.examples()]


def error_of(root, **options):
    with pytest.raises(DataError) as caught:
        list(Table(root, **options).examples())
    return str(caught.value)


def test_a_csv_gives_images_labels_people_and_sides(write):
    path = write(
        "labels.csv",
        "file_name,young,species,identity,split\na.jpg,yes,dog,7,train\nb.jpg,no,cat,8,test\nc.jpg,,,,val\n",
    )
    dataset = Table(path)
    assert list(dataset.attributes) == [Binary("young"), Categorical("species", ["cat", "dog"])]
    assert dataset.test_split == "given"
    examples = list(dataset.examples())
    assert [example.image for example in examples] == [path.with_name(name) for name in ("a.jpg", "b.jpg", "c.jpg")]
    assert labels(dataset) == [
        {"young": True, "species": "dog"},
        {"young": False, "species": "cat"},
        {"young": None, "species": None},
    ]
    assert [example.identity for example in examples] == ["7", "8", None]
    assert [example.split for example in examples] == ["train", "test", "train"]


@pytest.mark.parametrize(
    "cells",
    [
        (True, False, None),
        (1, 0, None),
        (1, -1, None),
        (1.0, 0.0, float("nan")),
        ("1", "-1", ""),
        ("1.0", "0.0", None),
        ("yes", "No", " "),
        ("True", "FALSE", None),
        ("t", "f", None),
    ],
)
def test_two_values_that_say_yes_and_no_are_binary(write, cells):
    dataset = column(write, *cells)
    assert list(dataset.attributes) == [Binary("x")]
    assert labels(dataset) == [{"x": True}, {"x": False}, {"x": None}]


def test_a_value_that_never_changes_is_learned_only_if_it_is_named(write):
    assert labels(column(write, False, False, labels=["x"])) == [{"x": False}, {"x": False}]
    assert "column 'x': it says 'false' in every row, or nothing" in error_of(column(write, False, False).root)


@pytest.mark.parametrize("cells", [("red", "blue"), ("yes", "no", "maybe"), ("blue", None, " red ", "green")])
def test_texts_are_categorical(write, cells):
    dataset = column(write, *cells)
    known = [cell and cell.strip() for cell in cells]
    assert list(dataset.attributes) == [Categorical("x", sorted(filter(None, known)))]
    assert labels(dataset) == [{"x": cell} for cell in known]


def test_values_can_be_named(write):
    dataset = column(write, 1, -1, 7, values={"x": {"1": "male", "-1": "female", "7": ""}})
    assert list(dataset.attributes) == [Categorical("x", ["male", "female"])]
    assert labels(dataset) == [{"x": "male"}, {"x": "female"}, {"x": None}]


def test_values_can_be_named_yes_and_no(write):
    dataset = column(write, "M", "F", None, values={"x": {"M": True, "F": False}})
    assert list(dataset.attributes) == [Binary("x")]
    assert labels(dataset) == [{"x": True}, {"x": False}, {"x": None}]


def test_a_value_without_a_name_keeps_its_own(write):
    dataset = column(write, "M", "F", "X", values={"x": {"M": "male", "F": "female"}})
    assert list(dataset.attributes) == [Categorical("x", ["male", "female", "X"])]
    assert labels(dataset) == [{"x": "male"}, {"x": "female"}, {"x": "X"}]


def test_columns_are_chosen_and_ordered_by_name(write):
    path = write("labels.csv", "image,a,b,c\na.jpg,1,0,1\nb.jpg,0,1,1\n")
    dataset = Table(path, labels=["c", "a"])
    assert list(dataset.attributes) == [Binary("c"), Binary("a")]
    assert labels(dataset) == [{"c": True, "a": True}, {"c": True, "a": False}]


def test_an_exclusive_group_counts_as_unknown_where_two_are_set(write):
    path = write("labels.csv", "image,black,blond,male\na.jpg,1,0,1\nb.jpg,1,1,0\nc.jpg,0,0,0\n")
    dataset = Table(path, exclusive={"hair": ["black", "blond"]})
    assert list(dataset.attributes) == [Exclusive("hair", ["black", "blond"]), Binary("male")]
    assert labels(dataset) == [
        {"black": True, "blond": False, "male": True},
        {"black": True, "blond": True, "male": False},
        {"black": False, "blond": False, "male": False},
    ]
    assert dataset.on_contradiction == "unknown"


@pytest.mark.parametrize("groups", [{"hair": []}, {"hair": ["black"], "coat": ["black"]}])
def test_a_group_needs_columns_of_its_own(write, groups):
    path = write("labels.csv", "image,black\na.jpg,1\n")
    with pytest.raises(ConfigError, match="a group is empty or shares a column"):
        list(Table(path, exclusive=groups).examples())


def test_a_group_of_texts_is_refused(write):
    path = write("labels.csv", "image,color\na.jpg,red\nb.jpg,blue\n")
    assert "column color: `exclusive.hair` needs columns with two values" in error_of(
        path, exclusive={"hair": ["color"]}
    )


def test_nested_columns_are_called_by_their_last_name(write):
    rows = [{"image": f"{name}.jpg", "attributes": {"Male": sign}} for name, sign in (("a", "1"), ("b", "-1"))]
    path = write("metadata.jsonl", "\n".join(map(json.dumps, rows)))
    assert list(Table(path).attributes) == [Binary("Male")]
    assert labels(Table(path, labels=["Male"])) == labels(Table(path, labels=["attributes.Male"]))
    pq.write_table(pa.Table.from_pylist(rows), path.with_name("nested.parquet"))
    assert labels(Table(path.with_name("nested.parquet"))) == [{"Male": True}, {"Male": False}]


def test_two_columns_of_one_label_are_told(write):
    rows = [
        {"image": f"{name}.jpg", "p": {"Male": male}, "q": {"Male": 1 - male}} for name, male in (("a", 1), ("b", 0))
    ]
    path = write("labels.jsonl", "\n".join(map(json.dumps, rows)))
    assert "'p.Male' and 'q.Male' would both be the label 'Male'" in error_of(path)
    assert "more than one column 'Male', which `labels` names" in error_of(path, labels=["Male"])
    assert labels(Table(path, labels=["q.Male"])) == [{"Male": False}, {"Male": True}]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", "image;x\na.jpg;1\nb.jpg;0\n"),
        ("x.csv", "\ufeffimage,x\r\na.jpg,1\r\n\r\nb.jpg,0\r\n"),
        ("x.tsv", "image\tx\na.jpg\t1\nb.jpg\t0\n"),
        ("x.csv", ",image,x\n0,a.jpg,1\n1,b.jpg,0\n"),
    ],
)
def test_separators_marks_and_row_numbers_are_understood(write, name, content):
    assert labels(Table(write(name, content))) == [{"x": True}, {"x": False}]


def test_a_folder_stands_for_its_only_table(write, tmp_path):
    write("labels.csv", "image,x\na.jpg,1\nb.jpg,0\n")
    write("README.txt", "images of pets")
    assert labels(Table(tmp_path)) == [{"x": True}, {"x": False}]
    write("landmarks.csv", "image,y\na.jpg,17\n")
    assert labels(Table(tmp_path)) == [{"x": True}, {"x": False}]
    write("metadata.jsonl", "{}")
    assert "holds several tables: labels.csv, landmarks.csv, metadata.jsonl" in error_of(tmp_path)


def test_a_location_without_a_table_is_told(write, tmp_path):
    assert "holds no .csv, .tsv, " in error_of(tmp_path)
    assert "nowhere: no such file or folder" in error_of(tmp_path / "nowhere")
    assert "notes.md: not a table" in error_of(write("notes.md", "x"))
    assert "labels.xlsx: a .xlsx file is not read. Convert it" in error_of(write("labels.xlsx", "x"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", "", "line 1: not a table"),
        ("x.csv", "image,x\n", "x.csv: the table has no rows"),
        ("x.csv", "text\nmore", "line 1: not a table: 1 columns are named"),
        ("x.csv", "image,x,x\na.jpg,1,1\n", "line 1: the column 'x' is there twice"),
        ("x.csv", "image,,x\na.jpg,1,1\n", "line 1: column 2 has no name"),
        ("x.csv", "image,x\na.jpg,1\nb.jpg\n", "line 3: 1 cells, but the header names 2 columns"),
        ("x.csv", 'image,x\n"a\n.jpg",1\nb.jpg,1,2\n', "line 4: 3 cells, but"),
        ("x.csv", 'image,x\na.jpg,"1\n', "line 2: not a table: unexpected end of data"),
        ("x.csv", "image,x\na.jpg,кошка\n".encode("cp1251"), "line 2: not UTF-8 text"),
        ("x.jsonl", '{"image": "a.jpg"}\n{"image"\n', "line 2: not JSON"),
        ("x.jsonl", "[1]\n", "line 1: not a table: a JSON list"),
        ("x.jsonl", '{"image": "a.jpg", "x": [1]}', "column 'x': list, not texts or numbers"),
        ("x.parquet", "hello", "x.parquet: not a parquet file"),
        ("x.csv", "thing,x\na,1\n", "line 1: no column image, file_name, path, filename, and"),
        ("x.csv", "image\ta\na.jpg\t\n", "column 'a': no cell says anything"),
        ("x.csv", "image,a\na.jpg,x\n", "column 'a': it says 'x' in every row, or nothing"),
        ("x.csv", "image,age\na.jpg,23\nb.jpg,41\n", "column 'age': 2 numbers from 23 to 41: amounts, not classes"),
        ("x.csv", "image,a\na.jpg,x\x1by\nb.jpg,z\n", "column a: values of the categorical attribute 'a': name"),
        (
            "x.csv",
            "image,split,a\na.jpg,tset,1\nb.jpg,train,0\n",
            "line 2, column split: 'tset' is not the name of a split; did you",
        ),
        ("x.csv", "image,a\n../a.jpg,1\nb.jpg,0\n", "line 2, column image: '../a.jpg' points outside of"),
        ("x.csv", "image,a\n/etc/e.jpg,1\nb.jpg,0\n", "line 2, column image: '/etc/e.jpg' points outside of"),
        ("x.csv", "image,a\na.jpg,1\nmissing.jpg,0\n", "line 3, column image: there is no image '"),
        ("x.csv", "image,a\n,1\na.jpg,0\n", "line 2, column image: empty, but"),
        ("x.jsonl", '{"image": 3, "a": 1}\n{"image": "a.jpg", "a": 0}', "line 1, column image: a int, but"),
        ("x.csv", "image,split\na.jpg,train\n", "line 1: no column is left to be a label"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(write, name, content, message):
    path = write(name, content)
    told = error_of(path)
    assert told.startswith(str(path))
    assert message in told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ["Mael"]}, "line 1: no column 'Mael', which `labels` names; did you mean 'Male'?"),
        ({"image": "imgae"}, "no column 'imgae', which `image` names; did you mean 'image'?"),
        ({"identity": "who"}, "no column 'who', which `identity` names"),
        ({"split": "side"}, "no column 'side', which `split` names"),
        ({"exclusive": {"hair": ["black"]}}, "no column 'black', which `exclusive.hair` names"),
        ({"values": {"Mal": {}}}, "no column 'Mal', which `values` names; did you mean 'Male'?"),
    ],
)
def test_a_missing_column_is_told_with_the_option_and_the_closest(write, options, message):
    assert message in error_of(write("labels.csv", "image,Male\na.jpg,1\n"), **options)


def test_many_different_texts_are_learned_only_where_they_are_asked_for(write):
    rows = "".join(f"a.jpg,text {i % 101}\n" for i in range(909))
    path = write("labels.csv", f"image,kind\n{rows}")
    assert "column kind: 101 texts for 909 images, such as 'text 0', 'text 1', 'text 2', …." in error_of(path)
    assert Table(path, labels=["kind"]).attributes[0].size == 101


def test_images_may_be_in_another_folder(write, tmp_path):
    path = write("labels.csv", f"image,x\na.jpg,1\n{tmp_path}/faces/b.jpg,0\n", images=())
    (tmp_path / "faces").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "faces" / name).touch()
    examples = list(Table(path, image_root=str(tmp_path / "faces")).examples())
    assert [example.image for example in examples] == [tmp_path / "faces" / "a.jpg", tmp_path / "faces" / "b.jpg"]


def test_a_configured_test_split_stays(write):
    dataset = Table(write("labels.csv", "image,x,split\na.jpg,1,train\nb.jpg,0,test\n"))
    dataset.test_split = "random"
    list(dataset.examples())
    assert dataset.test_split == "random"


def test_other_names_of_splits_are_given_a_meaning(write):
    path = write("labels.csv", "image,x,part\na.jpg,1,0\nb.jpg,0,2\n")
    dataset = Table(path, split="part", values={"part": {"0": "train", "1": "val", "2": "test"}})
    assert [example.split for example in dataset.examples()] == ["train", "test"]


TRUTH = """image,maker,who,hat,mood
a.png,us,ann,yes,calm
b.png,us,ann,no,calm
c.png,us,ann,yes,glad
d.png,them,ann,no,glad
"""
COLUMNS = ["maker", "who", "hat", "mood"]


@pytest.fixture
def pictures(tmp_path):
    """Writes four pictures of one colour each, a table of two of them and one of true pictures: `pictures() -> path`."""
    for number, name in enumerate("abcd"):
        Image.new("RGBA", (8, 8), (number, 0, 0, 255)).save(tmp_path / f"{name}.png")
    (tmp_path / "truth.csv").write_text(TRUTH)
    path = tmp_path / "hats.csv"
    path.write_text("image,hat\na.png,1\nb.png,0\n")
    return path


def test_a_table_of_true_pictures_has_those_of_edits_across_datasets(pictures):
    dataset = Table(pictures, truth="truth.csv", truth_columns=COLUMNS)
    first, second = dataset.examples()

    def shown(example, labels):
        picture = dataset.counterfactual_across(example, labels)
        return picture and picture.getpixel((0, 0))[0]

    assert [shown(first, {}), shown(second, {})] == [0, 1]
    assert [shown(first, {"hat": False}), shown(second, {"hat": True}), shown(first, {"mood": "glad"})] == [1, 0, 2]
    assert shown(second, {"hat": True, "mood": "glad"}) == 2
    assert shown(second, {"mood": "glad"}) is None, "another maker's picture is another thing"
    assert shown(first, {"age": "old"}) is None
    assert dataset.counterfactual(first, {"hat": False}).size == (8, 8)
    assert Table(pictures).counterfactual(first, {}) is None


def test_new_names_of_values_hold_for_true_pictures_too(pictures):
    options = {"values": {"hat": {"1": "top hat", "0": "bare", "yes": "top hat", "no": "bare"}}}
    dataset = Table(pictures, truth="truth.csv", truth_columns=COLUMNS, **options)
    first, _ = dataset.examples()
    assert first.labels == {"hat": "top hat"}
    assert dataset.counterfactual(first, {"hat": "bare"}).getpixel((0, 0))[0] == 1


@pytest.mark.parametrize(
    ("truth", "columns", "words"),
    [
        ("none.csv", COLUMNS, "none.csv: no such file"),
        ("truth.csv", ["maker", "wh"], "no column 'wh', which `truth_columns` names"),
        ("truth.csv", ["maker", "who", "hat"], r"line 4: .*c.png and .*a.png have the same maker, who, hat"),
        ("truth.csv", None, r"truth_columns=\[\"maker\", \"who\", \"hat\"\]"),
    ],
)
def test_true_pictures_that_cannot_be_told_apart_are_refused_before_training(pictures, truth, columns, words):
    assert re.search(words, error_of(pictures, truth=truth, truth_columns=columns))
