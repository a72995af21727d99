"""Target labels of an edit: which have to be read from the image, and what they become."""

import pytest
import torch

from stargan_fw.errors import LabelError, ModelError
from stargan_fw.inference.target_labels import CurrentLabels, Target
from stargan_fw_registry import Binary, Categorical, Exclusive, LabelSchema, LabelSpace

UNKNOWN = float("nan")
SPACE = LabelSpace(
    [
        LabelSchema("shapes", [Categorical("shape", ["disc", "square"]), Binary("inverted")]),
        LabelSchema("colours", [Exclusive("colour", ["red", "green"])]),
    ]
)
READ = {"shapes": [1.0, 0, 1], "colours": [0.0, 1]}


@pytest.fixture
def current():
    """Labels of a batch, of which the caller knows these: `current(None, "square") -> (CurrentLabels, datasets read)`."""

    def make(*known):
        asked = []

        def read(dataset):
            asked.append(dataset)
            return torch.tensor([READ[dataset]] * len(known))

        return CurrentLabels(SPACE, [SPACE.resolve_all(edit) if edit else () for edit in known], read), asked

    return make


def target(to, start=None, strength=1.0):
    return Target.make(SPACE, to, start, strength)


@pytest.mark.parametrize(
    ("edit", "read", "expected"),
    [
        ("square,inverted=0", [], [0, 1, 0]),
        ("square", ["shapes"], [0, 1, 1]),
        ("inverted=0", ["shapes"], [1, 0, 0]),
        ("inverted=flip", ["shapes"], [1, 0, 0]),
        ("red", [], [1, 0]),
        ("red=0", ["colours"], [0, 1]),
        ("colour=", [], [0, 0]),
    ],
)
def test_only_what_an_edit_leaves_open_is_read(current, edit, read, expected):
    labels, asked = current(None, None)
    wanted = target(edit)

    (found,) = wanted.labels(SPACE, labels.of(wanted)).values()

    assert asked == read
    assert found.tolist() == [expected] * 2


def test_a_dataset_is_read_once_for_all_targets(current):
    labels, asked = current(None)

    for edit in ("square", "inverted", "green=0", "disc"):
        labels.of(target(edit))

    assert asked == ["shapes", "colours"]


def test_what_the_caller_knows_is_not_read_over(current):
    labels, asked = current("disc,inverted=0", "square", "red")
    wanted = target("inverted=flip")

    found = labels.of(wanted)

    assert asked == ["shapes"], "of the second nothing but the shape is known, of the third another dataset's labels"
    assert found["shapes"].tolist() == [[1, 0, 0], [0, 1, 1], READ["shapes"]]
    assert wanted.labels(SPACE, found)["shapes"].tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 0]]


def test_strength_mixes_with_the_labels_or_with_the_start(current):
    labels, asked = current(None)

    part = target("square,inverted=0", strength=0.25)
    assert part.labels(SPACE, labels.of(part))["shapes"].tolist() == [[0.75, 0.25, 0.75]]
    between = target("square,inverted=0", "disc,inverted", 0.5)
    assert between.labels(SPACE, labels.of(between))["shapes"].tolist() == [[0.5, 0.5, 0.5]]
    assert asked == ["shapes"]


def test_between_two_whole_edits_nothing_is_read(current):
    labels, asked = current(None)

    labels.of(target("square,inverted", "disc,inverted=0", 0.5))

    assert asked == []


def test_a_label_that_nobody_knows_cannot_be_turned_over():
    with pytest.raises(ModelError, match="'inverted' cannot be changed from what it is"):
        target("inverted=flip").labels(SPACE, {"shapes": torch.tensor([[1.0, 0, UNKNOWN]])})


@pytest.mark.parametrize("strength", [-0.1, 1.1, UNKNOWN])
def test_a_strength_is_between_0_and_1(strength):
    with pytest.raises(LabelError, match="strength"):
        target("square", strength=strength)


def test_a_strength_may_be_any_kind_of_number():
    assert target("square", strength="0.5") == target("square", strength=0.5)


@pytest.mark.parametrize(
    ("to", "read", "expected"),
    [
        ("red,square,inverted=0", [], {"shapes": [0, 1, 0], "colours": [1, 0]}),
        ("red,square", ["shapes"], {"shapes": [0, 1, 1], "colours": [1, 0]}),
        ("inverted=flip,red=0", ["shapes", "colours"], {"shapes": [1, 0, 0], "colours": [0, 1]}),
    ],
)
def test_an_edit_across_datasets_keeps_what_it_leaves_open_of_each(current, to, read, expected):
    labels, asked = current(None)
    wanted = target(to)

    found = wanted.labels(SPACE, labels.of(wanted))

    assert asked == read
    assert {name: own[0].tolist() for name, own in found.items()} == expected


def test_current_labels_may_be_of_several_datasets(current):
    labels, asked = current("disc,inverted=0,green")
    wanted = target("square,red=0")

    assert {name: own.tolist() for name, own in labels.of(wanted).items()} == {
        "shapes": [[1, 0, 0]],
        "colours": [[0, 1]],
    }
    assert asked == []


def test_strength_mixes_the_labels_of_each_dataset(current):
    labels, _ = current(None)

    part = target("square,red", strength=0.25)
    assert {name: own[0].tolist() for name, own in part.labels(SPACE, labels.of(part)).items()} == {
        "shapes": [0.75, 0.25, 1],
        "colours": [0.25, 0.75],
    }
    between = target("square,red", "inverted=0,green", 0.5)
    assert {name: own[0].tolist() for name, own in between.labels(SPACE, labels.of(between)).items()} == {
        "shapes": [0.5, 0.5, 0.5],
        "colours": [0.5, 0.5],
    }


@pytest.mark.parametrize(
    ("to", "start", "of"),
    [
        ("square", "red", "'red' is of colours and 'square' of shapes"),
        ("square,red", "disc", "'disc' is of shapes and 'square,red' of shapes and colours"),
        ("red", "green,disc", "'green,disc' is of shapes and colours and 'red' of colours"),
    ],
)
def test_labels_are_mixed_between_edits_of_the_same_datasets(to, start, of):
    with pytest.raises(LabelError, match=of):
        target(to, start)
