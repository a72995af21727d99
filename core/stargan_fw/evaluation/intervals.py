"""95 % intervals of means, whatever was measured."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

Z = 1.959963984540054  # 97.5 % of a normal distribution lie below
DRAWS, AT_ONCE = 2000, 100


def interval(values: Sequence[float], groups: Sequence[Hashable], seed: int = 0) -> tuple[float, float] | None:
    """Returns the 95 % interval of the mean.

    Outcomes of one group (a person, or an image that is translated to several labels) are not independent, so groups
    are resampled: the percentile bootstrap of clusters. Counts with one outcome a group have Wilson's interval, and so
    do counts whose shares are alike in all groups, of which a bootstrap would claim certainty; they count as one outcome
    a group.

    Args:
        values: outcomes; 0 and 1 where something is counted.
        groups: to which group each outcome belongs.
        seed: of the resampling.

    Returns:
        The bounds; None where there are too few groups to tell.
    """
    outcomes = np.asarray(values, dtype=np.float64)
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    of = np.array([numbers[group] for group in groups], dtype=np.int64)
    counted = bool(np.isin(outcomes, (0.0, 1.0)).all())
    sums, counts = np.bincount(of, outcomes).astype(np.float64), np.bincount(of).astype(np.float64)
    alike = bool(np.ptp(outcomes) == 0 or (len(numbers) > 1 and np.ptp(sums / counts) == 0))
    if counted and (len(numbers) == len(outcomes) or alike):
        return wilson(float(outcomes.mean()), len(numbers))
    return None if len(numbers) < 2 else _bootstrap(sums, counts, seed)


def wilson(share: float, count: int) -> tuple[float, float]:
    """Returns Wilson's score interval of a share of `count` independent outcomes (Wilson, 1927)."""
    spread = Z * Z / count
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def _bootstrap(sums: NDArray[np.float64], counts: NDArray[np.float64], seed: int) -> tuple[float, float]:
    """Resamples groups, of which `sums` are the outcomes' sums and `counts` their numbers."""
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(DRAWS // AT_ONCE):
        times = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=AT_ONCE).astype(np.float64)
        means.append((times @ sums) / (times @ counts))
    low, high = np.quantile(np.concatenate(means), (0.025, 0.975))
    return float(low), float(high)
