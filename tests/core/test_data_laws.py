"""What holds of every division into training and test, of every rank's share of a batch, and of every schedule."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings, strategies as st

from stargan_fw import Dataset, Example
from stargan_fw.data.loader import Loader
from stargan_fw.data.splits import LARGEST_TEST_SHARE, draw_limited, split
from stargan_fw.errors import ConfigError, DataError
from stargan_fw.training.dataset_schedule import STRATEGIES

# A busy machine, or the first use of torch, says nothing about the code.
quick = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
SIZES = st.floats(0.01, 0.99) | st.integers(1, 3000)


class Faces(Dataset):
    name = "faces"

    def examples(self):
        return []


def faces(test_split, test_size):
    dataset = Faces(Path("faces"))
    dataset.test_split, dataset.test_size = test_split, test_size
    return dataset


def wanted(size, count):
    """How many of `count` a test size asks for: a share, or a number of at most a fifth; one at least."""
    return max(1, round(size * count) if size < 1 else min(size, int(LARGEST_TEST_SHARE * count)))


@st.composite
def photographs(draw):
    """Images of a few people, most of whom are on several."""
    people = draw(st.lists(st.sampled_from(["ann", "bob", "cem", "dan", "eve", "7", "07"]), min_size=1, max_size=30))
    sides = draw(st.lists(st.sampled_from(["train", "test"]), min_size=len(people), max_size=len(people)))
    return [
        Example(Path(f"{number}.png"), identity=person, split=side)
        for number, (person, side) in enumerate(zip(people, sides, strict=True))
    ]


# Splits


@quick
@given(photographs(), st.sampled_from(["random", "person", "given"]), SIZES)
def test_a_split_is_disjoint_complete_in_order_and_the_same_again(examples, kind, size):
    try:
        train, test = split(faces(kind, size), examples)
    except DataError:
        return
    assert sorted(train + test) == list(range(len(examples)))
    assert train == sorted(train)
    assert test == sorted(test)
    assert train
    assert test
    assert split(faces(kind, size), list(examples)) == (train, test)


@quick
@given(st.integers(2, 300), SIZES)
def test_a_random_split_holds_out_as_many_images_as_asked_for(count, size):
    held_out = wanted(size, count)
    assume(held_out < count)
    _, test = split(faces("random", size), [Example(Path(f"{number}.png")) for number in range(count)])
    assert len(test) == held_out


@quick
@given(photographs(), SIZES, st.randoms(use_true_random=False))
def test_a_person_is_on_one_side_whatever_the_order_and_the_number_of_their_images(examples, size, random):
    people = {example.identity for example in examples}
    held_out = wanted(size, len(people))
    assume(held_out < len(people))
    train, test = split(faces("person", size), examples)
    tested = {examples[index].identity for index in test}
    assert len(tested) == held_out
    assert not tested & {examples[index].identity for index in train}

    more = [*examples, *random.choices(examples, k=5)]
    random.shuffle(more)
    _, test = split(faces("person", size), more)
    assert {more[index].identity for index in test} == tested


@quick
@given(photographs(), st.randoms(use_true_random=False))
def test_a_given_split_goes_with_the_images(examples, random):
    assume(len({example.split for example in examples}) == 2)
    random.shuffle(examples)
    for indices, side in zip(split(faces("given", 0.1), examples), ("train", "test"), strict=True):
        assert {examples[index].split for index in indices} == {side}


@quick
@given(st.lists(st.integers(0, 99), unique=True, max_size=30).map(sorted), st.integers(0, 30), st.integers(0, 30))
def test_a_larger_limit_holds_what_a_smaller_one_does(train, one, other):
    small, large = (draw_limited(train, count) for count in sorted((one, other)))
    assert set(small) <= set(large) <= set(train)
    assert large == sorted(large)
    assert len(large) == min(max(one, other), len(train))


# Batches


class Numbers:
    """Stands for a store: images of one pixel each, which is their number."""

    def read(self, indices):
        return np.repeat(np.asarray(indices, dtype=np.uint8)[:, None, None, None], 3, axis=3)


LABELS = np.arange(256, dtype=np.float32)[:, None]


def loader(indices, **options):
    return Loader(Numbers(), LABELS, indices, **options)


def numbers(batch):
    images, labels = batch
    assert images[:, 0, 0, 0].tolist() == labels[:, 0].tolist(), "images and labels go together"
    return images[:, 0, 0, 0].tolist()


INDICES = st.lists(st.integers(0, 255), unique=True, min_size=1, max_size=40)
SEEDS = st.tuples(st.integers(0, 9), st.integers(0, 9))


@quick
@given(INDICES, SEEDS, st.integers(1, 12), st.integers(0, 5))
def test_an_epoch_has_each_image_once_but_for_what_fills_no_batch(indices, seed, batch_size, epoch):
    batches = loader(indices, batch_size=batch_size, seed=seed)
    length = len(batches)
    seen = Counter(i for n in range(epoch * length, (epoch + 1) * length) for i in numbers(batches.batch(n)))
    assert set(seen) <= set(indices)
    assert seen.total() == length * batch_size
    if batch_size <= len(indices):
        assert set(seen.values()) == {1}
        assert length == len(indices) // batch_size
    else:
        assert set(seen) == set(indices)
        assert max(seen.values()) - min(seen.values()) <= 1, "no image twice more often than another"


@quick
@given(INDICES, SEEDS, st.integers(1, 4), st.integers(1, 4), st.integers(0, 20))
def test_the_ranks_shares_make_the_batch_of_one(indices, seed, world_size, share, number):
    options = {"batch_size": world_size * share, "seed": seed}
    shares = [
        numbers(loader(indices, rank=rank, world_size=world_size, **options).batch(number))
        for rank in range(world_size)
    ]
    assert {len(part) for part in shares} == {share}
    assert [i for part in shares for i in part] == numbers(loader(indices, **options).batch(number))


@quick
@given(INDICES, SEEDS, st.integers(0, 3))
def test_an_epoch_is_the_permutation_that_existing_runs_continue(indices, seed, epoch):
    batches = loader(indices, batch_size=len(indices), seed=seed)
    expected = np.random.default_rng((*seed, epoch)).permutation(indices).tolist()
    assert numbers(batches.batch(epoch)) == expected


def test_every_set_of_a_kind_has_an_order_of_its_own():
    everything = torch.arange(20)
    batches = loader(range(20), batch_size=60, seed=(1, 2), kinds=[[everything] * 3])
    orders = np.reshape(numbers(batches.batch(0)), (3, 20))
    assert len({tuple(order) for order in orders}) == 3
    assert orders[0].tolist() == np.random.default_rng((1, 2, 0)).permutation(20).tolist()


@quick
@given(SEEDS, st.integers(2, 4))
def test_no_set_repeats_the_order_of_another_set_in_another_epoch(seed, sets):
    batches = loader(range(40), batch_size=40 * sets, seed=seed, kinds=[[torch.arange(40)] * sets])
    orders = [tuple(order) for epoch in range(6) for order in np.reshape(numbers(batches.batch(epoch)), (sets, 40))]
    assert len(set(orders)) == 6 * sets


@st.composite
def kinds(draw):
    """Sets of positions, each set of one batch; all sets together may hold an image twice."""
    count = draw(st.integers(2, 20))
    one_set = st.lists(st.integers(0, count - 1), unique=True, min_size=1, max_size=count)
    sets = draw(st.integers(1, 3))
    return count, sets, draw(st.lists(st.lists(one_set, min_size=sets, max_size=sets), min_size=1, max_size=3))


@quick
@given(kinds(), SEEDS, st.integers(1, 3), st.integers(1, 3), st.integers(0, 20))
def test_ranks_share_every_set_of_every_kind(drawn, seed, world_size, share, number):
    count, sets, every_kind = drawn
    options = {
        "batch_size": world_size * share * sets,
        "seed": seed,
        "kinds": [[torch.tensor(chosen) for chosen in kind] for kind in every_kind],
    }
    indices = [10 + position for position in range(count)]
    alone = loader(indices, **options)
    assert alone.kinds == len(every_kind)
    earlier = [alone.kind(before) for before in range(number)]
    assert alone.occurrence(number) == 1 + earlier.count(alone.kind(number))
    whole = np.reshape(numbers(alone.batch(number)), (sets, world_size, share))
    for part, chosen in zip(whole, every_kind[alone.kind(number)], strict=True):
        assert set(part.flat) <= {10 + position for position in chosen}
    for rank in range(world_size):
        own = numbers(loader(indices, rank=rank, world_size=world_size, **options).batch(number))
        assert own == whole[:, rank].ravel().tolist()


@quick
@given(st.integers(1, 30), st.integers(1, 4), st.integers(1, 6))
def test_a_batch_is_shared_evenly_or_refused(batch_size, sets, world_size):
    every = [torch.arange(9)] * sets
    unit = sets * world_size
    if batch_size % unit == 0:
        found = loader(list(range(9)), batch_size=batch_size, seed=(0,), kinds=[every], world_size=world_size)
        assert len(numbers(found.batch(0))) * world_size == batch_size
        return
    lower = batch_size // unit * unit
    near = f"{lower} or {lower + unit}" if lower else str(unit)
    with pytest.raises(ConfigError, match=rf"batch_size = {batch_size} .* Set it to {near}\.$"):
        loader(list(range(9)), batch_size=batch_size, seed=(0,), kinds=[every], world_size=world_size)


# Schedules

IMAGES = st.dictionaries(st.text("abc", min_size=1, max_size=2), st.integers(1, 500), min_size=1, max_size=5)


def after(strategy, images, count):
    schedule, steps = STRATEGIES[strategy](images), dict.fromkeys(images, 0)
    for _ in range(count):
        steps[schedule.next(steps)] += 1
    return steps


@quick
@given(IMAGES, st.integers(0, 60))
def test_alternating_is_fair_and_in_order(images, count):
    steps = after("alternate", images, count)
    turns, left = divmod(count, len(images))
    assert list(steps.values()) == [turns + (place < left) for place in range(len(images))]


@quick
@given(IMAGES, st.integers(1, 60))
def test_no_dataset_is_more_than_a_step_ahead_of_another_for_its_size(images, count):
    """The mark of Sainte-Laguë's rule: whoever had a step more was not ahead when they got it."""
    steps = after("proportional", images, count)
    most_ahead = max((steps[name] - 0.5) / images[name] for name in images)
    least_ahead = min((steps[name] + 0.5) / images[name] for name in images)
    assert most_ahead <= least_ahead


