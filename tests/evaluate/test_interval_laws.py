"""What holds of every 95 % interval."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st

from stargan_fw_evaluate.intervals import interval, mean_of_seeds, wilson

# A busy machine, or the first use of torch, says nothing about the code.
quick = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
SHARES, COUNTS = st.floats(0, 1), st.integers(1, 10_000)
MEASURED = st.floats(-100, 100).map(lambda value: round(value, 3))


@st.composite
def grouped(draw, values=MEASURED):
    """Outcomes of some groups, with the group of each."""
    groups = draw(st.lists(st.sampled_from("abcde"), min_size=2, max_size=12))
    return draw(st.lists(values, min_size=len(groups), max_size=len(groups))), groups


def is_counted(values):
    return set(values) <= {0, 1}


@quick
@given(SHARES, COUNTS)
def test_wilsons_interval_holds_the_share_and_stays_between_0_and_1(share, count):
    low, high = wilson(share, count)
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1
    assert low < high


@quick
@given(SHARES, COUNTS)
def test_wilsons_interval_of_the_others_is_its_mirror_image(share, count):
    low, high = wilson(share, count)
    assert wilson(1 - share, count) == pytest.approx((1 - high, 1 - low), abs=1e-9)


@quick
@given(SHARES, COUNTS)
def test_more_outcomes_tell_more(share, count):
    fewer, more = wilson(share, count), wilson(share, 2 * count)
    assert more[1] - more[0] < fewer[1] - fewer[0]


@quick
@given(st.integers(1, 500), st.data())
def test_wilsons_bounds_are_the_shares_that_are_two_standard_errors_away(count, data):
    """The interval's definition: |share - bound| = 1.96 · sqrt(bound · (1 - bound) / count)."""
    share = data.draw(st.integers(0, count)) / count
    for bound in wilson(share, count):
        if 0 < bound < 1:
            error = math.sqrt(bound * (1 - bound) / count)
            assert abs(share - bound) == pytest.approx(1.959964 * error, rel=1e-5, abs=1e-7)


@quick
@given(grouped(st.sampled_from([0.0, 1.0])), st.randoms(use_true_random=False))
def test_counts_do_not_depend_on_their_order(drawn, shuffle):
    values, _ = drawn
    expected = wilson(sum(values) / len(values), len(values))
    shuffle.shuffle(values)
    assert interval(values, range(len(values))) == pytest.approx(expected)


@quick
@given(grouped(st.sampled_from([0.0, 1.0]) | MEASURED))
def test_an_interval_lies_within_what_the_groups_had(drawn):
    values, groups = drawn
    found = interval(values, groups)
    if found is None:
        assert len(set(groups)) == 1
        return
    assert found[0] <= found[1]
    if not is_counted(values):
        means = [np.mean([v for v, g in zip(values, groups, strict=True) if g == group]) for group in set(groups)]
        assert min(means) - 1e-9 <= found[0]
        assert found[1] <= max(means) + 1e-9


@quick
@given(grouped(), st.sampled_from([0.5, 2.0, 10.0]), st.integers(-5, 5))
def test_an_interval_moves_and_grows_with_what_is_measured(drawn, scale, shift):
    values, groups = drawn
    moved = [value * scale + shift for value in values]
    assume(len(set(groups)) > 1 and not is_counted(values) and not is_counted(moved))
    low, high = interval(values, groups)
    assert interval(moved, groups) == pytest.approx((low * scale + shift, high * scale + shift), rel=1e-6, abs=1e-6)


@quick
@given(grouped())
def test_what_a_group_is_called_does_not_matter(drawn):
    values, groups = drawn
    found = interval(values, groups, seed=3)
    assert interval(values, [ord(group) for group in groups], seed=3) == found
    assert interval(np.array(values), groups, seed=3) == found


@quick
@given(st.lists(MEASURED, min_size=2, max_size=8).filter(lambda values: not is_counted(values)), st.integers(2, 4))
def test_the_same_outcomes_again_in_their_groups_tell_nothing_new(values, times):
    once = interval(values, range(len(values)))
    assert interval(values * times, list(range(len(values))) * times) == pytest.approx(once, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.25, 3.0], [2.0, 2.0], [1.0, 0.0], [0.0, 1.0, 1.0]])
def test_one_group_of_different_outcomes_or_of_measurements_tells_nothing(values):
    assert interval(values, ["a"] * len(values)) is None


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_one_group_of_equal_counts_is_one_outcome(value):
    assert interval([value] * 3, ["a"] * 3) == interval([value], ["a"]) == wilson(value, 1)


def test_many_independent_counts_have_wilsons_interval():
    assert interval([0.0, 1.0, 1.0, 1.0] * 100, range(400)) == wilson(0.75, 400)


SEVERAL = np.random.default_rng(5).normal(size=(60, 2))  # the outcomes of 60 people
PEOPLE = np.repeat(np.arange(60), 2)


def test_the_seed_decides_the_draws_and_is_0_unless_given():
    outcomes = SEVERAL.ravel()
    assert interval(outcomes, PEOPLE) == interval(outcomes, PEOPLE, seed=0)
    assert len({interval(outcomes, PEOPLE, seed) for seed in range(5)}) == 5


def test_the_bootstrap_is_that_of_the_formula():
    """2,000 draws of 60 people and one of theirs more, by the multinomial numbers of times that each is drawn."""
    sums, counts = SEVERAL.sum(axis=1), np.full(60, 2.0)
    sums[3], counts[3] = sums[3] + 9, 3
    rng = np.random.default_rng(7)
    times = np.concatenate([rng.multinomial(60, [1 / 60] * 60, size=100) for _ in range(20)])
    low, high = np.quantile((times @ sums) / (times @ counts), [0.025, 0.975])
    assert interval([*SEVERAL.ravel(), 9], [*PEOPLE, 3], seed=7) == pytest.approx((low, high), rel=1e-9)


@pytest.mark.parametrize(
    ("count", "quantile"), [(2, 12.706), (3, 4.303), (10, 2.262), (11, 2.228), (30, 2.045), (121, 1.980)]
)
def test_the_mean_of_seeds_has_the_interval_of_students_t(count, quantile):
    values = [0.0] * (count - 1) + [1.0]
    mean, half = mean_of_seeds(values)
    assert mean == pytest.approx(1 / count)
    assert half == pytest.approx(quantile * np.std(values, ddof=1) / math.sqrt(count), abs=1e-3)


def test_one_seed_has_no_interval_and_no_seed_no_mean():
    assert mean_of_seeds([2.5]) == (2.5, None)
    assert mean_of_seeds([]) == (None, None)
