"""Drawn faces drawn again with other labels."""

import shutil

import numpy as np
import pytest
from PIL import Image

from stargan_fw.errors import DataError
from stargan_fw_plugins.datasets.celeba import CelebA
from stargan_fw_plugins.datasets.rafd import RaFD
from stargan_fw_plugins.redrawn_faces import FILE, change_look
from stargan_fw_plugins.sample_faces import draw_look, seeded_random

KEY = ("test", 1)


def pixels(image):
    return np.asarray(image).astype(int)


def look(*, hair=None, male=None):
    for seed in range(200):
        found = draw_look(seeded_random("look", seed))
        if (hair is None or found.hair == hair) and (male is None or found.male == male):
            return found
    raise AssertionError


@pytest.mark.parametrize("kind", [CelebA, RaFD])
def test_without_changes_it_is_the_image_itself(small_data, kind):
    dataset = kind(small_data / kind.name)
    for example in list(dataset.examples())[::7]:
        again = dataset.counterfactual(example, {})
        assert np.array_equal(pixels(again), pixels(Image.open(example.image)))


def test_another_expression_is_the_picture_of_it_but_for_the_wall(small_data):
    dataset = RaFD(small_data / "rafd")
    examples = {
        (example.identity, example.image.stem.split("_")[-1], example.labels["expression"]): example
        for example in dataset.examples()
    }
    for person, gaze in (("01", "left"), ("02", "frontal")):
        neutral, happy = (examples[person, gaze, expression] for expression in ("neutral", "happy"))
        drawn = pixels(dataset.counterfactual(neutral, {"expression": "happy"}))
        before, other = pixels(Image.open(neutral.image)), pixels(Image.open(happy.image))
        middle = (slice(90, 170), slice(70, 186))
        assert np.abs(drawn[middle] - other[middle]).max() <= 24  # the same but for compression
        assert np.array_equal(drawn[:16, :16], before[:16, :16])  # its own wall
        assert np.abs(drawn[middle] - before[middle]).max() > 60


def test_hair_age_gender_and_smile(small_data):
    dataset = CelebA(small_data / "celeba")
    examples = list(dataset.examples())
    brown = next(example for example in examples if example.labels["Brown_Hair"])
    before = pixels(dataset.counterfactual(brown, {}))
    for labels in ({"Blond_Hair": True}, {"Male": not brown.labels["Male"]}, {"Young": False}, {"Smiling": True}):
        after = dataset.counterfactual(brown, labels)
        assert after.size == (178, 218)
        again = dataset.counterfactual(brown, labels)
        assert np.array_equal(pixels(after), pixels(again))
    blond = pixels(dataset.counterfactual(brown, {"Blond_Hair": True}))
    assert np.abs(blond - before).max() > 60
    assert np.array_equal(blond[:20, :8], before[:20, :8])
    assert dataset.counterfactual(brown, {"Wearing_Hat": True}) is None


def test_each_dataset_draws_the_labels_of_the_other_and_of_both(small_data):
    faces, portraits = CelebA(small_data / "celeba"), RaFD(small_data / "rafd")
    brown = next(
        example for example in faces.examples() if example.labels["Brown_Hair"] and "1.jpg" in str(example.image)
    )
    neutral = next(example for example in portraits.examples() if example.labels["expression"] == "neutral")
    for dataset, example in ((faces, brown), (portraits, neutral)):
        sad, grey, both = (
            pixels(dataset.counterfactual_across(example, labels))
            for labels in ({"expression": "sad"}, {"Young": False}, {"expression": "sad", "Young": False})
        )
        before = pixels(dataset.counterfactual_across(example, {}))
        for mouth, hair in ((sad, before), (both, grey)):
            rows = np.flatnonzero(np.abs(mouth - hair).max(axis=(1, 2)) > 60)
            assert rows.min() > before.shape[0] * 0.35, "eyes, brows and mouth alone"
        assert np.abs(grey - before).max() > 60
        assert dataset.counterfactual_across(example, {"expression": "bored"}) is None
        assert dataset.counterfactual_across(example, {"expression": "sad", "Smiling": True}) is None
    smile = pixels(portraits.counterfactual_across(neutral, {"Smiling": True}))
    assert np.array_equal(smile, pixels(portraits.counterfactual(neutral, {"expression": "happy"})))


def test_another_gender_wears_in_the_studio_what_everybody_wears(small_data, monkeypatch):
    monkeypatch.setattr("stargan_fw_plugins.redrawn_faces.draw_portrait", lambda portrait: portrait.look)
    dataset = RaFD(small_data / "rafd")
    for example in list(dataset.examples())[::24]:
        woman, man = (dataset.counterfactual(example, {"Male": male}) for male in (False, True))
        assert (woman.male, man.male) == (False, True)
        assert {(look.clothes, look.facial_hair, look.glasses) for look in (woman, man)} == {
            ("shirtCrewNeck", None, None)
        }
        assert woman.hair_color == man.hair_color


def test_data_that_was_not_drawn_has_no_counterfactual(small_data, tmp_path):
    for kind in (CelebA, RaFD):
        shutil.copytree(small_data / kind.name, tmp_path / kind.name)
        (tmp_path / kind.name / FILE).unlink()
        dataset = kind(tmp_path / kind.name)
        assert dataset.counterfactual(next(iter(dataset.examples())), {}) is None
    (tmp_path / "rafd" / FILE).write_text("{")
    with pytest.raises(DataError, match="Remove it"):
        dataset.counterfactual(next(iter(dataset.examples())), {})


def test_a_colour_changes_nothing_else():
    before = look(hair="black")
    after = change_look(before, {"Blond_Hair": True}, KEY)
    assert after.hair == "blond"
    assert (after.top, after.clothes, after.skin_tone, after.male) == (
        before.top,
        before.clothes,
        before.skin_tone,
        before.male,
    )
    assert change_look(before, {}, KEY) == change_look(before, {"Black_Hair": True}, KEY) == before


def test_another_gender_keeps_the_person():
    woman = look(male=False)
    man = change_look(woman, {"Male": True}, KEY)
    assert man.male
    assert man.top != woman.top
    assert (man.skin_tone, man.hair_color, man.glasses, man.clothes_color) == (
        woman.skin_tone,
        woman.hair_color,
        woman.glasses,
        woman.clothes_color,
    )
    assert change_look(man, {"Male": False}, KEY).facial_hair is None


@pytest.mark.parametrize(
    "hair, labels, expected",
    [
        ("brown", {"Young": False}, "grey"),
        ("brown", {"Young": True}, "brown"),
        ("grey", {"Blond_Hair": True}, "blond"),
        ("grey", {"Young": True, "Black_Hair": True}, "black"),
        ("grey", {"Young": True}, None),
        ("brown", {"Blond_Hair": True, "Young": False}, None),
        ("brown", {"Blond_Hair": True, "Black_Hair": True}, None),
        ("brown", {"Brown_Hair": False}, None),
        ("brown", {"Gray_Hair": True}, "grey"),
    ],
)
def test_age_shows_as_hair(hair, labels, expected):
    found = change_look(look(hair=hair), labels, KEY)
    assert (found and found.hair) == expected
