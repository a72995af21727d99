"""Edits of several datasets: which labels they name, which images they change, and what counts as right."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from stargan_fw.errors import LabelError, ModelError
from stargan_fw_evaluate.across import PART, WHOLE, score_across, split_targets
from stargan_fw_registry import Binary, Categorical, Exclusive, LabelSchema

FACES = LabelSchema("faces", [Exclusive("hair", ["black", "blond"]), Binary("old")])
MOODS = LabelSchema("moods", [Categorical("mood", ["calm", "happy", "sad"])])
SCHEMAS = [FACES, MOODS]
UNKNOWN = float("nan")


def target(text):
    single, (found,) = split_targets([text], SCHEMAS, ["faces", "moods"])
    assert single == []
    return found


@pytest.mark.parametrize(
    ("text", "name", "wanted"),
    [
        ("happy,blond", "faces.blond,moods.happy", [[(1, 1)], [(1, 1)]]),
        ("mood=sad,hair=", "faces.black=0,faces.blond=0,moods.sad", [[(0, 0), (1, 0)], [(2, 1)]]),
        ("old=0,happy,black", "faces.black,faces.old=0,moods.happy", [[(0, 1), (2, 0)], [(1, 1)]]),
    ],
)
def test_a_target_has_the_labels_that_the_edit_names_of_each_dataset(text, name, wanted):
    found = target(text)
    assert found.name == name
    assert [list(part.wanted) for part in found.parts] == wanted
    assert found.datasets == ["faces", "moods"]
    assert target(found.name).name == name


def test_true_pictures_are_asked_for_with_all_labels_that_an_edit_sets_or_clears():
    assert target("old=0,happy,black").change == {"black": True, "blond": False, "old": False, "mood": "happy"}
    others = LabelSchema("others", [Categorical("mood", ["happy", "sad"])])
    for text, change in (("moods.happy,others.happy", {"mood": "happy"}), ("moods.happy,others.sad", None)):
        _, (found,) = split_targets([text], [MOODS, others], ["moods", "others"])
        assert found.change == change


def test_edits_of_one_dataset_are_left_to_the_others():
    single, across = split_targets(["happy", "old=0,blond", "sad,old", "faces.old,sad"], SCHEMAS, ["faces", "moods"])
    assert single == ["happy", "old=0,blond"]
    assert [one.name for one in across] == ["faces.old,moods.sad"]


@pytest.mark.parametrize(
    ("text", "words"), [("old=flip,sad", "write faces.old or faces.old=0"), ("old,sad", "--datasets")]
)
def test_what_cannot_be_measured_is_refused(text, words):
    with pytest.raises(LabelError, match=words):
        split_targets([text], SCHEMAS, ["moods"] if words == "--datasets" else ["faces", "moods"])


def test_what_a_classifier_reads_is_right_if_all_named_labels_are():
    faces, moods = target("old=0,happy,black").parts
    read = torch.tensor([[1, 0, 0], [1, 1, 0], [1, 0, 1], [0, 0, 0.0]])
    assert faces.matches(read).tolist() == [True, True, False, False]
    assert moods.matches(torch.eye(3)).tolist() == [False, True, False]


class Images:
    """Two images of each dataset, as `EvaluationImages` has them; an image is as bright as its index."""

    def __init__(self, schema, labels):
        self.source = SimpleNamespace(alias=schema.name, schema=schema, labels=np.float32(labels))
        self.indices = range(len(labels))
        self.truth = None

    def groups(self, indices):
        return list(indices)

    def batches(self, indices, device, progress=None):
        images = torch.tensor(indices, dtype=torch.float32)[:, None, None, None].expand(-1, 3, 2, 2)
        yield list(indices), images.to(device), torch.from_numpy(self.source.labels[list(indices)])


def test_images_that_have_the_labels_of_their_own_dataset_are_left_out():
    labels = [[0, 1, 0], [1, 0, 0], [0, 0, 1], [UNKNOWN, UNKNOWN, UNKNOWN], [0, 1, 1]]
    assert target("happy,blond").select(Images(FACES, labels)) == [1, 2]
    assert target("happy,blond,old=0").select(Images(FACES, labels)) == [1, 2, 4]
    others = Images(LabelSchema("pets", [Binary("cat")]), [[0], [1]])
    assert target("happy,blond").select(others) == [0, 1]


def test_errors_are_counted_of_each_part_and_of_the_whole_and_without_what_was_refused():
    asked = []

    def translate(images, to, current):
        if images.max() == 3:
            raise ModelError("no way")
        asked.append((to, [dict(edit.assignments) for edit in current]))
        return images

    def classifier(labels):
        return SimpleNamespace(read=lambda images: (torch.tensor(labels)[images[:, 0, 0, 0].long()], None))

    classifiers = {
        "faces": classifier([[0, 1, 0.0], [0, 1, 0], [1, 0, 0], [0, 1, 0]]),
        "moods": classifier([[0, 1, 0.0], [1, 0, 0], [1, 0, 0], [0, 1, 0]]),
    }
    translator = SimpleNamespace(translate=translate)
    images = Images(FACES, [[1, 0, 0], [1, 0, UNKNOWN], [1, 0, 0], [1, 0, 0]])
    found = score_across(translator, classifiers, images, target("happy,blond"), torch.device("cpu"))

    where = "faces.blond,moods.happy on faces"
    assert found[where].values[WHOLE] == [0, 1, 1]
    assert found[where].refused == 1
    assert found[f"faces.blond of {where}"].values[PART] == [0, 0, 1]
    assert found[f"moods.happy of {where}"].values[PART] == [0, 1, 1]
    complete, partial = {"black": 1, "blond": 0, "old": 0}, {"black": 1, "blond": 0}
    assert asked == [("faces.blond,moods.happy", [known]) for known in (complete, partial, complete)]
