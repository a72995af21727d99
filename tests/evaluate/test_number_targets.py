"""Which edits of numbers an evaluation translates to, which images they change, and how their error is measured."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from stargan_fw.errors import LabelError
from stargan_fw_evaluate.across import AcrossPart
from stargan_fw_evaluate.candidate import Candidate
from stargan_fw_evaluate.evaluation_request import labels_to_change, list_targets, select_by_labels, select_targets
from stargan_fw_registry import Binary, Continuous, Exclusive, LabelSchema
from stargan_fw_registry.edits import parse_edit

FACES = LabelSchema("faces", [Continuous("age", 20, 120), Binary("male"), Exclusive("hair", ["black", "blond"])])
MOODS = LabelSchema("moods", [Binary("glad")])
LABELS = np.array([[0.1, 0, 1, 0], [0.45, 1, 0, 0], [math.nan, 1, 0, 1], [1.0, 0, 0, 0]], np.float32)


def target(text):
    (found,) = select_targets(list_targets(FACES), [text], [FACES, MOODS])
    return found


def test_a_number_is_set_to_values_spread_over_its_range():
    names = [each.name for each in list_targets(FACES)]
    assert names[:5] == ["faces.age=30", "faces.age=50", "faces.age=70", "faces.age=90", "faces.age=110"]
    assert names[5:] == ["faces.male", "faces.male=0", "faces.black", "faces.blond"]


def test_any_other_number_can_be_named():
    found = target("age=62.5")
    assert (found.text, found.value, found.change) == ("age=62.5", 0.425, {"age": 62.5})
    assert found.edit == parse_edit("age=62.5", [FACES])
    assert target("faces.age=30") in list_targets(FACES)


@pytest.mark.parametrize("text", ["age+5", "male=0.5", "age=62.5,male", "moods.glad", "black=0.5"])
def test_what_is_no_label_to_set_is_refused(text):
    with pytest.raises(LabelError, match="is not one label to set or clear"):
        target(text)


def test_what_is_suggested_can_be_written():
    """A name that several datasets have is suggested with its dataset."""
    others = LabelSchema("others", [Continuous("age", 20, 120)])
    targets = [*list_targets(FACES), *list_targets(others)]
    for text, suggestion in (
        ("faces.age+5", "faces.age=50"),
        ("others.age+5", "others.age=50"),
        ("male=0.5", "male=0"),
    ):
        with pytest.raises(LabelError, match=f"did you mean '{suggestion}'"):
            select_targets(targets, [text], [FACES, others])


def test_the_images_whose_number_is_another_are_changed():
    assert target("age=30").select_changed(LABELS, range(4)) == [1, 3]
    assert target("male").select_changed(LABELS, range(4)) == [0, 3]


def test_errors_are_in_the_numbers_own_unit():
    read = torch.tensor([[0.1, 0.0, 1, 0], [0.6, 1.0, 0, 1]])
    torch.testing.assert_close(target("age=30").errors(read), torch.tensor([0.0, 50.0]))
    assert target("age=30").metric == "regression_error"
    assert target("male").errors(read).tolist() == [1, 0]
    assert target("male").metric == "classification_error"
    assert target("age=35").matches(read).tolist() == [True, False]


def test_images_are_chosen_by_numbers_near_the_one_that_is_named():
    assert select_by_labels(FACES, LABELS, range(4), parse_edit("age=70", [FACES])) == [1]
    assert select_by_labels(FACES, LABELS, range(4), parse_edit("male,age=62", [FACES])) == [1]
    with pytest.raises(LabelError, match=r"'age\+5' says how labels change, not what they are"):
        select_by_labels(FACES, LABELS, range(4), parse_edit("age+5", [FACES]))


def test_a_true_picture_is_asked_for_with_the_number():
    assert labels_to_change(FACES, parse_edit("age=70,male=0", [FACES])) == {"age": 70.0, "male": False}


def test_a_number_beside_labels_of_another_dataset():
    part = AcrossPart.of(FACES, parse_edit("age=70,male", [FACES]))
    assert part.name == "faces.age=70,faces.male"
    assert part.matches(torch.tensor([[0.55, 1.0, 0, 0], [0.65, 1.0, 0, 0], [0.5, 0.0, 0, 0]])).tolist() == [
        True,
        False,
        False,
    ]
    assert [part.changes(row) for row in LABELS] == [True, False, False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("age+5", r"'faces.age\+5' is another target for each image"),
        ("blond=0.5", "another target for each image"),
        ("male=0.5", "'male=0.5' has a strength, which no classifier reads"),
    ],
)
def test_what_no_classifier_reads_is_refused(text, message):
    with pytest.raises(LabelError, match=message):
        AcrossPart.of(FACES, parse_edit(text, [FACES]))


class Reader:
    """A method that reads the same labels from every image."""

    def read_labels(self, images, dataset):
        return torch.tensor([[0.7, 1, 0, 1]]).repeat(len(images), 1)


def test_a_label_that_nobody_knows_is_what_the_method_reads():
    """It is not 0, which would ask for the least number while another label is edited."""

    def complete(method, labels):
        pipeline = SimpleNamespace(read_labels=Reader().read_labels)
        candidate = Candidate(None, None, None, SimpleNamespace(method=method, pipeline=pipeline), "", None)
        return candidate.complete(torch.zeros(len(labels), 3, 2, 2), "faces", labels)

    labels = torch.tensor([[0.1, 0, 1, 0], [math.nan, 1, 0, math.nan]])
    torch.testing.assert_close(complete(Reader(), labels), torch.tensor([[0.1, 0, 1, 0], [0.7, 1, 0, 1]]))
    assert complete(Reader(), labels[:1]).tolist() == labels[:1].tolist()
    assert complete(object(), labels) is labels, "a method that reads no labels"
