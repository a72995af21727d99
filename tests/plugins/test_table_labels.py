"""Tables as people have them: what is a label, what is unknown, what is a split, and what only a person can say."""

import copy
import json
import re
import shlex

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stargan_fw.config_layers import Layer
from stargan_fw.errors import ConfigError, DataError
from stargan_fw_plugins.datasets.table import Table
from stargan_fw_registry import Binary, Categorical


@pytest.fixture
def build(tmp_path):
    """Writes a table of columns, an image each row: `build(x=["yes", "no"], labels=["x"]) -> dataset`."""

    def build(columns, **options):
        rows = len(next(iter(columns.values())))
        columns = {"image": [f"{row:03}.jpg" for row in range(rows)], **columns}
        for name in columns["image"]:
            (tmp_path / name).touch()
        lines = [columns.keys(), *zip(*columns.values(), strict=True)]
        path = tmp_path / "labels.csv"
        path.write_text("\n".join(",".join(map(str, line)) for line in lines) + "\n")
        return Table(path, **options)

    return build


def count(dataset, name):
    found = [example.labels[name] for example in dataset.examples()]
    return {value: found.count(value) for value in found}


def said(dataset, kind):
    dataset.examples()
    return " ".join(str(finding) for finding in dataset.findings if finding.kind == kind)


def refusal(dataset):
    with pytest.raises(DataError) as caught:
        dataset.examples()
    return str(caught.value)


def pasted(message, which=0):
    """Returns the options of a line of a message, as the command line reads them."""
    line = [line for line in message.splitlines() if "--set" in line][which]
    words = shlex.split(line[line.index("--set") :])
    return Layer.from_settings(words[1::2]).values["datasets"]["NAME"]


@pytest.mark.parametrize(
    "missing",
    [
        "NA",
        "N/A",
        "n/a",
        "nan",
        "NaN",
        "NULL",
        "null",
        "None",
        "none",
        "<NA>",
        "-",
        "--",
        "?",
        "#N/A",
        "unknown",
        ".",
        "NaT",
        " ",
        "",
    ],
)
def test_what_is_missing_is_unknown(build, missing):
    dataset = build({"glasses": ["yes"] * 10 + ["no"] * 10 + [missing] * 10})
    assert list(dataset.attributes) == [Binary("glasses")]
    assert count(dataset, "glasses") == {True: 10, False: 10, None: 10}
    assert "column 'glasses': a label, yes or no: yes 10, no 10; unknown 10" in said(dataset, "label")


@pytest.mark.parametrize("missing", ["NA", "nan", "NULL", "-", "?", "#N/A", ""])
def test_what_is_missing_beside_classes_is_unknown(build, missing):
    dataset = build({"species": ["cat", "dog", missing] * 5})
    assert list(dataset.attributes) == [Categorical("species", ["cat", "dog"])]
    assert count(dataset, "species") == {"cat": 5, "dog": 5, None: 5}


@pytest.mark.parametrize("missing", ["NA", "None", "nan", "unknown", "-1", ""])
def test_nobody_is_unknown(build, missing):
    dataset = build({"x": ["yes", "no"] * 6, "identity": ["7", "8", missing] * 4})
    assert [example.identity for example in dataset.examples()] == ["7", "8", None] * 4


def test_a_word_that_may_be_a_class_is_asked_for(build):
    columns = {"glasses": ["None", "reading", "sun"] * 5}
    message = refusal(build(columns))
    assert "column glasses: 'None' beside 'reading', 'sun' is a class, or says that nothing is known." in message
    unknown = build(columns, **pasted(message, 0))
    assert list(unknown.attributes) == [Categorical("glasses", ["reading", "sun"])]
    assert count(unknown, "glasses") == {None: 5, "reading": 5, "sun": 5}
    assert count(build(columns, **pasted(message, 1)), "glasses") == {"None": 5, "reading": 5, "sun": 5}


def test_codes_of_countries_may_have_namibia(build):
    columns = {"country": ["NA", "ZA", "BW"] * 5}
    message = refusal(build(columns))
    assert count(build(columns, **pasted(message, 1)), "country") == {"NA": 5, "ZA": 5, "BW": 5}


def test_plus_and_minus_are_classes(build):
    assert count(build({"test result": ["+", "-"] * 4}), "test result") == {"+": 4, "-": 4}


@pytest.mark.parametrize("keys", [("1.0", "0.0", "-1.0"), ("1", "0", "-1"), ("1.00", "-0", "-1.")])
@pytest.mark.parametrize("cells", [("1.0", "0.0", "-1.0"), ("1", "0", "-1")])
def test_values_are_named_as_the_file_writes_them(build, keys, cells):
    dataset = build({"edema": [*cells] * 4}, values={"edema": dict(zip(keys, (True, False, ""), strict=True))})
    assert count(dataset, "edema") == {True: 4, False: 4, None: 4}


