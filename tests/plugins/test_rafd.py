import json
import re
from collections import Counter

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
        ({"angles": [90, 60]}, r"`angles` names 60, .* Name some of 0, 45, 90, 135, 180\."),
        ({"gazes": ["front"]}, r"`gazes` names 'front', .* Name some of left, frontal, right\."),
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
    assert "the expression of 1 of the 2 pictures is not known (Rafd090_01_Caucasian_female_angry.jpg)" in message
    assert "Rafd<angle>_<person>_" in message
    assert message.endswith("move them out, or leave them out: --set datasets.rafd.on_bad_image=skip.")


def test_unknown_names_are_left_out_if_that_is_asked_for(touch):
    root = touch(ANGRY, *(f"other/{i}.png" for i in range(5)))
    assert "5 of the 6 pictures is not known (other/0.png, other/1.png, other/2.png, …)" in error_of(root)
    dataset = RaFD(root)
    dataset.on_bad_image = "skip"
    assert len(dataset.examples()) == 1
    assert dataset.remarks[0].startswith("Left out: the expression of 5 of the 6 pictures")


PEOPLE = [f"{number:02d}" for number in range(1, 5)]


def names(
    form="Rafd{angle:03d}_{person}_Caucasian_female_{expression}_{gaze}.jpg", expressions=EXPRESSIONS, angles=(90,)
):
    """Four people, each with every expression and gaze."""
    return [
        form.format(angle=angle, person=person, expression=expression, gaze=gaze, name=f"Rafd{angle:03d}_{person}")
        for angle in angles
        for person in PEOPLE
        for expression in expressions
        for gaze in ("left", "frontal", "right")
    ]


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        str.lower,
        lambda name: name.replace("Rafd", "RaFD") if "_01_" in name else name,
        lambda name: name.replace(".jpg", ".JPG") if "_angry_" in name else name,
        lambda name: name.replace(".jpg", ".png"),
        lambda name: name.replace(".jpg", ".bmp"),
        lambda name: name.replace(".jpg", "_cropped.jpeg"),
        lambda name: f"aligned_{name}",
        lambda name: name.replace("_", "-"),
        lambda name: name.replace("_", "__"),
        lambda name: name.replace("Rafd", "RaFD_").replace("_", " "),
        lambda name: name.replace(".jpg", " (1).jpg"),
        lambda name: f"{name[8:10]}/{name}",
        lambda name: f"frontal/{name[8:10]}/{name}",
        lambda name: f"RaFD/images/frontal/{name[8:10]}/{name.upper()}",
    ],
)
def test_no_spelling_of_the_names_is_passed_over(touch, change):
    examples = RaFD(touch(*map(change, names()), "Thumbs.db", "._x.jpg", "@eaDir/a.jpg", "read me.txt")).examples()
    assert len(examples) == 96
    assert Counter(example.labels["expression"] for example in examples) == dict.fromkeys(EXPRESSIONS, 12)
    assert {example.identity for example in examples} == set(PEOPLE)


def test_a_person_whose_number_is_written_in_two_ways_is_one(touch):
    changed = [name.replace("_0", "_") if name.endswith("_right.jpg") else name for name in names()]
    assert {example.identity for example in RaFD(touch(*changed)).examples()} == set(PEOPLE)
    for path in touch().iterdir():
        path.rename(path.with_name(path.name.replace("_0", "_")))
    assert {example.identity for example in RaFD(touch()).examples()} == set("1234")


def test_files_that_are_no_pictures_are_counted(touch):
    dataset = RaFD(touch(*names(), "Rafd090_05_Caucasian_female_sad_left.cr2", "Rafd090_05_Caucasian_female_sad_right"))
    assert len(dataset.examples()) == 96
    assert "2 files that are not read as pictures (1 .cr2, 1 no ending)" in dataset.remarks[0]


@pytest.mark.parametrize("sides", [("train", "test"), ("Training", "test set")])
def test_named_pictures_may_lie_in_the_folders_of_the_split(touch, sides):
    files = [f"{sides['_04_' in name]}/{name}" for name in names()]
    examples = RaFD(touch(*files)).examples()
    assert Counter(example.labels["expression"] for example in examples) == dict.fromkeys(EXPRESSIONS, 12)
    assert Counter(example.split for example in examples) == {"train": 72, "test": 24}


def test_a_picture_in_the_folder_of_another_expression_is_said(touch):
    files = [f"{'test' if '_04_' in name else 'train'}/{name.split('_')[4]}/{name}" for name in names()]
    files[0] = files[0].replace("/angry/", "/happy/")
    dataset = RaFD(touch(*files))
    assert sum(example.labels["expression"] == "happy" for example in dataset.examples()) == 13
    (remark,) = dataset.remarks
    assert remark.startswith("The folders and the names of 1 of the pictures say different expressions")


def test_pictures_that_are_not_chosen_are_counted(touch):
    dataset = RaFD(touch(*names(angles=(0, 90, 180))))
    assert len(dataset.examples()) == 96
    assert dataset.remarks[0].startswith("Left out: 192 of the 288 pictures, of other `angles`")


@pytest.mark.parametrize("split", [False, True])
def test_seven_expressions_are_said_with_the_way(touch, split):
    seven = [expression for expression in EXPRESSIONS if expression != "contemptuous"]
    files = names(expressions=seven)
    if split:
        files = [f"{'test' if '_04_' in name else 'train'}/{name.split('_')[4]}/{name}" for name in files]
    dataset = RaFD(touch(*files))
    assert len(dataset.examples()) == 84
    (remark,) = dataset.remarks
    assert remark.startswith("No picture is contemptuous: no model can learn it")
    assert ("--datasets rafd=folder:" in remark) == split
    option = json.loads(re.search(r"--set 'datasets\.rafd\.expressions=(.*?)'", remark)[1])
    chosen = RaFD(dataset.root, expressions=option)
    assert (len(chosen.examples()), list(chosen.remarks)) == (84, [])
    assert list(chosen.attributes) == [Categorical("expression", seven)]


def test_folders_of_the_split_in_capitals_and_nested(touch):
    root = touch("Train/Angry/01/a.PNG", "Train/SAD/b.webp", "TEST/angry/c.jpg")
    examples = RaFD(root).examples()
    assert [(example.labels["expression"], example.split) for example in examples] == [
        ("angry", "train"),
        ("sad", "train"),
        ("angry", "test"),
    ]


def test_pictures_beside_the_folders_of_expressions_are_counted(touch):
    root = touch("train/angry/a.jpg", "test/sad/b.jpg", "train/c.jpg", "extra/d.jpg")
    assert "of 2 of the 4 pictures is not known (extra/d.jpg, train/c.jpg)" in error_of(root)


def test_class_folders_without_its_names_are_led_to_the_plugin_folder(touch):
    root = touch("angry/1.jpg", "happy/2.jpg")
    assert error_of(root).endswith(f"Or take the folders for classes: --datasets rafd=folder:{root}")


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


def test_pictures_in_two_formats_are_said(touch):
    dataset = RaFD(touch(*names(), *(f"png/{name.replace('jpg', 'png')}" for name in names()[:3])))
    assert len(dataset.examples()) == 99
    assert dataset.remarks[0].startswith(
        "Repeated: 3 pictures are there in several folders or formats, such as person 01"
    )
