"""The texts of tables, and the paths in them, as Windows, spreadsheets and other machines write them."""

import shlex
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from stargan_fw.errors import DataError
from stargan_fw_plugins.datasets.table import Table
from stargan_fw_registry import Binary, Categorical

TEXT = "image,species,x\na.jpg,Café,0.5\nb.jpg,Hund,1.5\nc.jpg,Café,2.5\nd.jpg,Hund,3.5\n"


@pytest.fixture
def table(tmp_path):
    """Writes a table beside images: `table("a.csv", "image,x…", images=["a.jpg"]) -> path`."""

    def write(name, content, images=("a.jpg", "b.jpg", "c.jpg", "d.jpg")):
        for image in images:
            (tmp_path / image).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / image).touch()
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def read(path, **options):
    dataset = Table(path, **options)
    return [(example.image.name, *example.labels.values()) for example in dataset.examples()]


def said(dataset):
    dataset.examples()
    return " ".join(str(finding) for finding in dataset.findings)


def refusal(path, **options):
    with pytest.raises(DataError) as caught:
        Table(path, **options).examples()
    return str(caught.value)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"]
)
def test_a_text_is_read_in_any_usual_encoding(table, encoding, sign, ending):
    text = TEXT.replace(",", sign).replace("\n", ending)
    if sign == ";":
        text = text.replace(".5", ",5")
    path = table("a.csv", text.encode(encoding))
    assert read(path) == [("a.jpg", "Café"), ("b.jpg", "Hund"), ("c.jpg", "Café"), ("d.jpg", "Hund")]
    assert "column 'x': 4 numbers from 0.5 to 3.5: amounts, not classes" in said(Table(path))
    assert ("was read as Windows-1252, such as 'Café'" in said(Table(path))) == (encoding in {"cp1252", "latin-1"})


@pytest.mark.parametrize("encoding", ["cp1251", "shift_jis", "gbk", "mac_roman", "cp437", "koi8-r"])
def test_another_encoding_is_named_and_not_guessed(table, encoding):
    words = {
        "shift_jis": ("猫", "犬"),
        "gbk": ("小猫", "小狗"),
        "mac_roman": ("Café", "Hund"),
        "cp437": ("Café", "Hund"),
    }
    first, second = words.get(encoding, ("кошка", "собака"))
    path = table("a.csv", f"image,species\na.jpg,{first}\nb.jpg,{second}\n".encode(encoding))
    assert "line 2: not UTF-8 text" in refusal(path) or "line 3: not UTF-8 text" in refusal(path)
    assert read(path, encoding=encoding) == [("a.jpg", first), ("b.jpg", second)]
    assert 'encoding = "klingon"' in refusal(path, encoding="klingon")


@pytest.mark.parametrize(
    "text",
    [
        " image , species \n a.jpg , cat \n b.jpg , dog \n",
        "# pets of 2019\n# second line\nimage,species\na.jpg,cat\n# none\nb.jpg,dog\n",
        "# image,species\na.jpg,cat\nb.jpg,dog\n",
        "#image species\na.jpg cat\nb.jpg dog\n",
        "sep=;\nimage;species\na.jpg;cat\nb.jpg;dog\n",
        "image,species,,\na.jpg,cat,,\nb.jpg,dog,,\n,,,\n",
        "image,species\na.jpg,cat,\nb.jpg,dog,\n",
        '"image";"species"\n"a.jpg";"cat"\n"b.jpg";"dog"\n',
        "'image','species'\n'a.jpg','cat'\n'b.jpg','dog'\n",
        "\n\nimage,species\n\na.jpg,cat\nb.jpg,dog\n\n",
        "species,image\ncat,a.jpg\ndog,b.jpg\n",
        'image,species,"a; b; c"\na.jpg,cat,\nb.jpg,dog,\n',
    ],
)
def test_what_stands_around_the_cells_is_nothing(table, text):
    assert read(table("a.csv", text)) == [("a.jpg", "cat"), ("b.jpg", "dog")]


def test_what_is_no_text_is_named(table):
    assert "not a text: it has zero bytes" in refusal(table("a.csv", b"image,x\na.jpg,\0\0\0\0\nb.jpg,1\n"))


@pytest.mark.parametrize("name", ["a.txt", "a.lst", "a.csv", "a.tsv"])
@pytest.mark.parametrize("sign", [" ", "\t", ",", ";", "    "])
def test_a_list_of_files_and_labels_needs_no_header(table, name, sign):
    path = table(
        name, "".join(f"{letter}.jpg{sign}{kind}\n" for letter, kind in zip("abcd", ["cat", "dog"] * 2, strict=True))
    )
    dataset = Table(path)
    assert list(dataset.attributes) == [Categorical("label", ["cat", "dog"])]
    assert len(dataset.examples()) == 4
    assert "has no header: its columns are called image, label" in said(dataset)


