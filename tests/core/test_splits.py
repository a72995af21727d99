"""The division into training and test: private, repeatable, and clean of people on both sides."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from stargan_fw import Dataset, Example
from stargan_fw.data.splits import find_copies, split
from stargan_fw.errors import DataError


class Faces(Dataset):
    name = "faces"

    def examples(self):
        return []


def faces(test_split, test_size=0.1):
    dataset = Faces(Path("faces"))
    dataset.test_split, dataset.test_size = test_split, test_size
    return dataset


def photographs(count, people=None, sides=None):
    return [
        Example(
            Path(f"{i}.png"),
            identity=f"person {i % people}" if people else None,
            split=sides[i % len(sides)] if sides else None,
        )
        for i in range(count)
    ]


@pytest.mark.parametrize("test_split", ["random", "person", "given"])
def test_every_image_is_on_one_side(test_split):
    train, test = split(faces(test_split, 0.25), photographs(40, people=8, sides=["train", "test"]))

    assert sorted(train + test) == list(range(40))
    assert train == sorted(train)
    assert test == sorted(test)


def test_the_random_split_is_the_same_whatever_the_random_state():
    first = split(faces("random"), photographs(50))
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(1)
    state = random.getstate()

    assert split(faces("random"), photographs(50)) == first
    assert random.getstate() == state, "nor is that state touched"


def test_the_random_split_is_this_one():
    """Another one would move test images into the training of models that exist."""
    assert split(faces("random"), photographs(50))[1] == [1, 7, 8, 28, 32]


def test_the_random_split_depends_on_the_count_alone():
    named = [Example(Path(f"{i}.jpg"), {"x": 1}, "somebody") for i in range(50)]

    assert split(faces("random"), named) == split(faces("random"), photographs(50))


@pytest.mark.parametrize("size", [0.1, 0.5, 2, 1000])
def test_nobody_is_on_both_sides_of_a_split_by_person(size):
    examples = photographs(60, people=15)

    train, test = split(faces("person", size), examples)

    assert not {examples[i].identity for i in train} & {examples[i].identity for i in test}


@pytest.mark.parametrize(
    ("size", "people"),
    [(1, 1), (2, 2), (3, 3), (4, 3), (1000, 3), (0.1, 2), (0.5, 8), (0.01, 1)],
)
def test_people_are_counted_and_numbers_cut_at_a_fifth(size, people):
    examples = photographs(60, people=15)

    _, test = split(faces("person", size), examples)

    assert len({examples[i].identity for i in test}) == people


@pytest.mark.parametrize(
    ("count", "size", "held_out"),
    [(100, 20, 20), (100, 21, 20), (100, 2000, 20), (7, 2000, 1), (3, 2000, 1), (100, 0.1, 10), (100, 0.6, 60)],
)
def test_images_are_counted_and_numbers_cut_at_a_fifth(count, size, held_out):
    assert len(split(faces("random", size), photographs(count))[1]) == held_out


def test_the_given_split_is_taken():
    assert split(faces("given"), photographs(5, sides=["train", "test"])) == ([0, 2, 4], [1, 3])


@pytest.mark.parametrize(
    ("dataset", "examples", "message"),
    [
        (
            faces("person"),
            [*photographs(3, people=3), Example(Path("nobody.png"))],
            "split by person, but nobody is named on 'nobody.png'. Divide it at random: --set",
        ),
        (
            faces("given"),
            [*photographs(3, sides=["train", "test"]), Example(Path("unsaid.png"))],
            "split as given, but 'unsaid.png' has no split. Divide it at random: --set",
        ),
        (faces("given"), photographs(3, sides=["train"]), "'faces' at 'faces' has no test image: 3 images divided by"),
        (faces("given"), photographs(3, sides=["test"]), "has no training image"),
        (faces("random"), photographs(1), "has no training image: 1 images divided by 'random' with test_size = 0.1"),
        (faces("person"), photographs(9, people=1), "has no training image"),
        (faces("random", 0.999), photographs(9), "Add images or set another test_size."),
    ],
)
def test_a_split_that_the_examples_do_not_allow(dataset, examples, message):
    with pytest.raises(DataError) as caught:
        split(dataset, examples)

    assert message in str(caught.value)


def test_people_may_have_numbers():
    numbered = [Example(Path(f"{i}.png"), identity=i % 8) for i in range(40)]
    named = [Example(Path(f"{i}.png"), identity=str(i % 8)) for i in range(40)]

    assert {type(example.identity) for example in numbered} == {str}
    assert split(faces("person", 0.25), numbered) == split(faces("person", 0.25), named)


def test_copies_stay_on_the_side_of_the_first(tmp_path):
    examples = []
    for number in range(40):
        content = bytes([number, 7]) if number < 30 else bytes([number - 30, 7])  # ten are copies under other names
        (tmp_path / f"{number}.png").write_bytes(content)
        examples.append(Example(tmp_path / f"{number}.png"))
    examples.append(examples[3])

    train, test = split(faces("random", 0.3), examples)

    assert sorted([*train, *test]) == list(range(41))
    for first, second in [*((number, number + 30) for number in range(10)), (3, 40)]:
        assert (first in test) == (second in test)
    assert find_copies(examples)[3] == [3, 33, 40]


def test_without_copies_the_draw_is_what_it_was(tmp_path):
    for number in range(30):
        (tmp_path / f"{number}.png").write_bytes(bytes([number]))

    found = split(faces("random"), [Example(tmp_path / f"{number}.png") for number in range(30)])

    assert found == split(faces("random"), photographs(30))
