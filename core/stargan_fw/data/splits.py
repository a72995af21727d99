"""Divides examples into training and test."""

import hashlib
import os
import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

from stargan_fw.data.images import UNREADABLE, encoded_bytes
from stargan_fw.errors import DataError
from stargan_fw.interfaces.dataset import Dataset, EncodedImage, Example, ImageSource

# The split has a seed of its own, so that no training seed moves a test image into training.
SPLIT_SEED = "stargan-fw split 1"
LARGEST_TEST_SHARE = 0.2
COMPARED = 10_000  # with more images, only those with the same path are found to be copies: a start must not take long


def split(dataset: Dataset, examples: Sequence[Example]) -> tuple[list[int], list[int]]:
    """Returns the indices of the training and of the test examples, each in ascending order.

    If `test_size` is a number of images or people and more than a fifth of all, a fifth is held out: the 2,000 test
    images of a large dataset would leave a small one nothing to train on.

    Raises:
        DataError: if the dataset's `test_split` is impossible with these examples.
    """
    choose_test = {"random": _random_test, "person": _test_by_person, "given": _recorded_test}[dataset.test_split]
    held_out = choose_test(dataset, examples)
    train, test = [i for i in range(len(examples)) if i not in held_out], sorted(held_out)
    if not train or not test:
        empty = "test" if train else "training"
        raise DataError(
            f"The dataset '{dataset.name}' at '{dataset.root}' has no {empty} image: {len(examples)} images divided by "
            f"'{dataset.test_split}' with test_size = {dataset.test_size}. Add images or set another test_size."
        )
    return train, test


def divide(
    dataset: Dataset, examples: Sequence[Example], limit: int | None, held_out: Sequence[int] = ()
) -> tuple[Sequence[Example], list[int], list[int]]:
    """Splits the examples, drops training examples beyond `limit`, and returns the others with the split's indices.

    If `held_out` names the test examples, in ascending order, the dataset's own split does not count.
    """
    train, test = split(dataset, examples) if not held_out else _complement(len(examples), held_out)
    if limit is None or limit >= len(train):
        return examples, train, test
    train = draw_limited(train, limit)
    kept = sorted([*train, *test])
    new = {index: position for position, index in enumerate(kept)}
    return [examples[index] for index in kept], [new[index] for index in train], [new[index] for index in test]


def draw_limited(train: Sequence[int], count: int) -> list[int]:
    """Returns `count` of the training indices, in ascending order; a larger count contains the images of a smaller one."""
    shuffled = list(train)
    random.Random(SPLIT_SEED).shuffle(shuffled)  # noqa: S311 - no secret
    return sorted(shuffled[:count])


def find_copies(examples: Sequence[Example]) -> list[list[int]]:
    """Returns groups of examples that show the same picture: the same file, or files with the same content.

    Contents are compared among up to `COMPARED` examples, where files have the same size.
    """
    images = [example.image for example in examples]
    if len(images) > COMPARED and len(set(images)) == len(images):
        return []
    keys: Sequence[Hashable] = images
    if len(images) <= COMPARED:
        sizes = list(map(_size, images))
        shared = Counter(sizes)
        keys = [
            _content(image) if size and shared[size] > 1 else image for image, size in zip(images, sizes, strict=True)
        ]
    same: dict[Hashable, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        same[key].append(index)
    return [group for group in same.values() if len(group) > 1]


def _content(image: ImageSource) -> Hashable:
    try:
        return hashlib.blake2b(encoded_bytes(image), digest_size=16).digest()
    except UNREADABLE:
        return str(image)


def _size(image: ImageSource) -> int:
    if isinstance(image, EncodedImage):
        return -1
    return 0 if not os.path.exists(image) else os.path.getsize(image)  # noqa: PTH110, PTH202


def _complement(count: int, held_out: Sequence[int]) -> tuple[list[int], list[int]]:
    test = set(held_out)
    return [i for i in range(count) if i not in test], list(held_out)


def _random_test(dataset: Dataset, examples: Sequence[Example]) -> set[int]:
    """Draws images, and keeps copies of a picture on the side of the first of them."""
    drawn = _draw(len(examples), dataset.test_size)
    first_of = {index: group[0] for group in find_copies(examples) for index in group}
    held_out = {index for index in range(len(examples)) if first_of.get(index, index) in drawn} if first_of else drawn
    if 0 < len(held_out) < len(examples):
        return held_out
    pictures = [index for index in range(len(examples)) if first_of.get(index, index) == index]
    drawn = {pictures[number] for number in _draw(len(pictures), dataset.test_size)}
    return {index for index in range(len(examples)) if first_of.get(index, index) in drawn}


def _test_by_person(dataset: Dataset, examples: Sequence[Example]) -> set[int]:
    unnamed = next((example for example in examples if example.identity is None), None)
    if unnamed:
        raise DataError(
            f"The dataset '{dataset.name}' is split by person, but nobody is named on '{unnamed.image}'. "
            f"Divide it at random: {dataset.option('test_split=random')}"
        )
    people = sorted({example.identity for example in examples if example.identity is not None})
    held_out = {people[i] for i in _draw(len(people), dataset.test_size)}
    return {i for i, example in enumerate(examples) if example.identity in held_out}


def _recorded_test(dataset: Dataset, examples: Sequence[Example]) -> set[int]:
    splits = [example.split for example in examples]
    if None in splits:
        raise DataError(
            f"The dataset '{dataset.name}' is split as given, but '{examples[splits.index(None)].image}' has no split. "
            f"Divide it at random: {dataset.option('test_split=random')}"
        )
    return {i for i, split in enumerate(splits) if split == "test"}


def _draw(count: int, size: float) -> set[int]:
    """Draws from `range(count)`: a share if size < 1, else a number of at most the largest share; at least one."""
    wanted = round(size * count) if size < 1 else min(int(size), int(LARGEST_TEST_SHARE * count))
    return set(random.Random(SPLIT_SEED).sample(range(count), min(max(wanted, 1), count)))  # noqa: S311 - no secret