def test_a_decimal_comma_is_yes_and_no_too(table):
    for text in ("image;x\na.jpg;1,0\nb.jpg;0,0\nc.jpg;NA\n", 'image,x\na.jpg,"1,0"\nb.jpg,"0,0"\nc.jpg,\n'):
        path = table("a.csv", text)
        assert list(Table(path).attributes) == [Binary("x")]
        assert read(path) == [("a.jpg", True), ("b.jpg", False), ("c.jpg", None)]


def test_an_index_of_pandas_may_name_the_images(table, tmp_path):
    assert read(table("a.csv", ",x\na.jpg,1\nb.jpg,0\n")) == [("a.jpg", True), ("b.jpg", False)]
    frame = pa.table({"x": [True, False], "__index_level_0__": ["a.jpg", "b.jpg"]})
    pq.write_table(frame, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [("a.jpg", True), ("b.jpg", False)]


def test_a_list_without_header_and_endings_is_not_guessed(table):
    message = refusal(table("a.csv", "a,cat\nb,dog\nc,cat\n"))
    assert "The columns are a, cat. If this is no header: write one" in message


@pytest.mark.parametrize("column", ["Path", "file", "img", "Image Path", "subDirectory_filePath", "anything"])
def test_the_column_of_images_is_known_by_what_it_holds(table, column):
    assert read(table("a.csv", f"id,{column},x\n7,a.jpg,1\n8,b.jpg,0\n")) == [("a.jpg", True), ("b.jpg", False)]


@pytest.mark.parametrize(
    "form",
    [
        "images\\{}.jpg",
        "C:\\data\\pets\\images\\{}.jpg",
        "/home/me/pets/images/{}.jpg",
        "file:///home/me/images/{}.jpg",
        "file:///C:/me/my%20pets/images/{}.jpg",
        "/images/{}.jpg",
        "./images/{}.jpg",
        "Images/{}.JPG",
        "images/{}",
        "{}.jpg",
        "{}",
        "pets/images/{}.jpg",
        "\\\\server\\pets\\{}.jpg",
    ],
)
def test_paths_of_other_machines_are_found(table, form):
    images = [f"images/{number:03}.jpg" for number in range(4)]
    rows = "".join(f"{form.format(f'{number:03}')},{number % 2}\n" for number in range(4))
    assert read(table("a.csv", f"image,x\n{rows}", images)) == [(f"{n:03}.jpg", bool(n % 2)) for n in range(4)]


def test_a_path_that_two_files_could_be_is_none(table):
    path = table("a.csv", "image,x\n0.jpg,1\n1.jpg,0\n", ["a/0.jpg", "b/0.jpg", "a/1.jpg", "b/1.jpg"])
    assert "there is no image" in refusal(path)
    assert "2 of the images are missing" in refusal(path)


@pytest.mark.parametrize("cell", ["../a.jpg", "..\\a.jpg", "/etc/passwd", "x/../../a.jpg"])
def test_paths_lead_nowhere_else(table, tmp_path, cell):
    (tmp_path / "pets").mkdir()
    path = table("pets/a.csv", f"image,x\n{cell},1\nb.jpg,0\n", ["a.jpg", "pets/b.jpg"])
    assert "line 2, column image: " in refusal(path)


def test_pixels_in_cells_are_named_and_converted_by_the_line(table, tmp_path):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (4, 9, 9), dtype=np.uint8)
    usage = ["Training", "Training", "PublicTest", "PrivateTest"]
    rows = [f"{k % 2},{' '.join(map(str, pixels.ravel()))},{usage[k]}" for k, pixels in enumerate(pictures)]
    message = refusal(table("fer.csv", "emotion,pixels,Usage\n" + "\n".join(rows), ()))
    assert "the column 'pixels' holds the pixels of the images as numbers, which are not read" in message
    command = shlex.split(message[message.index(shlex.quote(sys.executable)) : message.index(" Then use")])
    subprocess.run(command, check=True)
    written = Table(tmp_path / "fer-images" / "labels.csv")
    assert [example.split for example in written.examples()] == ["train", "train", "train", "test"]
    with Image.open(next(iter(written.examples())).image) as image:
        assert np.array_equal(np.asarray(image), pictures[0])
