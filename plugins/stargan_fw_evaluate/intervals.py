"""95 % intervals of means and shares, clustered by person, and of means over seeds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray


Z = 1.959963984540054  # the 97.5 % quantile of the normal distribution
T = (
    12.706,
    4.303,
    3.182,
    2.776,
    2.571,
    2.447,
    2.365,
    2.306,
    2.262,
)  # that of Student's t for 1 to 9 degrees of freedom
BATCHES, DRAWS_PER_BATCH = 20, 100  # in batches, since 2,000 draws of many groups take much memory


def interval(values: Sequence[float], groups: Sequence[Hashable], seed: int = 0) -> tuple[float, float] | None:
    """Returns the 95 % interval of a share, or of a mean of outcomes of which some are neither 0 nor 1.

    Wilson's interval is used for counts with one outcome per group. It is also used for counts with the same share in every group,
    because a bootstrap would claim certainty; each group then counts as one outcome. Otherwise the interval is that of
    `mean_interval`.

    Args:
        values: the outcomes; a count is a list of 0 and 1.
        groups: the group of each outcome.
        seed: for the resampling.

    Returns:
        The bounds; None if there are too few groups to tell.
    """
    outcomes = np.asarray(values, dtype=np.float64)
    sums, sizes = _sum_groups(outcomes, groups)
    counted = bool(np.isin(outcomes, (0.0, 1.0)).all())
    alike = not np.ptp(outcomes if len(sums) == 1 else sums / sizes)
    if counted and (alike or len(sums) == len(outcomes)):
        return wilson(float(outcomes.mean()), len(sums))
    return mean_interval(values, groups, seed)


def mean_interval(values: Sequence[float], groups: Sequence[Hashable], seed: int = 0) -> tuple[float, float] | None:
    """Returns the 95 % interval of the mean of measurements, such as dB, which may be 0 or 1 without being counts.

    Outcomes of one group (a person, or an image that is translated to several labels) depend on each other, so the
    percentile bootstrap resamples whole groups.

    Args:
        values: the outcomes.
        groups: the group of each outcome.
        seed: for the resampling.

    Returns:
        The bounds; None if there is one group alone.
    """
    sums, sizes = _sum_groups(np.asarray(values, dtype=np.float64), groups)
    return None if len(sums) == 1 else _bootstrap(sums, sizes, seed)


def _sum_groups(
    outcomes: NDArray[np.float64], groups: Sequence[Hashable]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the sum and the number of each group's outcomes."""
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    group_numbers = np.array([numbers[group] for group in groups], dtype=np.int64)
    return np.bincount(group_numbers, outcomes).astype(np.float64), np.bincount(group_numbers).astype(np.float64)


def wilson(share: float, count: int) -> tuple[float, float]:
    """Returns Wilson's score interval of a share of `count` independent outcomes (Wilson, 1927)."""
    spread = Z * Z / count
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def _bootstrap(sums: NDArray[np.float64], sizes: NDArray[np.float64], seed: int) -> tuple[float, float]:
    """Resamples groups. `sums`: the sum of each group's outcomes. `sizes`: the number of each group's outcomes."""
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(BATCHES):
        times = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=DRAWS_PER_BATCH).astype(np.float64)
        means.append((times @ sums) / (times @ sizes))
    low, high = np.quantile(np.concatenate(means), (0.025, 0.975))
    return float(low), float(high)


def mean_of_seeds(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Returns the mean of a few runs' figures, and half of the width of its 95 % interval by Student's t.

    Args:
        values: one figure per seed.

    Returns:
        None for both if there is no figure, and for the half width if there is one figure alone.
    """
    count = len(values)
    if count < 2:
        return (values[0] if values else None), None
    quantile = T[count - 2] if count - 2 < len(T) else _t_of_many(count - 1)
    return float(np.mean(values)), quantile * float(np.std(values, ddof=1)) / math.sqrt(count)


def _t_of_many(degrees: int) -> float:
    """Returns the 97.5 % quantile of Student's t by the expansion of Fisher and Cornish, to 0.001 from 10 degrees on."""
    return Z + (Z**3 + Z) / (4 * degrees) + (5 * Z**5 + 16 * Z**3 + 3 * Z) / (96 * degrees**2)
