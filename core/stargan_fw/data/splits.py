"""Divides examples into training and test."""

import random
from collections.abc import Sequence

from stargan_fw.errors import DataError
from stargan_fw.interfaces.dataset import Dataset, Example

# The division has a seed of its own, so that no training seed moves a test image into training.
SPLIT_SEED = "stargan-fw split 1"
LARGEST_TEST_SHARE = 0.2


def split(dataset: Dataset, examples: Sequence[Example]) -> tuple[list[int], list[int]]:
    """Returns the indices of the training and of the test examples, each in ascending order.

    A number of test images (or people) that is more than a fifth of all is cut to a fifth, so that the 2,000 of a large
    dataset leave a small one something to train on.

    Raises:
        DataError: the dataset asks for a split that its examples do not allow.
    """
    divide = {"random": _by_image, "person": _by_person, "given": _as_given}[dataset.test_split]
    train, test = divide(dataset, examples)
    if not train or not test:
        empty = "test" if train else "training"
        raise DataError(
            f"The dataset '{dataset.name}' at '{dataset.root}' has no {empty} image: {len(examples)} images divided by "
            f"'{dataset.test_split}' with test_size = {dataset.test_size}. Add images or set another test_size."
        )
    return train, test


def limited(train: Sequence[int], count: int) -> list[int]:
    """Returns `count` of the training indices, in ascending order; a larger count holds a smaller one's."""
    shuffled = list(train)
    random.Random(SPLIT_SEED).shuffle(shuffled)  # noqa: S311 - no secret
    return sorted(shuffled[:count])


def _by_image(dataset: Dataset, examples: Sequence[Example]) -> tuple[list[int], list[int]]:
    held_out = _draw(range(len(examples)), dataset.test_size)
    return _divided(len(examples), held_out)


def _by_person(dataset: Dataset, examples: Sequence[Example]) -> tuple[list[int], list[int]]:
    unnamed = next((example for example in examples if example.identity is None), None)
    if unnamed:
        raise DataError(
            f"The dataset '{dataset.name}' is split by person, but nobody is named on '{unnamed.image}'. "
            'Set test_split = "random" for it.'
        )
    people = sorted({example.identity for example in examples if example.identity is not None})
    held_out = {people[i] for i in _draw(range(len(people)), dataset.test_size)}
    return _divided(len(examples), {i for i, example in enumerate(examples) if example.identity in held_out})


def _as_given(dataset: Dataset, examples: Sequence[Example]) -> tuple[list[int], list[int]]:
    unsaid = next((example for example in examples if example.split is None), None)
    if unsaid:
        raise DataError(
            f"The dataset '{dataset.name}' is split as given, but '{unsaid.image}' has no split. "
            'Set test_split = "random" for it.'
        )
    return _divided(len(examples), {i for i, example in enumerate(examples) if example.split == "test"})


def _draw(population: range, size: float) -> set[int]:
    """Draws a share (a float below 1) or a number, which is at most the largest share; one in any case."""
    count = len(population)
    wanted = round(size * count) if size < 1 else min(int(size), int(LARGEST_TEST_SHARE * count))
    return set(random.Random(SPLIT_SEED).sample(population, min(max(wanted, 1), count)))  # noqa: S311 - no secret


def _divided(count: int, held_out: set[int]) -> tuple[list[int], list[int]]:
    return [i for i in range(count) if i not in held_out], sorted(held_out)
