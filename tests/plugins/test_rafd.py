import re

import pytest

from stargan_fw.errors import ConfigError, DataError
from stargan_fw_plugins.datasets.rafd import EXPRESSIONS, RaFD
from stargan_fw_registry import Categorical

ANGRY = "Rafd090_01_Caucasian_female_angry_frontal.jpg"
SIDEWAYS = "Rafd180_02_Moroccan_male_sad_left.jpg"
KID = "Rafd045_70_Kid_male_happy_right.jpg"


def error_of(root, **options):
    with pytest.raises(DataError) as caught:
        list(RaFD(root, **options).examples())
    return str(caught.value)


def test_one_categorical_attribute_in_alphabetical_order(tmp_path):
    dataset = RaFD(tmp_path)
    assert list(dataset.attributes) == [Categorical("expression", sorted(EXPRESSIONS))]
    assert (dataset.crop_size, dataset.test_split, dataset.test_size) == (None, "person", 0.1)


def test_names_give_expression_and_person(touch):
    root = touch(ANGRY, KID)
    kid, angry = RaFD(root).examples()
    assert (angry.image, angry.labels, angry.identity) == (root / ANGRY, {"expression": "angry"}, "01")
    assert (kid.labels, kid.identity, kid.split) == ({"expression": "happy"}, "70", None)


def test_one_folder_below_is_read_and_hidden_files_are_not(touch):
    root = touch(f"Rafd090/{ANGRY}", f"Rafd045/{KID}", f"Rafd090/._{ANGRY}", ".hidden.jpg", "notes.txt")
    assert [example.image.name for example in RaFD(root).examples()] == [KID, ANGRY]


def test_the_profile_views_are_left_out_unless_asked_for(touch):
    root = touch(ANGRY, SIDEWAYS)
    assert [example.image.name for example in RaFD(root).examples()] == [ANGRY]
    assert [example.image.name for example in RaFD(root, angles=[180]).examples()] == [SIDEWAYS]
    assert [example.image.name for example in RaFD(root, angles=[90, 180], gazes=["left"]).examples()] == [SIDEWAYS]


def test_the_layout_of_the_reference_is_read_with_its_split(touch):
    root = touch(f"train/angry/{ANGRY}", "train/sad/a face.png", "test/happy/7.jpg", "test/happy/Thumbs.db")
    dataset = RaFD(root)
    angry, sad, happy = dataset.examples()
    assert dataset.test_split == "given"
    assert RaFD.test_split == "person"
    assert (angry.labels, angry.identity, angry.split) == ({"expression": "angry"}, "01", "train")
    assert (sad.labels, sad.identity, sad.split) == ({"expression": "sad"}, None, "train")
    assert (happy.labels, happy.identity, happy.split) == ({"expression": "happy"}, None, "test")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"angles": [90, 60]}, r"`angles` names 60, .* Known: 0, 45, 90, 135, 180\."),
        ({"gazes": ["front"]}, r"`gazes` names 'front', .* Known: left, frontal, right\."),
        ({"angles": []}, r"`angles` is empty\. Name some of 0, 45"),
    ],
)
def test_an_unknown_selection_is_refused(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        RaFD(tmp_path, **options)


def test_a_missing_root_is_told_with_the_layouts_and_the_remedy(tmp_path):
    root = tmp_path / "rafd"
    assert re.match(rf"{root}: no such folder\. .*Rafd<angle>_.*train/<expression>/", error_of(root))
    assert "--datasets rafd:FOLDER" in error_of(root)
    root.mkdir()
    assert error_of(root).startswith(f"{root}: no images of RaFD.")


def test_a_file_for_a_root_is_told(touch):
    assert ": not a folder. " in error_of(touch("rafd.zip") / "rafd.zip")


def test_a_root_one_level_off_is_told_where_to_go(touch):
    root = touch(f"train/angry/{ANGRY}", "test/sad/b.jpg")
    for wrong in (root.parent, root / "train", root / "nowhere"):
        assert error_of(wrong).endswith(f"use --datasets rafd:{root}")


def test_a_name_that_does_not_parse_is_told_with_the_pattern(touch):
    root = touch(ANGRY, "Rafd090_01_Caucasian_female_angry.jpg")
    message = error_of(root)
    assert message.startswith(f"{root / 'Rafd090_01_Caucasian_female_angry.jpg'}: ")
    assert "Rafd<angle>_<person>_" in message
    assert "move it out" in message


@pytest.mark.parametrize("prefix", ["", "train/sad/"])
def test_no_image_at_the_chosen_angles_is_told_with_those_there_are(touch, prefix):
    root = touch(prefix + SIDEWAYS)
    if prefix:
        (root / "test").mkdir()
    message = error_of(root)
    assert message.startswith(f"{root}: no image of angles 45, 90, 135 and gazes left, frontal, right.")
    assert "angles 180 and the gazes left: set `angles`" in message


def test_expression_folders_without_images_are_told(touch):
    root = touch("train/angry/notes.txt", "test/angry/notes.txt")
    assert error_of(root).startswith(f"{root}: the folders of expressions hold no images. Put")


def test_an_unknown_expression_folder_is_told_with_the_closest(touch):
    root = touch("train/anger/a.jpg", "test/angry/b.jpg")
    assert re.match(rf"{root / 'train/anger'}: .* Rename .*did you mean 'angry'\?", error_of(root))