def test_values_are_named_as_a_parquet_file_holds_them(tmp_path):
    for row in range(3):
        (tmp_path / f"{row}.jpg").touch()
    pq.write_table(pa.table({"path": ["0.jpg", "1.jpg", "2.jpg"], "x": [1.0, 0.0, -1.0]}), tmp_path / "x.parquet")
    dataset = Table(tmp_path, values={"x": {"-1.0": ""}})
    assert count(dataset, "x") == {True: 1, False: 1, None: 1}


def test_minus_one_beside_zero_and_one_is_asked_for_once(build):
    columns = {name: ["1.0", "0.0", "-1.0", ""] * 5 for name in ("Edema", "Pleural Effusion")} | {
        "Sex": ["F", "M"] * 10
    }
    message = refusal(build(columns))
    assert "columns Edema, Pleural Effusion: -1 beside 0 and 1 means no, or that nothing is known." in message
    assert message.count("--set") == 2
    assert count(build(columns, **pasted(message, 0)), "Pleural Effusion") == {True: 5, False: 5, None: 10}
    assert count(build(columns, **pasted(message, 1)), "Pleural Effusion") == {True: 5, False: 10, None: 5}


@pytest.mark.parametrize("cells", [("1", "-1"), ("yes", "No"), ("Y", "n"), ("yes", "FALSE"), ("t", "F")])
def test_yes_and_no_are_understood_in_any_mixture(build, cells):
    assert count(build({"x": [*cells] * 3}), "x") == {True: 3, False: 3}


def test_capitals_alone_do_not_make_a_class(build):
    columns = {"species": ["cat", "Cat", "dog"] * 4}
    message = refusal(build(columns))
    assert "'Cat', 'cat' differ in capitals and blanks only" in message
    assert count(build(columns, **pasted(message, 0)), "species") == {"cat": 8, "dog": 4}
    assert count(build(columns, **pasted(message, 1)), "species") == {"cat": 4, "Cat": 4, "dog": 4}


def test_captions_and_patients_are_no_labels(build):
    dataset = build(
        {
            "species": ["cat", "dog"] * 15,
            "caption": [f"an animal in a garden {row}" for row in range(30)],
            "patient": [f"P{row // 2:02}" for row in range(30)],
        }
    )
    assert list(dataset.attributes) == [Categorical("species", ["cat", "dog"])]
    assert {example.identity for example in dataset.examples()} == {f"P{row:02}" for row in range(15)}
    assert dataset.test_split == "person"
    assert "column 'patient': who is on an image, 15 people on 30 of 30 images" in said(dataset, "role")
    assert "column 'caption'" in said(dataset, "left out")


def test_what_was_found_out_is_summed_up(build):
    dataset = build(
        {
            "species": ["cat", "dog"] * 15,
            "note": ["a"] * 30,
            "age": list(range(30)),
            "Usage": ["Training", "PublicTest"] * 15,
        }
    )
    dataset.examples()
    assert dataset.remarks == [
        "Inferred: column 'Usage': the split: Training 15 (train), PublicTest 15 (test).",
        "Left out: column 'note': it says 'a' in every row, or nothing.",
        (
            "Left out: column 'age': 30 numbers from 0 to 29: amounts, not classes (to learn it as a number: --set"
            " 'datasets.NAME.continuous={\"age\" = [0, 30]}')."
        ),
    ]
    assert [remark.kind for remark in dataset.remarks] == ["inferred", "left out", "left out"]
    assert copy.deepcopy(dataset.remarks[2]).text == "column 'age': 30 numbers from 0 to 29: amounts, not classes"


@pytest.mark.parametrize(
    ("name", "cells", "reason"),
    [
        ("source", ["web"] * 30, "it says 'web' in every row"),
        ("checked", ["1"] * 30, "it says '1' in every row"),
        ("nothing", [""] * 30, "no cell says anything"),
        ("valence", [f"{row / 7:.3f}" for row in range(30)], "amounts, not classes"),
        ("score", ["0.5", "1.5"] * 15, "amounts, not classes"),
        ("age", [str(20 + row % 9) for row in range(30)], "amounts, not classes"),
        ("number", [str(row) for row in range(30)], "no classes"),
        ("thumbnail", [f"small/{row % 3}.png" for row in range(30)], "names of images"),
        ("origin", [f"https://a.b/{row % 3}" for row in range(30)], "addresses"),
        ("taken", [f"2020-01-0{row % 3 + 1}" for row in range(30)], "dates"),
        ("notes", ["blurred", "", "dark"] * 10, "by its name"),
        ("uid", [f"a{row * 7919:x}" for row in range(30)], "30 texts for 30 images"),
        ("site_id", ["A1", "B2", "C3"] * 10, "by its name, it numbers something"),
    ],
)
def test_what_is_no_label_is_left_out_and_said(build, name, cells, reason):
    dataset = build({name: cells, "species": ["cat", "dog"] * 15})
    assert [attribute.name for attribute in dataset.attributes] == ["species"]
    assert f"column '{name}': " in said(dataset, "left out")
    assert reason in said(dataset, "left out")


