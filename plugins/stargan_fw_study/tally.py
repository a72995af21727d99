"""Counts votes: Tables 1 and 2, with what chance alone could do to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stargan_fw_study.key import Key, KeyTask
    from stargan_fw_study.results import Results

SEED = 0  # the same answers give the same tables
RESAMPLES = 10_000
CONFIDENCE = 0.95
COUNTED_OUT = 14  # workers up to whom every sign is tried, 2^14 of them


@dataclass(frozen=True)
class Share:
    """One method's part of the votes of a column.

    Attributes:
        method: its name.
        votes: for it.
        share: of the column's votes, in [0, 1].
        interval: 95 %, as (low, high); None where a single worker leaves nothing to resample.
    """

    method: str
    votes: int
    share: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Column:
    """A column of Table 1 or 2.

    Attributes:
        task: its name; "all" for all tasks of the table together.
        shares: in the order of the key's methods; they sum to 1.
        votes: in all.
        p: how often chance alone would put the best as far from the runner-up, were both liked equally well.
    """

    task: str
    shares: list[Share]
    votes: int
    p: float

    @property
    def ranking(self) -> list[Share]:
        """The shares, the largest first."""
        return sorted(self.shares, key=lambda share: -share.votes)


@dataclass(frozen=True)
class VoteTable:
    """Table 1 (one attribute at a time) or Table 2 (several).

    Attributes:
        title: what it is called.
        columns: a task each, and all of them together where there are several.
    """

    title: str
    columns: list[Column]


def tally(key: Key, results: Sequence[Results], *, resamples: int = RESAMPLES) -> list[VoteTable]:
    """Returns the tables that the study has questions for.

    Args:
        key: of the study.
        results: that count, at least one.
        resamples: of the bootstrap, and of the test where not every case is counted out.
    """
    counts = count_votes(key, results)
    single = [task for task in key.tasks if len(task.attributes) == 1]
    combined = [task for task in key.tasks if len(task.attributes) > 1]
    titles = {"Table 1: one attribute": single, "Table 2: several attributes": combined}
    return [_table(title, tasks, key, counts, resamples) for title, tasks in titles.items() if tasks]


def count_votes(key: Key, results: Sequence[Results]) -> dict[str, NDArray[np.int64]]:
    """Returns votes by task, as (workers, methods)."""
    methods = list(key.methods)
    asked = {question.id: question for question in key.questions if question.task is not None}
    counts = {task.name: np.zeros((len(results), len(methods)), np.int64) for task in key.tasks}
    for row, worker in enumerate(results):
        for answer in worker.answers:
            question = asked.get(answer.question)
            if question and question.task:
                counts[question.task][row, methods.index(question.options[answer.choice])] += 1
    return counts


def _table(
    title: str, tasks: Sequence[KeyTask], key: Key, counts: dict[str, NDArray[np.int64]], resamples: int
) -> VoteTable:
    votes = {task.name: counts[task.name] for task in tasks}
    if len(tasks) > 1:
        votes["all"] = np.sum(list(votes.values()), axis=0)
    return VoteTable(title, [_column(name, list(key.methods), table, resamples) for name, table in votes.items()])


def _column(task: str, methods: Sequence[str], votes: NDArray[np.int64], resamples: int) -> Column:
    totals, low_high = votes.sum(axis=0), intervals(votes, resamples)
    shares = [
        Share(method, int(total), float(total / totals.sum()), low_high[i] if low_high else None)
        for i, (method, total) in enumerate(zip(methods, totals, strict=True))
    ]
    best, second = np.argsort(-totals, kind="stable")[:2]
    return Column(task, shares, int(totals.sum()), sign_flip_test(votes[:, best] - votes[:, second], resamples))


def intervals(votes: NDArray[np.int64], resamples: int = RESAMPLES) -> list[tuple[float, float]] | None:
    """Returns a 95 % interval of each method's share: the percentile bootstrap over workers.

    Whole workers are drawn, because the answers of one are more alike than those of several.

    Args:
        votes: (workers, methods).
        resamples: how many times as many workers are drawn with replacement.

    Returns:
        (low, high) a method, or None for fewer than two workers.
    """
    workers = len(votes)
    if workers < 2:
        return None
    drawn = np.random.default_rng(SEED).multinomial(workers, np.full(workers, 1 / workers), resamples)
    totals = drawn @ votes
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(totals / totals.sum(axis=1, keepdims=True), [tail, 1 - tail], axis=0)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def sign_flip_test(leads: NDArray[np.int64], resamples: int = RESAMPLES) -> float:
    """Returns the two-sided p of a worker's votes going to either of two methods alike.

    Were both liked equally well, each worker's lead would as often be the other way: the signs of whole workers are
    turned over, all ways for a few workers, at random for many.

    Args:
        leads: by worker, votes for the one less votes for the other.
        resamples: for many workers.
    """
    workers = len(leads)
    if workers <= COUNTED_OUT:
        flips = (np.arange(2**workers)[:, None] >> np.arange(workers)) & 1
        return float(np.mean(np.abs((1 - 2 * flips) @ leads) >= abs(leads.sum())))
    flips = np.random.default_rng(SEED).integers(0, 2, (resamples, workers), dtype=np.int8)
    as_far = np.abs((1 - 2 * flips) @ leads) >= abs(leads.sum())
    return float((as_far.sum() + 1) / (resamples + 1))
