import io
import json
import sys
from collections import Counter

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from stargan_fw.config import DatasetConfig
from stargan_fw.errors import ConfigError, DataError, PluginError
from stargan_fw.options import options_model
from stargan_fw.plugin_manager import PluginManager
from stargan_fw_plugins.datasets.huggingface import HuggingFace
from stargan_fw_plugins.datasets.table import Table
from stargan_fw_registry import Binary, Categorical, Continuous, Exclusive

library_leaves_files_open = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
PAPER = [Exclusive("hair", ["Black_Hair", "Blond_Hair", "Brown_Hair"]), Binary("Male"), Binary("Young")]


def png(number):
    buffer = io.BytesIO()
    Image.new("RGB", (40, 48), (number * 50, 100, 100)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    """Keeps the library's copies with the test, and its bars quiet."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


@pytest.fixture
def write(tmp_path):
    """Writes parquet files with images of rows of other columns: `write(train=[{"x": True}]) -> folder`."""

    def write(**splits):
        for split, rows in splits.items():
            cells = [{"image": {"bytes": png(i), "path": f"{i}.png"}, **row} for i, row in enumerate(rows)]
            (tmp_path / "set" / "data").mkdir(parents=True, exist_ok=True)
            path = tmp_path / "set" / "data" / f"{split}-00000-of-00001.parquet"
            pq.write_table(pa.Table.from_pylist(cells), path)
        return tmp_path / "set"

    return write


@pytest.fixture
def save(tmp_path):
    """Saves typed columns beside images as `save_to_disk` does: `save({"x": ClassLabel(…)}, x=[0, 1]) -> folder`."""

    def save(features, **columns):
        count = len(next(iter(columns.values())))
        images = {"image": [{"bytes": png(i), "path": None} for i in range(count)]}
        features = datasets.Features({"image": datasets.Image(), **features})
        datasets.Dataset.from_dict(images | columns, features=features).save_to_disk(tmp_path / "saved")
        return tmp_path / "saved"

    return save


def labels(dataset):
    return [example.labels for example in dataset.examples()]


def error_of(root, error=DataError, **options):
    with pytest.raises(error) as caught:
        list(HuggingFace(root, **options).examples())
    return str(caught.value)


@pytest.mark.parametrize(
    "cells", [(True, False, None), (0, 1, None), (-1, 1, None), ("-1", "1", ""), ("No", "yes", None)]
)
def test_two_values_that_say_yes_and_no_are_binary(write, cells):
    dataset = HuggingFace(write(train=[{"x": cell} for cell in cells]))
    assert list(dataset.attributes) == [Binary("x")]
    assert labels(dataset) == [{"x": cell in {True, "1", "yes"} if cell not in {None, ""} else None} for cell in cells]


def test_texts_are_categorical_and_nested_columns_called_by_their_last_name(write):
    root = write(train=[{"attributes": {"hair": "red", "Male": "1"}}, {"attributes": {"hair": "blond", "Male": "-1"}}])
    dataset = HuggingFace(root)
    assert list(dataset.attributes) == [Categorical("hair", ["blond", "red"]), Binary("Male")]
    assert labels(dataset) == [{"hair": "red", "Male": True}, {"hair": "blond", "Male": False}]


def test_class_labels_keep_their_order_and_all_their_names(save):
    kinds = datasets.ClassLabel(names=["dog", "cat", "cow"])
    dataset = HuggingFace(save({"kind": kinds}, kind=[1, 0, None]))
    assert list(dataset.attributes) == [Categorical("kind", ["dog", "cat", "cow"])]
    assert labels(dataset) == [{"kind": "cat"}, {"kind": "dog"}, {"kind": None}]


def test_class_labels_may_be_called_otherwise(save, tmp_path):
    root = save({"kind": datasets.ClassLabel(names=["n01", "n02", "n03"])}, kind=[1, 0, 2])
    dataset = HuggingFace(root, values={"kind": {"n01": "dog", "n02": "cat", "n03": ""}})
    assert list(dataset.attributes) == [Categorical("kind", ["dog", "cat"])]
    assert labels(dataset) == [{"kind": "cat"}, {"kind": "dog"}, {"kind": None}]
    partly = HuggingFace(root, values={"kind": {"n01": "dog"}})
    assert list(partly.attributes) == [Categorical("kind", ["dog", "n02", "n03"])]


def test_images_are_read_when_they_are_wanted_and_not_decoded(write):
    root = write(train=[{"x": True}, {"x": False}], test=[{"x": True}])
    first, second, third = HuggingFace(root).examples()
    assert [first.image.read(), second.image.read(), third.image.read()] == [png(0), png(1), png(0)]
    assert second.image.name == f"{root}, split train, row 1"
    assert len({example.image.fingerprint for example in (first, second, third)}) == 3
    again = list(HuggingFace(root).examples())
    assert [example.image.fingerprint for example in again] == [
        example.image.fingerprint for example in (first, second, third)
    ]


def test_splits_are_taken_as_given(write):
    rows = [{"x": True}, {"x": False}]
    root = write(train=rows, validation=rows, test=rows[:1])
    dataset = HuggingFace(root)
    assert len(dataset.attributes) == 1
    assert dataset.test_split == "given"
    assert [example.split for example in dataset.examples()] == ["train"] * 4 + ["test"]
    chosen = HuggingFace(root, splits=["train", "validation"])
    assert [example.split for example in chosen.examples()] == ["train", "train", "test", "test"]
    one = HuggingFace(root, splits=["train"])
    assert len(list(one.examples())) == 2
    assert one.test_split == "random"
    assert "no split 'tset', which `splits` names; did you mean 'test'?" in error_of(root, splits=["tset"])


def test_a_split_of_another_name_beside_train_is_told(write):
    rows = [{"x": True}]
    assert "the split 'extra' is neither for training nor for tests" in error_of(write(train=rows, extra=rows))


def test_a_parquet_file_alone_is_enough(write):
    path = next(write(train=[{"x": 1}, {"x": 0}]).glob("data/*.parquet"))
    assert labels(HuggingFace(path)) == [{"x": True}, {"x": False}]


def test_bare_bytes_are_images_where_nothing_else_is(tmp_path):
    pq.write_table(pa.table({"photo": [png(0), None], "x": [True, False]}), tmp_path / "x.parquet")
    first, second = HuggingFace(tmp_path / "x.parquet").examples()
    assert first.image.read() == png(0)
    with pytest.raises(ValueError, match="there is no image"):
        second.image.read()


@pytest.mark.parametrize("metadata", [True, False])
def test_an_imagefolder_is_read(tmp_path, metadata):
    for number, kind in enumerate(["cat", "dog"]):
        (tmp_path / "pets" / kind).mkdir(parents=True)
        (tmp_path / "pets" / kind / "0.png").write_bytes(png(number))
    if metadata:
        rows = [{"file_name": f"{kind}/0.png", "young": young} for kind, young in (("cat", 1), ("dog", -1))]
        (tmp_path / "pets" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    dataset = HuggingFace(tmp_path / "pets")
    young = [{"young": True}, {"young": False}] if metadata else [{}, {}]
    assert labels(dataset) == [young[0] | {"label": "cat"}, young[1] | {"label": "dog"}]
    assert [example.image.read() for example in dataset.examples()] == [png(0), png(1)]


@pytest.mark.parametrize(
    "style",
    [
        lambda name, on: {name: on},
        lambda name, on: {name: int(on)},
        lambda name, on: {name: 1 if on else -1},
        lambda name, on: {name: "1" if on else "-1"},
    ],
    ids=["bool", "0/1", "-1/1", "strings"],
)
@pytest.mark.parametrize("nested", [False, True])
def test_the_recipe_for_celeba_takes_every_style(write, style, nested):
    rows = []
    for number, shown in enumerate([{"Black_Hair", "Male"}, {"Black_Hair", "Blond_Hair"}, {"Young", "Brown_Hair"}]):
        row = {"celeb_id": 2880 + number, "Smiling": style("x", True)["x"]}
        for name in ("Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young"):
            row |= style(name, name in shown)
        identity = row.pop("celeb_id")
        rows.append({"celeb_id": identity, "attributes": row} if nested else row | {"celeb_id": identity})
    dataset = HuggingFace(write(train=rows, test=rows[:1]), recipe="celeba")
    assert list(dataset.attributes) == PAPER
    assert (dataset.crop_size, dataset.test_split, dataset.test_size) == (178, "random", 2000)
    first, second, *_ = dataset.examples()
    expected = {"Black_Hair": True, "Blond_Hair": False, "Brown_Hair": False, "Male": True, "Young": False}
    assert first.labels == expected
    assert second.labels == {**expected, "Blond_Hair": True, "Male": False}
    assert dataset.on_contradiction == "unknown"
    assert (first.identity, second.identity) == ("2880", "2881")


@pytest.mark.parametrize("size, side", [((1024, 1024), 836), ((356, 436), 356), ((178, 218), None)])
def test_the_recipe_scales_its_crop_with_larger_pictures(write, size, side):
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, "PNG")
    image, names = (
        {"bytes": buffer.getvalue(), "path": "a.png"},
        ["Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young"],
    )
    rows = [{"image": image, **dict.fromkeys(names, yes)} for yes in (False, True)]
    dataset = HuggingFace(write(train=rows), recipe="celeba")
    crops = [example.crop for example in dataset.examples()]
    with Image.open(buffer) as image:
        assert [crop and crop.find(image).side for crop in crops] == [side, side]
    assert "larger than 178 x 218" in dataset.own_crops


def test_the_recipe_takes_other_attributes(write):
    rows = [{"Smiling": True, "Gray_Hair": False, "Blond_Hair": True}]
    root = write(train=rows)
    chosen = ["Smiling", "Gray_Hair", "Blond_Hair"]
    dataset = HuggingFace(root, recipe="celeba", labels=chosen)
    assert list(dataset.attributes) == [Binary("Smiling"), Exclusive("hair", ["Gray_Hair", "Blond_Hair"])]
    assert "no column 'Black_Hair', which `exclusive.hair` names" in error_of(root, recipe="celeba")


def test_images_alone_are_told(write):
    root = write(train=[{}])
    assert "no column is left to be a label" in error_of(root)
    assert "no column 'Black_Hair', which `exclusive.hair` names" in error_of(root, recipe="celeba")


def test_a_condition_keeps_rows_of_all_splits_with_their_own_images(write):
    rows = [{"n": number, "kind": "ab"[number % 2]} for number in range(8)]
    root = write(train=rows, test=rows[:4])
    dataset = HuggingFace(root, where="n in [1, 2, 5]", labels=["kind"])
    examples = list(dataset.examples())
    assert [(example.labels["kind"], example.split) for example in examples] == [
        ("b", "train"), ("a", "train"), ("b", "train"), ("b", "test"), ("a", "test"),
    ]  # fmt: skip
    assert [example.image.read() for example in examples] == [png(number) for number in (1, 2, 5, 1, 2)]
    assert examples[3].image.name == f"{root}, split test, row 1"
    everything = {str(e.image): e.image.fingerprint for e in HuggingFace(root, labels=["kind"]).examples()}
    assert all(everything[str(example.image)] == example.image.fingerprint for example in examples)
    assert 'where = "n in [1, 2, 5]" keeps 5 of 12 rows' in " ".join(dataset.remarks)
    assert "no column 'm', which `where` names" in error_of(root, where="m > 3")


def test_a_class_that_a_condition_leaves_out_is_no_class(save):
    root = save({"kind": datasets.ClassLabel(names=["dog", "cow", "cat", "elk"])}, kind=[0, 1, 2, 0])
    dataset = HuggingFace(root, where="kind != cow")
    assert list(dataset.attributes) == [Categorical("kind", ["dog", "cat", "elk"])]
    assert labels(dataset) == [{"kind": "dog"}, {"kind": "cat"}, {"kind": "dog"}]


def test_a_cell_may_hold_several_labels(write):
    root = write(train=[{"tags": tags} for tags in ("smiling|hat", "smiling", "hat", None)])
    dataset = HuggingFace(root, separator="|")
    assert list(dataset.attributes) == [Binary("hat"), Binary("smiling")]
    assert [tuple(row.values()) for row in labels(dataset)] == [
        (True, True),
        (False, True),
        (True, False),
        (None, None),
    ]


@pytest.mark.parametrize("typed", [False, True])
def test_lists_of_texts_and_of_classes_are_several_labels(save, typed):
    kinds = datasets.ClassLabel(names=["hat", "beard", "smiling"]) if typed else datasets.Value("string")
    cells = [[2, 0], [2], [], None] if typed else [["smiling", "hat"], ["smiling"], [], None]
    root = save({"sex": datasets.Value("string"), "tags": datasets.List(kinds)}, sex=list("fmfm"), tags=cells)
    plain = HuggingFace(root)
    assert "datasets.NAME.separator=" in " ".join(plain.remarks)
    dataset = HuggingFace(root, separator="|")
    assert [row["hat"] for row in labels(dataset)] == [True, False, False, None]
    assert [row["smiling"] for row in labels(dataset)] == [True, True, False, None]


@library_leaves_files_open
@pytest.mark.parametrize(
    ("sign", "encoding"), [(",", "utf-16"), (",", "cp1252"), (";", "utf-8"), ("\t", "utf-8"), (";", "cp1252")]
)
def test_a_metadata_file_of_windows_is_named_with_a_dataset_that_reads_it(tmp_path, sign, encoding):
    lines = [f"file_name{sign}Größe"]
    for number in range(8):
        picture(tmp_path / "pets" / f"{number}.png", number)
        lines.append(f"{number}.png{sign}{['klein', 'groß'][number % 2]}")
    (tmp_path / "pets" / "metadata.csv").write_bytes("\r\n".join(lines).encode(encoding))
    message = error_of(tmp_path / "pets")
    assert message.endswith(f"Use --datasets table:{tmp_path / 'pets'}")
    assert list(Table(tmp_path / "pets").attributes) == [Categorical("Größe", ["groß", "klein"])]


def test_the_column_of_images_is_told(write, tmp_path):
    root = write(train=[{"x": True, "second": {"bytes": b"", "path": ""}}])
    assert "the columns image, second hold images. Name the one to learn with `image`" in error_of(root)
    assert "no column 'imgae', which `image` names; did you mean 'image'?" in error_of(root, image="imgae")
    pq.write_table(pa.table({"x": [True]}), tmp_path / "x.parquet")
    assert "no column of x holds images" in error_of(tmp_path / "x.parquet")


def test_a_list_is_no_label(save):
    root = save({"box": datasets.List(datasets.Value("int64"))}, box=[[1, 2]])
    assert "column 'box': list, not texts or numbers" in error_of(root)


def test_a_limit_takes_the_first_images_of_each_split(write):
    rows = [{"x": True}, {"x": False}, {"x": True}]
    assert len(labels(HuggingFace(write(train=rows, test=rows), first=2))) == 4
    assert len(labels(HuggingFace(write(train=rows, test=rows), first=7))) == 6


def test_a_stream_is_stored_up_to_its_limit(write):
    root = write(train=[{"x": True}, {"x": False}, {"x": True}])
    dataset = HuggingFace(root, streaming=True, first=2)
    assert labels(dataset) == [{"x": True}, {"x": False}]
    assert [example.image.read() for example in dataset.examples()] == [png(0), png(1)]
    again = HuggingFace(root, streaming=True, first=2)
    fingerprints = [[example.image.fingerprint for example in one.examples()] for one in (dataset, again)]
    assert fingerprints[0] == fingerprints[1]


def test_a_streamed_imagefolder_is_stored_with_its_bytes(tmp_path):
    for number, kind in enumerate(["cat", "dog"]):
        (tmp_path / "pets" / kind).mkdir(parents=True)
        (tmp_path / "pets" / kind / "0.png").write_bytes(png(number))
    dataset = HuggingFace(tmp_path / "pets", streaming=True, first=5)
    assert labels(dataset) == [{"label": "cat"}, {"label": "dog"}]
    (tmp_path / "pets" / "cat" / "0.png").unlink()
    assert [example.image.read() for example in dataset.examples()] == [png(0), png(1)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"streaming": True}, r"the length of a stream is not known.*Set `first`"),
        ({"first": 0}, "`first` is 0. Set a number of images"),
    ],
)
def test_a_limit_that_cannot_be_is_refused(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        HuggingFace(tmp_path, **options)


def test_an_uncached_id_without_a_network_is_a_wrong_request(train):
    outcome = train(datasets="faces=huggingface:nobody/nothing")
    assert (outcome.code, outcome.out) == (2, "")
    told = " ".join(outcome.err.split())
    assert "nobody/nothing: neither a file or folder here nor in the cache" in told
    assert "the Hub cannot be reached" in told


def test_a_location_that_cannot_be_is_told(tmp_path):
    assert "no such file or folder, and not an id of the Hub" in error_of(tmp_path / "nowhere")
    assert "no location. Name it, as in --datasets" in error_of(tmp_path / "huggingface", error=ConfigError)
    (tmp_path / "x.csv").touch()
    assert "not a parquet file. Name a parquet or arrow file" in error_of(tmp_path / "x.csv")
    (tmp_path / "x.parquet").write_text("hello")
    assert "the datasets library cannot load it: Parquet" in error_of(tmp_path / "x.parquet")
    (tmp_path / "empty").mkdir()
    assert "the datasets library cannot load it" in error_of(tmp_path / "empty")


def test_no_option_is_swallowed_by_a_key_of_every_dataset():
    for name, kind in PluginManager.discover().index("dataset").items():
        assert not set(options_model(kind).model_fields) & set(DatasetConfig.model_fields), name


def test_without_the_library_the_extra_is_named(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    monkeypatch.setitem(sys.modules, "datasets.exceptions", None)
    with pytest.raises(PluginError, match=r"pip install 'stargan-fw\[huggingface\]'"):
        list(HuggingFace(write(train=[{"x": True}])).examples())


def picture(path, number):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(number))


def folder_counts(root, **options):
    dataset = HuggingFace(root, **options)
    (attribute,) = dataset.attributes
    found = Counter((str(example.labels[attribute.name]), example.split) for example in dataset.examples())
    return list(attribute.label_names), found


@library_leaves_files_open
@pytest.mark.parametrize("metadata", ["csv", "jsonl", None])
@pytest.mark.parametrize("split", [False, True])
def test_class_folders_stay_classes_beside_a_metadata_file(tmp_path, metadata, split):
    root, files = tmp_path / "pets", []
    for side in ("train", "test") if split else ("",):
        for number in range(8):
            files.append(f"{side}/{'cat' if number % 2 else 'dog'}/{number}.png".lstrip("/"))
            picture(root / files[-1], number + 10 * (side == "test"))
    notes = [f"seen on a long walk number {number}" for number in range(len(files))]
    for side in ("train", "test") if split else ("",):
        own = [(f.removeprefix(f"{side}/"), note) for f, note in zip(files, notes, strict=True) if f.startswith(side)]
        if metadata == "csv":
            lines = ["file_name,note", *(",".join(row) for row in own)]
            (root / side / "metadata.csv").write_text("\n".join(lines))
        elif metadata == "jsonl":
            rows = [json.dumps({"file_name": name, "note": note}) for name, note in own]
            (root / side / "metadata.jsonl").write_text("\n".join(rows))
    classes, found = folder_counts(root)
    assert classes == ["cat", "dog"]
    sides = ("train", "test") if split else ("train",)
    assert found == {(kind, side): 4 for kind in ("cat", "dog") for side in sides}


@library_leaves_files_open
def test_labels_of_a_metadata_file_are_learned_beside_class_folders(tmp_path):
    rows = []
    for number in range(12):
        kind = "cat" if number % 2 else "dog"
        picture(tmp_path / "pets" / kind / f"{number}.png", number)
        rows.append(f"{kind}/{number}.png,{'yes' if number % 3 else 'no'}")
    (tmp_path / "pets" / "metadata.csv").write_text("\n".join(["file_name,old", *rows]))
    dataset = HuggingFace(tmp_path / "pets")
    assert list(dataset.attributes) == [Binary("old"), Categorical("label", ["cat", "dog"])]
    assert Counter(example.labels["old"] for example in dataset.examples()) == {True: 8, False: 4}


@library_leaves_files_open
def test_a_metadata_column_that_repeats_the_folders_is_learned_once(tmp_path):
    rows = []
    for number in range(8):
        kind = "cat" if number % 2 else "dog"
        picture(tmp_path / "pets" / kind / f"{number}.png", number)
        rows.append(f"{kind}/{number}.png,{kind}")
    (tmp_path / "pets" / "metadata.csv").write_text("\n".join(["file_name,label", *rows]))
    assert folder_counts(tmp_path / "pets") == (["cat", "dog"], {("cat", "train"): 4, ("dog", "train"): 4})


def test_splits_are_never_classes(tmp_path):
    for number in range(8):
        picture(tmp_path / "pets" / ("train" if number % 2 else "test") / f"{number}.png", number)
    assert "no label" in error_of(tmp_path / "pets") or "no column" in error_of(tmp_path / "pets")


def test_what_systems_leave_behind_is_no_class(tmp_path):
    for number in range(8):
        picture(tmp_path / "pets" / ("cat" if number % 2 else "dog") / f"{number}.png", number)
    picture(tmp_path / "pets" / "@eaDir" / "x.png", 9)
    assert folder_counts(tmp_path / "pets") == (["cat", "dog"], {("cat", "train"): 4, ("dog", "train"): 4})


def test_splits_that_the_library_does_not_see_are_said_with_a_line_that_works(tmp_path):
    for number, name in enumerate(["trainA", "trainB", "testA", "testB"] * 2):
        picture(tmp_path / "pets" / name / f"{number}.png", number)
    assert error_of(tmp_path / "pets").endswith(f"Use --datasets folder:{tmp_path / 'pets'}")
    dataset = HuggingFace(tmp_path / "pets")
    dataset.alias = "mine"
    with pytest.raises(DataError, match=rf"--datasets mine=folder:{tmp_path / 'pets'}$"):
        list(dataset.examples())


def test_images_beside_class_folders_have_no_class(tmp_path):
    for number in range(8):
        picture(tmp_path / "pets" / ("cat" if number % 2 else "dog") / f"{number}.png", number)
    picture(tmp_path / "pets" / "loose.png", 9)
    classes, found = folder_counts(tmp_path / "pets")
    assert classes == ["cat", "dog"]
    assert found == {("cat", "train"): 4, ("dog", "train"): 4, ("None", "train"): 1}


def test_a_metadata_file_that_the_library_stumbles_over_is_named(tmp_path):
    for number in range(4):
        picture(tmp_path / "pets" / ("cat" if number % 2 else "dog") / f"{number}.png", number)
    (tmp_path / "pets" / "metadata.csv").write_text("file_name;text\n")
    assert "the datasets library cannot load it" in error_of(tmp_path / "pets")


@library_leaves_files_open
@pytest.mark.parametrize("sides", [True, False])
def test_a_country_that_the_library_takes_for_a_missing_value_is_asked_about(tmp_path, sides):
    countries = ["NA", "DE", "FR", "NA", "DE", "FR", "", "NA"]
    for side in ("train", "test") if sides else ("",):
        (tmp_path / "set" / side).mkdir(parents=True)
        rows = ["file_name,country,mood"]
        for number, country in enumerate(countries):
            (tmp_path / "set" / side / f"{number}.png").write_bytes(png(number))
            rows.append(f"{number}.png,{country},{['NA', 'glad', 'sad'][number % 3]}")
        (tmp_path / "set" / side / "metadata.csv").write_text("\n".join(rows))
    with pytest.raises(DataError, match="country: 'NA' beside 'DE', 'FR' is a class, or says that nothing is known"):
        HuggingFace(tmp_path / "set").examples()

    known = HuggingFace(tmp_path / "set", values={"country": {"NA": "NA"}})
    found = [each["country"] for each in labels(known)]
    assert found == [country or None for country in countries] * (2 if sides else 1)
    assert [each["mood"] for each in labels(known)][:3] == [None, "glad", "sad"]
    unknown = HuggingFace(tmp_path / "set", values={"country": {"NA": ""}})
    assert [each["country"] for each in labels(unknown)][:3] == [None, "DE", "FR"]


def test_the_file_of_a_row_that_cannot_be_read_is_named(tmp_path, write):
    for side in ("cat", "dog"):
        (tmp_path / "pets" / side).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "pets" / side / f"{number}.png").write_bytes(png(number))
    images = HuggingFace(tmp_path / "pets").images()
    assert images[4].name == f"{tmp_path}/pets, split train, row 4"
    assert str(images[4]) == f"{images[4].name}: {tmp_path}/pets/dog/1.png"
    inside = HuggingFace(write(train=[{"x": True}, {"x": False}])).images()
    assert str(inside[1]) == f"{inside[1].name}: 1.png"


def test_a_column_of_numbers_is_learned_as_one_if_the_configuration_says_so(write):
    root = write(train=[{"age": 20.5, "cat": True}, {"age": 61.0, "cat": False}, {"age": None, "cat": True}])
    dataset = HuggingFace(root, continuous={"age": [0, 100]})
    assert dataset.attributes == [Continuous("age", 0, 100), Binary("cat")]
    assert [example["age"] for example in labels(dataset)] == [20.5, 61, None]
    assert "to learn it as a number" in "".join(HuggingFace(root).remarks)