def test_numbers_for_classes_are_asked_for(build):
    columns = {
        "face_width": [str(100 + row) for row in range(44)],
        "expression": [str(row % 11) for row in range(44)],
        "valence": [f"{row / 44:.2f}" for row in range(44)],
        "set": ["manual"] * 44,
    }
    message = refusal(build(columns))
    assert "column expression: its 11 numbers from 0 to 10 are classes, or amounts." in message
    dataset = build(columns, **pasted(message), where="expression < 8")
    assert list(dataset.attributes) == [Categorical("expression", [str(number) for number in range(8)])]
    assert sum(count(dataset, "expression").values()) == 32
    assert 'where = "expression < 8" keeps 32 of 44 rows' in said(dataset, "role")


def test_a_doubtful_column_stops_until_it_is_named(build):
    columns = {"service_test": ["True", "False"] * 10, "gender": ["Male", "Female"] * 10}
    message = refusal(build(columns))
    assert [a.name for a in build(columns, **pasted(message, 0)).attributes] == ["service_test", "gender"]
    assert [a.name for a in build(columns, **pasted(message, 1)).attributes] == ["gender"]


def test_all_doubts_and_missing_images_are_one_message(build, tmp_path):
    dataset = build({"a": ["1", "0", "-1"] * 4, "b": ["None", "x", "y"] * 4, "c": ["1", "2", "3"] * 4})
    (tmp_path / "003.jpg").unlink()
    message = refusal(dataset)
    assert all(f"column {name}: " in message for name in "abc")
    assert "there is no image" in message
    (tmp_path / "003.jpg").touch()
    again = Table(dataset.root, **pasted(message))
    assert [attribute.name for attribute in again.attributes] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("name", "cells", "sides"),
    [
        ("Usage", ("Training", "PublicTest", "PrivateTest"), ("train", "train", "test")),
        ("subset", ("TRAIN", "dev", "test"), ("train", "train", "test")),
        ("phase", ("train", "val", "val"), ("train", "test", "test")),
        ("partition", ("0", "1", "2"), ("train", "train", "test")),
        ("fold", ("training", "hold-out", "holdout"), ("train", "test", "test")),
        ("which", ("train", "train", "eval"), ("train", "train", "test")),
        ("is_train", ("True", "True", "False"), ("train", "train", "test")),
        ("test", ("0", "0", "1"), ("train", "train", "test")),
    ],
)
def test_a_column_of_splits_is_known_by_its_values(build, name, cells, sides):
    dataset = build({"x": ["yes", "no", "yes", "no", "yes", "no"], name: [*cells] * 2})
    assert [attribute.name for attribute in dataset.attributes] == ["x"]
    assert dataset.test_split == "given"
    assert [example.split for example in dataset.examples()] == [*sides] * 2
    assert f"column '{name}': the split" in said(dataset, "role")


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("n < 2", [0, 1]),
        ("n <= 2 and n != 1", [0, 2]),
        ("kind == a", [0, 2]),
        ("kind = 'A'", [0, 2]),
        ("n in [0, 3]", [0, 3]),
        ("kind not in (a)", [1, 3]),
        ("`kind` in a, b and n >= 1.5", [2, 3]),
        ('kind != "a and b" and n > 0', [1, 2, 3]),
    ],
)
def test_a_condition_keeps_rows(build, where, kept):
    dataset = build({"n": list("0123"), "kind": list("abab"), "x": list("1010")}, labels=["x"], where=where)
    assert [int(example.image.stem) for example in dataset.examples()] == kept


@pytest.mark.parametrize("where", ["", "n", "n <", "n < x", "n ! 2", "n < 2 or n > 3", "'", "< 3", "n in", "n == ]"])
def test_a_condition_that_says_nothing_is_refused(build, where):
    with pytest.raises((ConfigError, DataError), match="where"):
        build({"n": list("0123"), "x": list("1010")}, labels=["x"], where=where).examples()


