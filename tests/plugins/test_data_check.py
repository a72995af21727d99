"""What `data check` finds in a dataset, and which of it is a problem."""

import json
import shutil

import pytest
from PIL import Image

from stargan_fw import Crop, Dataset, Example, Remark, Square
from stargan_fw.config_layers import Layer, merge
from stargan_fw.errors import ConfigError
from stargan_fw.plugin_manager import PluginManager
from stargan_fw_data.image_check import check
from stargan_fw_registry import Binary, Exclusive

SIDE = 12


class Things(Dataset):
    """Pictures whose names are their labels: `0-red-inverted.png`; two of a number are of one person."""

    name = "things"
    attributes = (Exclusive("colour", ["red", "green"]), Binary("inverted"))
    test_size = 0.25

    def examples(self):
        for path in sorted(self.root.glob("*.png")):
            number, *words = path.stem.split("-")
            labels = {name: name in words for name in ("red", "green", "inverted")}
            odd = {"wrong": "what", "unsure": -1}
            inverted = next((odd[word] for word in words if word in odd), labels["inverted"])
            yield Example(path, {**labels, "inverted": inverted}, identity=number)


@pytest.fixture
def draw(tmp_path):
    """Draws pictures of different colours: `draw("0-red", "1-green-inverted")`."""
    (tmp_path / "things").mkdir()

    def write(*names):
        for name in names:
            shade = len(list((tmp_path / "things").iterdir()))
            Image.new("RGB", (SIDE, SIDE), (shade, 0, 255 - shade)).save(tmp_path / f"things/{name}.png")
        return tmp_path / "things"

    return write


@pytest.fixture
def report(tmp_path):
    """Checks that folder: `report(on_bad_image="skip") -> DatasetReport`."""

    def make(**options):
        plugins = PluginManager()
        plugins.index("dataset").register("things", Things, "here")
        tables = {"datasets": {"things": options}, "data": {"path": str(tmp_path), "image_size": 8}}
        (checked,) = check(merge([Layer("here", tables)]), plugins, lambda name, count, images: images)
        return checked.report

    return make


def names(colour, count, first=0):
    return [f"{number}-{colour}" for number in range(first, first + count)]


def test_good_data_is_counted_and_has_no_problem(draw, report):
    draw(*names("red", 24), *names("green-inverted", 40, 24))

    found = report(test_split="person")

    assert (found.images, found.training, found.test, found.people) == (64, 48, 16, 64)
    assert {label.name: label.train + label.test for label in found.labels} == {"red": 24, "green": 40, "inverted": 40}
    assert found.together["inverted"] == {"red": 0, "green": 40, "inverted": 40}
    assert found.store_bytes == 64 * 8 * 8 * 3
    assert (found.problems, found.warnings, found.unreadable, found.duplicates) == ([], [], {}, [])
    assert found.to_dict()["alias"] == "things"


def test_labels_that_cannot_be_learned_are_warned_of(draw, report):
    draw(*names("red", 20))

    warnings = report().warnings

    assert "No image has 'green': it cannot be learned." in warnings
    assert "'red' has 15 training images, fewer than 16." in warnings


@pytest.mark.parametrize("reds", [4, 20])
def test_a_class_without_test_images_is_said_however_small_it_is(draw, report, reds):
    draw(*names("red", reds), *names("green", 5, reds))
    class_of = Things.examples

    def halves(self):
        for example in class_of(self):
            yield Example(example.image, example.labels, split="test" if example.labels["green"] else "train")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Things, "examples", halves)
        (warning,) = [text for text in report(test_split="given").warnings if "'red'" in text]
    assert "no test image" in warning.lower()


def test_a_broken_image_is_a_problem_unless_it_is_to_be_skipped(draw, report):
    root = draw(*names("red", 8), *names("green", 8, 8))
    (root / "3-red.png").write_text("no picture")

    (problem,) = report().problems
    assert problem.startswith("1 image cannot be read, such as '3-red.png': ")
    assert problem.endswith("--set datasets.things.on_bad_image=skip")
    assert report(on_bad_image="skip").problems == []


def test_data_of_broken_images_is_no_data(draw, report):
    root = draw(*names("red", 4))
    for path in list(root.iterdir())[:3]:
        path.write_text("no picture")

    assert "Too few images can be read: 1 of 4. Replace the others." in report(on_bad_image="skip").problems


def test_the_same_bytes_twice_are_found(draw, report):
    root = draw(*names("red", 8))
    shutil.copy(root / "2-red.png", root / "9-red.png")

    found = report()

    assert found.duplicates == [["2-red.png", "9-red.png"]]
    assert any("'2-red.png' = '9-red.png'" in warning for warning in found.warnings)


def test_people_on_both_sides_are_found(draw, report):
    draw(*names("red", 20), *names("green", 20))

    assert report().people_on_both_sides
    assert any("--set datasets.things.test_split=person" in warning for warning in report().warnings)
    assert report(test_split="person").people_on_both_sides == []


def test_a_violated_group_is_a_problem_or_counts_as_unknown(draw, report):
    draw(*names("red", 8), "8-red-green")

    found = report()
    assert list(found.violations) == ["8-red-green.png"]
    assert found.problems[0].endswith("--set datasets.things.on_contradiction=unknown")
    found = report(on_contradiction="unknown")
    assert found.problems == []
    assert {label.name: label.unknown for label in found.labels} == {"red": 1, "green": 1, "inverted": 0}


