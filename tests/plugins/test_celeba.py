import re
import sys

import numpy as np
import pytest

from stargan_fw.config import DatasetConfig
from stargan_fw.data.source import Source
from stargan_fw.errors import ConfigError, DataError
from stargan_fw.plugin_manager import PluginManager
from stargan_fw_plugins.datasets.celeba import COLUMNS, CelebA
from stargan_fw_plugins.datasets.celeba_files import AttributeFile
from stargan_fw_registry import Binary, Exclusive, LabelSchema

ONE_IMAGE = {"000001.jpg": {"Black_Hair", "Male"}}


def replace_line(path, number, line):
    lines = path.read_text().splitlines()
    lines[number - 1] = line
    path.write_text("\n".join(lines) + "\n")


def error_of(root, **options):
    with pytest.raises(DataError) as caught:
        list(CelebA(root, **options).examples())
    return str(caught.value)


def test_the_paper_chooses_three_exclusive_hair_colours_gender_and_age(tmp_path):
    dataset = CelebA(tmp_path)
    hair = Exclusive("hair", ["Black_Hair", "Blond_Hair", "Brown_Hair"])
    assert list(dataset.attributes) == [hair, Binary("Male"), Binary("Young")]
    assert (dataset.crop_size, dataset.test_split, dataset.test_size) == (178, "random", 2000)


def test_attributes_keep_the_order_in_which_they_are_named(tmp_path):
    chosen = ["Smiling", "Gray_Hair", "Male", "Blond_Hair"]
    hair = Exclusive("hair", ["Gray_Hair", "Blond_Hair"])
    assert list(CelebA(tmp_path, attributes=chosen).attributes) == [Binary("Smiling"), hair, Binary("Male")]


def test_a_single_hair_colour_is_binary(tmp_path):
    assert list(CelebA(tmp_path, attributes=["Blond_Hair"]).attributes) == [Binary("Blond_Hair")]


def test_all_forty_attributes_make_a_schema(tmp_path):
    schema = LabelSchema("celeba", CelebA(tmp_path, attributes=list(COLUMNS)).attributes)
    assert sum(attribute.size for attribute in schema.attributes) == 40


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (["Blonde_Hair"], r"`attributes` names 'Blonde_Hair'.*did you mean 'Blond_Hair'\?"),
        (["Male", "Male"], r"`attributes` names 'Male' twice\. Remove one"),
        ([], r"`attributes` is empty\. Name at least one"),
    ],
)
def test_a_selection_that_cannot_be_learned_is_refused(tmp_path, chosen, message):
    with pytest.raises(ConfigError, match=message):
        CelebA(tmp_path, attributes=chosen)


def test_labels_are_those_of_the_file(write_celeba):
    root = write_celeba({"000001.jpg": {"Black_Hair", "Male"}, "000002.jpg": {"Young", "Smiling"}})
    first, second = CelebA(root, attributes=["Black_Hair", "Male", "Young"]).examples()
    assert first.image == str(root / "img_align_celeba" / "000001.jpg")
    assert first.labels == {"Black_Hair": True, "Male": True, "Young": False}
    assert second.labels == {"Black_Hair": False, "Male": False, "Young": True}
    assert (first.identity, first.split) == (None, None)


def test_two_hair_colours_on_one_image_are_unknown_and_nothing_else_is(write_celeba):
    two = {"000001.jpg": {"Black_Hair", "Brown_Hair", "Male"}, "000002.jpg": {"Brown_Hair"}}
    root = write_celeba({**two, "000003.jpg": {"Young"}, "000004.jpg": {"Male"}})
    source = Source.open("celeba", DatasetConfig(plugin="celeba", location=str(root)), "", PluginManager.discover())
    assert np.array_equal(source.labels[:2], [[np.nan] * 3 + [1, 0], [0, 0, 1, 0, 0]], equal_nan=True)


