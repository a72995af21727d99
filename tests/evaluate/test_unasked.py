"""What a translation changes although nobody asked, and what an evaluation says while it works."""

import io
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

from stargan_fw_evaluate import scoring
from stargan_fw_evaluate.evaluation_progress import PAUSE, EvaluationProgress
from stargan_fw_evaluate.unasked import LabelWatch, drift
from stargan_fw_registry import Binary, Categorical, Continuous, Exclusive, LabelSchema
from stargan_fw_registry.edits import parse_edit

FACES = LabelSchema("faces", [Exclusive("hair", ["black", "blond"]), Binary("old"), Binary("man")])
MOODS = LabelSchema("moods", [Categorical("mood", ["calm", "happy"])])
NO = float("nan")
NAN = pytest.approx(float("nan"), nan_ok=True)


def reader(schema, table):
    """A classifier that reads the row of a table that an image's brightness numbers."""
    return SimpleNamespace(schema=schema, read=lambda images: (torch.tensor(table)[images[:, 0, 0, 0].long()], None))


def pictures(*brightness):
    return torch.tensor(brightness, dtype=torch.float32)[:, None, None, None].expand(-1, 3, 2, 2)


BLACK, BLOND, OLD, BLOND_MAN = [1, 0, 0, 0.0], [0, 1, 0, 0.0], [0, 0, 1, 0.0], [0, 1, 0, 1.0]
WATCH = {
    "faces": reader(FACES, [BLACK, BLOND, OLD, BLOND_MAN]),
    "moods": reader(MOODS, [[1, 0.0], [1, 0], [1, 0], [0, 1]]),
}


def changes(edit, before, after, truth=None, alias="faces"):
    asked = [parse_edit(edit, [FACES, MOODS])]
    return LabelWatch(WATCH).changes(
        alias, range(len(before)), pictures(*before), pictures(*after), edits=asked, pictures=truth
    )


def test_labels_that_the_edit_does_not_name_are_watched_group_by_group():
    assert changes("blond", [0, 0, 0], [1, 3, 2]) == {"faces.old": [0, 0, 1], "faces.man": [0, 1, 0]}
    assert changes("old", [0, 0], [2, 0]) == {"faces.hair": [1, 0], "faces.man": [0, 0]}


def test_an_edit_of_another_dataset_leaves_all_labels_of_the_images_alone():
    assert changes("happy", [0, 1], [3, 1]) == {"faces.hair": [1, 0], "faces.old": [0, 0], "faces.man": [1, 0]}
    assert changes("happy", [0], [3], alias="moods") == {}


def test_what_the_true_picture_changes_too_or_may_change_does_not_count():
    truth = [pictures(2)[0], pictures(0)[0], None]
    found = changes("old", [0, 0, 0], [2, 2, 2], truth)
    assert found["faces.hair"] == [NAN, 1, NAN]
    assert found["faces.man"] == [0, 0, NAN]


def test_inputs_are_read_once():
    asked = []

    def read(images):
        asked.append(len(images))
        return torch.zeros(len(images), 4), None

    watch = LabelWatch({"faces": SimpleNamespace(schema=FACES, read=read)})
    for indices in ([1, 2, 3], [3, 4]):
        images = pictures(*[0] * len(indices))
        watch.changes("faces", indices, images, images, edits=[], pictures=None)
    assert asked == [3, 3, 1, 2]


def test_a_number_counts_as_changed_from_a_tenth_of_its_range_on():
    ages = LabelSchema("ages", [Continuous("age", 0, 100), Binary("man")])
    watch = LabelWatch({"ages": reader(ages, [[0.5, 1], [0.55, 1], [0.7, 1]])})
    found = watch.changes("ages", [0, 1], pictures(0, 0), pictures(1, 2), edits=[], pictures=None)
    assert found == {"ages.age": [0, 1], "ages.man": [0, 0]}


def test_drift_is_the_difference_after_one_edit_and_after_ten_in_shares_of_the_range():
    found = drift(lambda images: (images + 0.1, torch.tensor([True, False])), torch.zeros(2, 3, 2, 2))
    assert found["own_label_drift"].tolist() == [pytest.approx(0.05), NAN]
    assert found["composition_drift"].tolist() == [pytest.approx(0.5), NAN], "a picture is at most white"


def test_drift_is_measured_on_images_from_first_to_last(monkeypatch):
    monkeypatch.setattr(scoring, "DRIFT_IMAGES", 3)
    taken, labels = [], torch.tensor([[0], [1], [0], [NO], [1], [0]]).numpy()
    source = SimpleNamespace(schema=SimpleNamespace(name="faces"), labels=labels)
    images = SimpleNamespace(source=source, indices=range(6), batches=lambda some, *_: taken.extend(some) or [])
    scoring.score_drift(None, images, torch.device("cpu"))
    assert taken == [0, 1, 4], "of five images with known labels"


def test_off_a_terminal_a_line_comes_now_and_then():
    seconds, text = iter([0, 1, PAUSE + 1, PAUSE + 2, 2 * PAUSE + 3]), io.StringIO()
    show = EvaluationProgress(Console(file=text), lambda: next(seconds))
    assert list(show("reading", range(2))) + list(show("trans[late]", range(2))) == [0, 1, 0, 1]
    assert text.getvalue().splitlines() == ["reading: 2 of 2, after 16 s", "trans[late]: 2 of 2, after 33 s"]


def test_a_terminal_has_bars():
    text = io.StringIO()
    show = EvaluationProgress(Console(file=text, force_terminal=True))
    assert list(show("rea[ding]", range(3))) == [0, 1, 2]
    assert "rea[ding]" in text.getvalue()
