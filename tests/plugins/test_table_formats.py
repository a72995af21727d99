"""Tables in every format that people hand over: read as the CSV file would be, or refused with a line that converts them."""

import bz2
import gzip
import importlib.util
import json
import lzma
import shlex
import subprocess
import sys
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from stargan_fw.errors import DataError
from stargan_fw_plugins.datasets.table import Table
from stargan_fw_plugins.datasets.table_files import CONVERSIONS, SUFFIXES
from stargan_fw_plugins.datasets.table_reading import READERS

ROWS = [
    {"image": f"{row}.jpg", "species": ["cat", "dog"][row % 2], "old": ["yes", "no", ""][row % 3]} for row in range(6)
]
TEXT = "\n".join([",".join(ROWS[0]), *(",".join(row.values()) for row in ROWS)])
EXPECTED = [(row["image"], row["species"], {"yes": True, "no": False, "": None}[row["old"]]) for row in ROWS]


@pytest.fixture(autouse=True)
def _images(tmp_path):
    for row in ROWS:
        (tmp_path / row["image"]).touch()


def read(path, **options):
    dataset = Table(path, **options)
    return [(example.image.name, *example.labels.values()) for example in dataset.examples()]


def refusal(path, **options):
    with pytest.raises(DataError) as caught:
        Table(path, **options).examples()
    return str(caught.value)


def test_every_ending_has_a_reader():
    assert set(SUFFIXES) == set(READERS)


def packed(name, pack):
    def write(folder):
        (folder / name).write_bytes(pack(TEXT.encode()))
        return folder / name

    return write


def zipped(name, members):
    def write(folder):
        with zipfile.ZipFile(folder / name, "w") as archive:
            for member, text in members.items():
                archive.writestr(member, text)
        return folder / name

    return write


@pytest.mark.parametrize(
    "write",
    [
        packed("a.csv.gz", lambda data: gzip.compress(data, mtime=0)),
        packed("a.csv.bz2", bz2.compress),
        packed("a.CSV.XZ", lzma.compress),
        packed("a.csv", lambda data: gzip.compress(data, mtime=0)),
        zipped("a.csv.zip", {"a.csv": TEXT}),
        zipped("a.csv.zip", {"faces/a.csv": TEXT, "__MACOSX/faces/._a.csv": "junk"}),
    ],
)
def test_a_packed_table_is_unpacked(tmp_path, write):
    path = write(tmp_path)
    assert read(path) == EXPECTED
    assert read(tmp_path) == EXPECTED


def test_a_packed_parquet_file_is_unpacked(tmp_path):
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    assert read(tmp_path / "a.parquet.gz") == EXPECTED


@pytest.mark.parametrize("name", ["a.feather", "a.arrow", "stream.arrow", "a.ipc"])
def test_arrow_files_are_read(tmp_path, name):
    table = pa.Table.from_pylist(ROWS)
    if name == "a.feather":
        feather.write_feather(table, tmp_path / name)
    else:
        start = pa.ipc.new_stream if name.startswith("stream") else pa.ipc.new_file
        with start(tmp_path / name, table.schema) as writer:
            writer.write_table(table)
    assert read(tmp_path / name) == EXPECTED
    assert read(tmp_path) == EXPECTED
    (tmp_path / name).write_bytes(b"ARROW1 and no more")
    assert "not an Arrow file, or a damaged one" in refusal(tmp_path / name)


COLUMNS = {name: {str(row): ROWS[row][name] for row in range(6)} for name in ROWS[0]}
BY_IMAGE = {row["image"]: {"species": row["species"], "old": row["old"]} for row in ROWS}


@pytest.mark.parametrize(
    "value",
    [
        ROWS,
        {"data": ROWS},
        {"version": {"rows": ROWS}},
        COLUMNS,
        {name: list(cells.values()) for name, cells in COLUMNS.items()},
        BY_IMAGE,
        {name: {image: row[name] for image, row in BY_IMAGE.items()} for name in ("species", "old")},
        {"columns": list(ROWS[0]), "index": list(range(6)), "data": [list(row.values()) for row in ROWS]},
        [list(ROWS[0]), *(list(row.values()) for row in ROWS)],
    ],
)
def test_json_is_read_in_the_shapes_that_programs_write(tmp_path, value):
    (tmp_path / "a.json").write_text(json.dumps(value, indent=1))
    assert sorted((image, *labels) for image, *labels in read(tmp_path / "a.json")) == EXPECTED
    assert len(read(tmp_path)) == 6


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.ndjson"])
def test_objects_line_by_line_are_read(tmp_path, name):
    (tmp_path / name).write_text("\n".join(map(json.dumps, ROWS)))
    assert read(tmp_path / name) == EXPECTED