def test_two_hair_colours_do_not_matter_where_one_is_selected(write_celeba):
    root = write_celeba({"000001.jpg": {"Black_Hair", "Brown_Hair"}})
    (example,) = CelebA(root, attributes=["Brown_Hair", "Male"]).examples()
    assert example.labels == {"Brown_Hair": True, "Male": False}


def test_identities_and_partitions_are_read_where_they_are(write_celeba):
    root = write_celeba({f"00000{i}.jpg": set() for i in (1, 2, 3)})
    (root / "identity_CelebA.txt").write_text("000001.jpg 2880\n000002.jpg 2937\n\n")
    (root / "list_eval_partition.txt").write_text("000001.jpg 0\n000002.jpg 1\n000003.jpg 2\n")
    examples = CelebA(root).examples()
    assert [example.identity for example in examples] == ["2880", "2937", None]
    assert [example.split for example in examples] == ["train", "train", "test"]


def test_the_lines_of_a_plain_file_are_read_together(write_celeba):
    """Half a second for the whole of CelebA: Python is called a number of times that does not grow with the lines."""
    root = write_celeba({})
    names = [f"{i + 1:06d}.jpg" for i in range(5000)]
    values = " ".join(["-1"] * 39 + [" 1"])
    text = "\n".join(["5000", " ".join(COLUMNS), *(f"{name} {values}" for name in names)])
    (root / "list_attr_celeba.txt").write_text(text)
    calls = []
    sys.setprofile(lambda _frame, event, _argument: calls.append(event) if event == "call" else None)
    try:
        read, young = AttributeFile(root / "list_attr_celeba.txt").read(["Young"])
    finally:
        sys.setprofile(None)
    assert len(calls) < 1000
    assert (read, young.tolist()) == (names, [[True]] * len(names))


@pytest.mark.parametrize(
    "plain, odd", [(" 1", "\t1"), (" 1", "  1"), (" 1", "    1"), ("\n", " \n"), ("\n", "\r\n"), ("\n", "\n \n\n")]
)
def test_blanks_do_not_matter(write_celeba, plain, odd):
    root = write_celeba({"000001.jpg": {"Black_Hair", "Young"}, "000002.jpg": {"Male"}, "000003.jpg": {"Young"}})
    path = root / "list_attr_celeba.txt"
    count, header, rows = path.read_text().split("\n", 2)
    path.write_bytes("\n".join([count, header, rows.replace(plain, odd)]).encode())
    names, are_set = AttributeFile(path).read(["Male", "Young"])
    assert names == ["000001.jpg", "000002.jpg", "000003.jpg"]
    assert are_set.tolist() == [[False, True], [True, False], [False, True]]


def test_images_that_are_not_listed_or_listed_in_another_order(write_celeba):
    root = write_celeba({f"00000{i}.jpg": set() for i in (1, 2, 3)})
    (root / "identity_CelebA.txt").write_text("000003.jpg 7\n000009.jpg 8\n000001.jpg 9\n")
    assert [example.identity for example in CelebA(root).examples()] == ["9", None, "7"]


def test_a_missing_root_is_told_with_the_layout_and_the_remedy(tmp_path):
    message = error_of(tmp_path / "celeba")
    assert re.match(rf"{tmp_path / 'celeba'}: no such folder\. .*img_align_celeba/ and list_attr_celeba\.txt", message)
    assert "--datasets celeba:FOLDER" in message
    assert "stargan-fw data sample" in message


def test_a_file_for_a_root_is_told(tmp_path):
    (tmp_path / "celeba").touch()
    assert ": not a folder. " in error_of(tmp_path / "celeba")


def test_a_root_one_level_too_high_or_too_low_is_told_where_to_go(write_celeba):
    root = write_celeba(ONE_IMAGE)
    assert len(CelebA(root.parent).examples()) == 1
    for wrong in (root / "img_align_celeba", root / "celeba"):
        assert error_of(wrong).endswith(f"use --datasets celeba:{root}")