def test_a_condition_that_keeps_nothing_or_compares_words_is_refused(build):
    columns = {"n": list("0123"), "kind": list("abab")}
    assert "keeps none of the 4 rows" in refusal(build(columns, where="n > 3"))
    assert "'a' is no number" in refusal(build(columns, where="kind > 3"))
    assert "no column 'm', which `where` names" in refusal(build(columns, where="m > 3"))


def test_a_cell_may_hold_several_labels(build):
    columns = {"tags": ["smiling|hat", "smiling", "hat", ""] * 3}
    plain = build(columns)
    assert plain.attributes[0].size == 3
    assert "--set datasets.NAME.separator=" in said(plain, "warning").replace("'", "")
    options = pasted(said(plain, "warning"))
    dataset = build(columns, **options)
    assert list(dataset.attributes) == [Binary("hat"), Binary("smiling")]
    assert count(dataset, "hat") == {True: 6, False: 3, None: 3}
    assert count(build(columns, **options, values={"tags": {"": "|"}}), "hat") == {True: 6, False: 6}


def test_an_image_that_is_listed_twice_is_one(build):
    images = [f"{row % 14:03}.jpg" for row in range(28)] + [f"{row:03}.jpg" for row in range(14, 28)]
    dataset = build({"image": images, "species": ["cat"] * 14 + ["dog"] * 14 + ["cat", "dog"] * 7})
    assert len(dataset.examples()) == 28
    assert count(dataset, "species") == {None: 14, "cat": 7, "dog": 7}
    assert "14 images are listed again with other labels" in said(dataset, "warning")
    assert re.search(
        r"labels.csv, line 2 \(species cat\) and \S*labels.csv, line 16 \(species dog\)", said(dataset, "warning")
    )


def test_a_row_that_is_there_twice_counts_once(build):
    dataset = build(
        {"image": ["000.jpg", "001.jpg", "./000.jpg"], "x": ["1", "0", "1"], "split": ["train", "test", "test"]}
    )
    assert count(dataset, "x") == {True: 1, False: 1}
    assert "1 images are listed on both sides of the split" in said(dataset, "warning")


def test_a_misspelt_value_is_told(build):
    message = refusal(build({"x": ["Female", "Male"] * 3}, values={"x": {"Femal": "f"}}))
    assert "no cell is 'Femal', which `values.x` names; did you mean 'Female'?" in message


def test_a_value_that_is_neither_yes_nor_no_is_told(build):
    columns = {"x": ["M", "F", "X"] * 3}
    message = refusal(build(columns, values={"x": {"M": True, "F": False}}))
    assert "'X' is neither yes nor no" in message
    assert count(build(columns, **pasted(message)), "x") == {True: 3, False: 3, None: 3}


def test_tables_that_are_called_like_splits_are_one(tmp_path):
    for side, rows in (("train", 8), ("val", 4)):
        (tmp_path / side).mkdir()
        lines = ["file,gender,race"]
        for row in range(rows):
            (tmp_path / side / f"{row}.jpg").touch()
            lines.append(f"{side}/{row}.jpg,{('Male', 'Female')[row % 2]},{('A', 'B')[row // 2 % 2]}")
        (tmp_path / f"faces_label_{side}.csv").write_text("\n".join(lines))
    dataset = Table(tmp_path)
    assert [example.split for example in dataset.examples()] == ["train"] * 8 + ["test"] * 4
    assert dataset.test_split == "given"
    assert [attribute.name for attribute in dataset.attributes] == ["gender", "race"]
    (tmp_path / "faces_label_val.csv").write_text("file,sex\nval/0.jpg,Male\n")
    assert "differ in the columns gender, race, sex" in refusal(Table(tmp_path))


def test_lists_in_cells_are_several_labels(tmp_path):
    rows = [["smiling", "hat"], ["smiling"], [], None]
    for row in range(len(rows)):
        (tmp_path / f"{row}.jpg").touch()
    lines = [json.dumps({"image": f"{row}.jpg", "sex": "fm"[row % 2], "tags": tags}) for row, tags in enumerate(rows)]
    (tmp_path / "labels.jsonl").write_text("\n".join(lines))
    plain = Table(tmp_path)
    assert [attribute.name for attribute in plain.attributes] == ["sex"]
    line = said(plain, "left out")
    assert "list, not texts or numbers (to learn each of the texts: " in line
    dataset = Table(tmp_path, **pasted(line.removesuffix(")")))
    assert count(dataset, "smiling") == {True: 2, False: 1, None: 1}
    assert count(dataset, "hat") == {True: 1, False: 2, None: 1}
