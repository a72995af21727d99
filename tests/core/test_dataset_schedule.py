"""Which dataset a step trains on."""

from collections import Counter
from itertools import pairwise

import pytest

from stargan_fw.training.dataset_schedule import STRATEGIES, DatasetSchedule

IMAGES = {"large": 6000, "middle": 3000, "small": 1000}


def taken(strategy, count, steps=None):
    schedule, steps = STRATEGIES[strategy](IMAGES), Counter(steps or dict.fromkeys(IMAGES, 0))
    order = []
    for _ in range(count):
        order.append(schedule.next(steps))
        steps[order[-1]] += 1
    return order


@pytest.mark.parametrize(("strategy", "shares"), [("alternate", (100, 100, 100)), ("proportional", (180, 90, 30))])
def test_each_gets_its_share_of_generator_updates(strategy, shares):
    counts = Counter(taken(strategy, 300))
    assert tuple(counts[name] for name in IMAGES) == shares
    assert [counts[name] // 5 for name in IMAGES] == [share // 5 for share in shares]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_continued_run_takes_the_same_turns(strategy):
    whole = taken(strategy, 300)
    for stop in (1, 7, 150):
        assert whole[stop:] == taken(strategy, 300 - stop, {name: whole[:stop].count(name) for name in IMAGES})


def test_the_small_dataset_is_seen_early_and_evenly():
    order = taken("proportional", 100)
    places = [place for place, name in enumerate(order) if name == "small"]
    assert places[0] < 10
    assert all(later - earlier == 10 for earlier, later in pairwise(places))


def test_proportional_turns_are_those_of_sainte_lague():
    """The textbook's election: 53, 24 and 23 thousand votes for 7 seats, which go to A, B, C, A, A, B, C."""
    schedule, seats = STRATEGIES["proportional"]({"A": 53_000, "B": 24_000, "C": 23_000}), Counter()
    for winner in "ABCAABC":
        assert schedule.next(seats) == winner
        seats[winner] += 1


@pytest.mark.parametrize("left_out", ["next", "epoch"])
def test_a_schedule_says_both_the_next_dataset_and_the_length_of_an_epoch(left_out):
    methods = {name: None for name in ("next", "epoch") if name != left_out}
    with pytest.raises(TypeError, match=left_out):
        type("Incomplete", (DatasetSchedule,), methods)(IMAGES)


def test_the_length_of_an_epoch():
    assert STRATEGIES["alternate"](IMAGES).epoch(100) == 180
    assert STRATEGIES["proportional"](IMAGES).epoch(100) == 100
    assert STRATEGIES["proportional"]({"a": 3, "b": 5}).epoch(16) == 2