@pytest.mark.parametrize(
    "value",
    [
        {image: row["species"] for image, row in BY_IMAGE.items()},
        {"labels": [[r["image"], r["species"]] for r in ROWS]},
    ],
)
def test_json_of_images_and_their_label_is_read(tmp_path, value):
    (tmp_path / "dataset.json").write_text(json.dumps(value))
    assert read(tmp_path / "dataset.json") == [row[:2] for row in EXPECTED]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a.jpg": "cat", "a.jpg": "dog"}', "'a.jpg' is there twice in one object"),
        ('{"images": [], "annotations": []}', "not a table. Write a list of objects"),
        ('{"a": [1, 2], "b": [1]}', "not a table. Write a list of objects"),
        ('[["a.jpg", 1, 2], ["b.jpg", 1, 2]]', "not a table. Write a list of objects"),
        ("[1, 2]", "not a table. Write a list of objects"),
        ("3", "not a table. Write a list of objects"),
        ('{"a.jpg": ', "not JSON"),
    ],
)
def test_json_of_another_shape_is_refused(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text)
    assert message in refusal(tmp_path / "a.json")


def test_a_json_file_beside_a_table_is_none(tmp_path):
    (tmp_path / "info.json").write_text("{}")
    (tmp_path / "readme.txt").write_text("images of pets")
    assert "info.json: not a table" in refusal(tmp_path)
    (tmp_path / "list.txt").write_text(TEXT)
    assert read(tmp_path) == EXPECTED
    (tmp_path / "table.csv.gz").write_bytes(gzip.compress(TEXT.encode()))
    assert read(tmp_path) == EXPECTED


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv.gz", gzip.compress(TEXT.encode(), mtime=0)[:-12], "cannot be unpacked"),
        ("a.csv.bz2", bz2.compress(TEXT.encode())[:-12], "cannot be unpacked"),
        ("a.csv.xz", lzma.compress(TEXT.encode())[:-12], "cannot be unpacked"),
        ("a.csv.zip", b"PK\x03\x04 and no more", "a damaged zip archive"),
        ("a.csv", b"<!DOCTYPE html><html>Sign in</html>", "a web page"),
        ("a.csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "lfs pull --include a.csv"),
        ("a.csv", b"PAR1 and more", "Rename it, so that it ends in .parquet"),
        ("a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a .xls file is not read. Convert it"),
        ("a.numbers", b"PK\x03\x04", "In Numbers, File, Export To, CSV"),
        ("a.pkl", b"\x80\x04", "not a table. Name a file that ends in .csv"),
    ],
)
def test_what_is_no_table_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    assert message.casefold() in refusal(tmp_path / name).casefold()


def command_of(message):
    """Returns the command of a message."""
    return message[message.index(shlex.quote(sys.executable)) : message.index(" Then use --datasets ")]


def test_an_archive_of_images_and_table_is_unpacked_by_the_line(tmp_path):
    folder = tmp_path / "sent"
    folder.mkdir()
    with zipfile.ZipFile(folder / "pets.zip", "w") as archive:
        archive.writestr("labels.csv", TEXT)
        archive.writestr("other.csv", TEXT)
        for row in ROWS:
            archive.writestr(row["image"], b"")
    message = refusal(folder / "pets.zip")
    subprocess.run(shlex.split(command_of(message)), check=True)
    assert message.endswith(f"--datasets table:{folder / 'pets'}")
    assert read(folder / "pets" / "labels.csv") == EXPECTED


def write_with_pandas(path):
    import pandas as pd

    frame = pd.DataFrame(ROWS)
    if path.suffix == ".dta":
        frame.to_stata(path, write_index=False)
    elif path.suffix == ".sav":
        import pyreadstat

        pyreadstat.write_sav(frame, path)
    elif path.suffix == ".orc":
        frame.to_orc(path)
    else:
        frame.to_excel(path, index=False)


@pytest.mark.parametrize("suffix", [".xlsx", ".ods", ".dta", ".sav", ".orc"])
@pytest.mark.parametrize("by", ["file", "folder", "other name"])
def test_the_line_in_the_message_converts_a_spreadsheet(tmp_path, suffix, by):
    writers = {".xlsx": "openpyxl", ".ods": "odf"}
    needed = ("pandas", CONVERSIONS[suffix][0].replace("-", "_"), writers.get(suffix))
    missing = [name for name in needed if name and importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    path = tmp_path / f"My faces{suffix}"
    write_with_pandas(path)
    if by == "other name":
        if suffix not in {".xlsx", ".ods"}:
            pytest.skip("has no mark of its own")
        path = path.rename(path.with_suffix(".csv"))
    message = refusal(tmp_path if by == "folder" else path)
    install, _, convert = command_of(message).partition(" && ")
    assert install.startswith(f"{shlex.quote(sys.executable)} -m pip install pandas")
    subprocess.run(shlex.split(convert), check=True)
    (location,) = shlex.split(message.partition(" Then use --datasets ")[2])
    assert location == f"table:{path}.csv"
    assert read(tmp_path / f"{path.name}.csv") == EXPECTED


def test_pixels_in_a_packed_table_are_converted_by_the_line(tmp_path):
    pixels = np.arange(100).reshape(10, 10) + 50
    rows = [f"{row % 2};{' '.join(map(str, (pixels + row).ravel()))};größe" for row in range(4)]
    path = tmp_path / "fer.csv.gz"
    path.write_bytes(gzip.compress(("emotion;pixels;x\n" + "\n".join(rows)).encode("utf-16")))
    subprocess.run(shlex.split(command_of(refusal(path))), check=True)
    assert read(tmp_path / "fer-images" / "labels.csv") == [(f"{row}.png", row % 2 == 1) for row in range(4)]