def test_a_missing_attribute_file_or_image_folder_is_named(write_celeba):
    root = write_celeba(ONE_IMAGE)
    (root / "list_attr_celeba.txt").rename(root / "kept.txt")
    assert error_of(root).startswith(f"{root}: holds no list_attr_celeba.txt. ")
    (root / "kept.txt").rename(root / "list_attr_celeba.txt")
    (root / "img_align_celeba" / "000001.jpg").rename(root / "a face.jpg")
    assert re.search(r"img_align_celeba: 1 of the 1 images .* are absent \(000001.jpg\)\. Unpack", error_of(root))


def test_a_zip_in_place_of_the_image_folder_is_named(write_celeba):
    root = write_celeba({})
    (root / "img_align_celeba").rmdir()
    (root / "img_align_celeba").touch()
    assert error_of(root).startswith(f"{root}: holds no img_align_celeba folder. ")


def test_a_missing_column_is_named_with_the_closest(write_celeba):
    root = write_celeba(ONE_IMAGE, columns=["Black_Hair", "Male"])
    message = error_of(root, attributes=["Male", "Young"])
    assert message.startswith(f"{root / 'list_attr_celeba.txt'}, line 2: no column 'Young'.")
    assert "known: Black_Hair, Male" in message
    assert "`attributes`" in message


def test_a_count_that_disagrees_is_told(write_celeba):
    root = write_celeba(ONE_IMAGE, count=3)
    message = error_of(root)
    assert message.startswith(f"{root / 'list_attr_celeba.txt'}, line 1: promises 3 images, but 1 are listed.")
    assert "download it again" in message


@pytest.mark.parametrize(
    ("number", "line", "message"),
    [
        (
            1,
            "file,5_o_Clock_Shadow",
            r"line 1: 'file,5_o_Clock_Shadow' is not the number of images\. Use CelebA's",
        ),
        (3, "000001.jpg 1 -1", r"line 3: 2 values instead of 40\. The line is cut short.*download"),
        (3, "000001.jpg " + "-1 " * 39 + "x", r"line 3, column Young: 'x' is not -1 or 1\. Correct the value"),
        (3, "000001.jpg 0 " + "-1 " * 39, r"line 3, column 5_o_Clock_Shadow: '0' is not -1 or 1\."),
    ],
)
def test_a_broken_line_is_told_with_its_place(write_celeba, number, line, message):
    root = write_celeba(ONE_IMAGE)
    replace_line(root / "list_attr_celeba.txt", number, line)
    assert re.search(re.escape(str(root / "list_attr_celeba.txt")) + ", " + message, error_of(root))


def test_an_empty_attribute_file_is_told(write_celeba):
    root = write_celeba(ONE_IMAGE)
    (root / "list_attr_celeba.txt").write_text("")
    assert "line 1: '' is not the number of images" in error_of(root)


def test_absent_images_are_counted_and_the_first_are_named(write_celeba):
    root = write_celeba({f"00000{i}.jpg": set() for i in range(1, 7)})
    folder = root / "img_align_celeba"
    for i in (2, 3, 4, 6):
        (folder / f"00000{i}.jpg").unlink()
    message = error_of(root)
    assert message.startswith(f"{folder}: 4 of the 6 images that list_attr_celeba.txt lists are absent")
    assert "(000002.jpg, 000003.jpg, 000004.jpg, …)" in message
    assert f"so that {folder / '000002.jpg'} exists, or" in message
    assert message.endswith("--set datasets.celeba.on_bad_image=skip")


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("identity_CelebA.txt", "000001.jpg", "line 1: '000001.jpg' is not a file name and an identity"),
        ("list_eval_partition.txt", "000001.jpg 7", "line 1: '000001.jpg 7' is not a file name and one of 0, 1, 2"),
    ],
)
def test_a_broken_optional_file_is_told(write_celeba, file, line, message):
    root = write_celeba(ONE_IMAGE)
    (root / file).write_text(line + "\n")
    assert error_of(root).startswith(f"{root / file}, {message}. ")
    assert "it is optional" in error_of(root)