@quick
@given(st.lists(st.integers(1, 500), min_size=1, max_size=3), st.integers(0, 60))
def test_two_or_three_datasets_are_within_a_step_of_their_shares(sizes, count):
    images = {str(number): size for number, size in enumerate(sizes)}
    steps = after("proportional", images, count)
    for name, size in images.items():
        assert abs(steps[name] - count * size / sum(sizes)) < 1


@quick
@given(st.sampled_from(sorted(STRATEGIES)), IMAGES, st.data())
def test_a_schedule_is_a_function_of_the_counts_alone(strategy, images, data):
    steps = {name: data.draw(st.integers(0, 50)) for name in images}
    schedule = STRATEGIES[strategy](images)
    first = schedule.next(steps)
    schedule.next(dict.fromkeys(images, 3))
    assert schedule.next(steps) == first
    backwards = dict(reversed(list(steps.items())))
    assert STRATEGIES[strategy](images).next(backwards) == first


@quick
@given(IMAGES, st.integers(1, 64))
def test_an_epoch_is_a_pass_over_all_or_over_the_largest(images, batch_size):
    batches = [max(1, count // batch_size) for count in images.values()]
    assert STRATEGIES["proportional"](images).epoch(batch_size) == sum(batches)
    alternate = STRATEGIES["alternate"](images).epoch(batch_size)
    assert alternate == len(images) * max(batches)
    counts = after("alternate", images, alternate) if alternate < 500 else None
    assert counts is None or set(counts.values()) == {max(batches)}