def test_a_wrong_label_is_a_problem(draw, report):
    draw(*names("red", 8), "8-wrong")

    found = report()

    assert list(found.wrong_labels) == ["8-wrong.png"]
    assert "'8-wrong.png': binary label 'inverted' cannot be 'what'" in found.problems[0]


class Unsure(Crop):
    """Says of every other picture that its square is a guess."""

    def find(self, image):
        return Square(0, 0, 6, "this is a guess" if image.getpixel((0, 0))[0] % 2 else "")


def test_what_a_crop_notes_is_listed(draw, report, monkeypatch):
    draw(*names("red", 8))
    examples = Things.examples
    monkeypatch.setattr(
        Things, "examples", lambda self: (Example(one.image, one.labels, crop=Unsure()) for one in examples(self))
    )

    found = report()

    assert found.notes == {f"{number}-red.png": "this is a guess" for number in (1, 3, 5, 7)}
    assert "4 images: this is a guess, such as on '1-red.png'. Look at them with --sheet." in found.warnings


@pytest.mark.parametrize("count", [0, 1])
def test_too_little_to_divide_is_a_problem(draw, report, count):
    draw(*names("red", count))

    assert report().problems


def test_no_dataset_is_refused():
    with pytest.raises(ConfigError, match="No dataset is named"):
        check(merge([]), PluginManager(), lambda name, count, images: images)


def test_a_label_that_is_0_and_minus_1_may_mean_unknown(draw, report):
    draw(*(f"{number}-red" for number in range(6)), "6-green-inverted", "7-green-unsure")
    assert any("'inverted' is 0 on some images and -1 on others" in warning for warning in report().warnings)


def test_a_label_that_is_only_minus_1_means_no(draw, report):
    draw(*(f"{number}-red-unsure" for number in range(6)), "6-green-inverted", "7-green-inverted")
    assert not any("on others" in warning for warning in report().warnings)


def test_a_copy_with_another_label_is_named(draw, report):
    root = draw(*names("red", 20), *names("green", 20, 20))
    shutil.copy(root / "2-red.png", root / "90-green.png")

    text = " ".join(report().warnings)

    assert "1 image with other labels on a copy: '2-red.png' is red, '90-green.png' is green. One is wrong." in text


def test_the_same_labels_everywhere_are_a_problem(draw, report):
    draw(*names("red", 20))

    (problem,) = report().problems

    assert problem.startswith("All 15 training images of the dataset 'things' at ")
    assert "there is nothing to translate between" in problem


@pytest.mark.parametrize(
    ("green", "inverted", "said"),
    [
        ("test", (), "No training image has 'green', but 6 of the test images do."),
        ("train", (), "No test image has 'green': what is learned of it cannot be measured."),
        ("train", ("train",), "No training image is without 'inverted': inverted=0 cannot be learned."),
        ("train", ("train", "test"), "No training image is without 'inverted': inverted=0 cannot be learned."),
        ("test", ("test",), "No training image has 'inverted', but 6 of the test images do."),
    ],
)
def test_a_random_split_that_leaves_a_class_out_of_a_side(draw, report, green, inverted, said):
    held_out = (0, 3, 4, 7, 14, 16)  # of 24 images
    for number in range(24):
        side = "test" if number in held_out else "train"
        draw(f"{number:02}-{'green' if side == green else 'red'}{'-inverted' * (side in inverted)}")
    if green == "train":
        draw(f"24-red{'-inverted' * ('train' in inverted)}")  # is for training, so that the colours vary

    found = report(test_size=0.25)

    assert (found.split, found.test) == ("random", 6)
    assert said in found.warnings
    assert "cannot be measured" in said or found.warnings.index(said) < 2


def test_what_cannot_be_learned_comes_before_other_warnings(draw, report):
    draw(*names("red", 20), *names("red-inverted", 5))

    first, *others = report().warnings

    assert first == "No image has 'green': it cannot be learned."
    assert others


def test_what_was_inferred_and_left_out_is_no_warning_but_in_json(draw, report, monkeypatch):
    otherwise = "to learn them: --set x=y"
    remarks = [Remark("left out", "2 notes: texts", otherwise), "A sentence.", Remark("inferred", "the split")]
    monkeypatch.setattr(Things, "remarks", remarks)
    draw(*names("red", 24), *names("green-inverted", 40, 24))

    found = report(test_split="person")

    assert found.warnings == ["A sentence."]
    assert found.to_dict()["warnings"] == [
        f"Left out: 2 notes: texts ({otherwise}).",
        "Inferred: the split.",
        "A sentence.",
    ]
    assert found.to_dict()["remarks"] == [
        {"kind": "left out", "text": "2 notes: texts", "otherwise": otherwise},
        {"kind": "inferred", "text": "the split", "otherwise": ""},
    ]
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()


def test_images_that_another_dataset_trains_on_are_no_test(draw, tmp_path):
    draw(*names("red", 24), *names("green-inverted", 40, 24))
    plugins = PluginManager()
    plugins.index("dataset").register("things", Things, "here")
    one = {"plugin": "things", "location": str(tmp_path / "things"), "test_split": "person"}

    def warnings(two):
        tables = {"datasets": {"one": one, "two": one | two}, "data": {"image_size": 8}}
        checked = check(merge([Layer("here", tables)]), plugins, lambda name, count, images: images)
        return {each.report.alias: each.report.warnings for each in checked}

    assert warnings({}) == {"one": [], "two": []}
    found = warnings({"test_size": 0.5})  # 32 people, with the 16 that both hold out
    assert not found["one"]
    (text,) = (warning for warning in found["two"] if "held out here" in warning)
    assert text.startswith("16 images held out here, such as ")
    assert "trained on in 'one'" in text
