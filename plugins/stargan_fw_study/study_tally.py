"""Counts votes into Tables 1 and 2, says what chance alone could do to them, and writes them for people and programs."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stargan_fw_study.study_key import Key, KeyTask
    from stargan_fw_study.study_results import Dropped, Results

SEED = 0  # the same answers give the same tables
RESAMPLES = 10_000
CONFIDENCE = 0.95
COUNTED_OUT = 14  # up to so many workers every combination of signs is tried: 2^14
NOTE = (
    "Shares of the votes in % with 95 % intervals (bootstrap over workers). "
    "p: the best against the runner-up, workers' signs flipped; not corrected for the number of columns."
)


@dataclass(frozen=True)
class Share:
    """One method's part of the votes of a column.

    Attributes:
        method: the method's name.
        votes: the number of votes for the method.
        share: the method's share of the column's votes, in [0, 1].
        interval: the share's 95 % interval (low, high); None for a single worker, of whom nothing can be resampled.
    """

    method: str
    votes: int
    share: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Column:
    """A column of Table 1 or 2.

    Attributes:
        task: the task's name; "all" for all tasks of the table together.
        shares: the methods' shares, in the order of the key; they sum to 1.
        votes: the number of votes in all.
        p: how often chance alone would put the best method as far ahead of the runner-up if both were liked equally well.
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
        title: the table's name.
        columns: one for each task, and one for all tasks together if there are several.
    """

    title: str
    columns: list[Column]


def tally(key: Key, results: Sequence[Results], *, resamples: int = RESAMPLES) -> list[VoteTable]:
    """Returns the tables that the study has questions for.

    Args:
        key: the study's key.
        results: the results that count, at least one.
        resamples: draws of the bootstrap, and of the test if there are too many workers to try every combination of signs.
    """
    counts = count_votes(key, results)
    single = [task for task in key.tasks if len(task.attributes) == 1]
    combined = [task for task in key.tasks if len(task.attributes) > 1]
    titles = {"Table 1: one attribute": single, "Table 2: several attributes": combined}
    return [_table(title, tasks, key, counts, resamples) for title, tasks in titles.items() if tasks]


def count_votes(key: Key, results: Sequence[Results]) -> dict[str, NDArray[np.int64]]:
    """Returns the votes by task: (workers, methods)."""
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
    """Returns the 95 % interval of each method's share, by the percentile bootstrap over workers.

    Whole workers are drawn, because one worker's answers are more alike than those of several.

    Args:
        votes: (workers, methods).
        resamples: how many times the workers are drawn with replacement.

    Returns:
        (low, high) of each method, or None if there are fewer than two workers.
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
    """Returns the two-sided p of the hypothesis that workers like two methods equally well.

    If they did, each worker's lead would as often point the other way. So the signs of whole workers are flipped: in every
    combination for a few workers, at random for many.

    Args:
        leads: by worker, the votes for the one method minus the votes for the other.
        resamples: random combinations, for many workers.
    """
    workers = len(leads)
    if workers <= COUNTED_OUT:
        flips = (np.arange(2**workers)[:, None] >> np.arange(workers)) & 1
        return float(np.mean(np.abs((1 - 2 * flips) @ leads) >= abs(leads.sum())))
    flips = np.random.default_rng(SEED).integers(0, 2, (resamples, workers), dtype=np.int8)
    as_far = np.abs((1 - 2 * flips) @ leads) >= abs(leads.sum())
    return float((as_far.sum() + 1) / (resamples + 1))


def percentages(column: Column) -> list[float]:
    """Returns the shares in %, rounded to a tenth so that they sum to 100.0 (largest remainders)."""
    exact = [share.votes * 1000 / column.votes for share in column.shares]
    tenths = [int(value) for value in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: tenths[i] - exact[i])
    for i in by_remainder[: 1000 - sum(tenths)]:
        tenths[i] += 1
    return [value / 10 for value in tenths]


def as_rich(table: VoteTable) -> Table:
    """Returns a table for the terminal; the best of each column is bold."""
    drawn = Table("method", title=table.title, title_justify="left")
    cells = []
    for column in table.columns:
        drawn.add_column(escape(column.task).replace("+", "+\n"), justify="right", overflow="fold")
        cells.append([_rich_cell(*pair, column) for pair in zip(column.shares, percentages(column), strict=True)])
    for number, share in enumerate(table.columns[0].shares):
        drawn.add_row(escape(share.method), *(column[number] for column in cells))
    drawn.add_section()
    drawn.add_row("votes", *(str(column.votes) for column in table.columns))
    drawn.add_row("p", *(_p(column) for column in table.columns))
    return drawn


def as_markdown(tables: Sequence[VoteTable]) -> str:
    """Returns tables for a README; the best of each column is bold."""
    parts = []
    for table in tables:
        cells = [[_plain_cell(*pair) for pair in zip(c.shares, percentages(c), strict=True)] for c in table.columns]
        for column, texts in zip(table.columns, cells, strict=True):
            best = column.shares.index(column.ranking[0])
            texts[best] = f"**{texts[best]}**"
        rows = [[_pipe(share.method), *(c[i] for c in cells)] for i, share in enumerate(table.columns[0].shares)]
        rows += [["votes", *(str(c.votes) for c in table.columns)], ["p", *(_p(c) for c in table.columns)]]
        head = ["method", *(_pipe(column.task) for column in table.columns)]
        lines = [head, ["---", *["---:"] * len(table.columns)], *rows]
        parts.append(f"### {table.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join([*parts, NOTE])


def as_csv(tables: Sequence[VoteTable]) -> str:
    """Returns a line for each method and task; shares and intervals are in [0, 1]."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(["table", "task", "method", "votes", "share", "low", "high", "p_best_against_runner_up"])
    for table in tables:
        for column in table.columns:
            for share in column.shares:
                low, high = share.interval or ("", "")
                row = [table.title.partition(":")[0], column.task, share.method, share.votes, share.share, low, high]
                writer.writerow([*row, column.p])
    return written.getvalue().rstrip("\n")


def as_json(study: str, workers: int, tables: Sequence[VoteTable], dropped: Sequence[Dropped]) -> str:
    """Returns the tables and the files that do not count."""
    document = {
        "study": study,
        "workers": workers,
        "dropped": [{"file": one.file, "reason": one.reason} for one in dropped],
        "tables": [{"title": t.title, "columns": [_column_as_dict(column) for column in t.columns]} for t in tables],
    }
    return json.dumps(document, indent=1, ensure_ascii=False)


def _column_as_dict(column: Column) -> dict[str, object]:
    best, second = column.ranking[:2]
    shares = {s.method: {"votes": s.votes, "share": s.share, "interval": s.interval} for s in column.shares}
    return {
        "task": column.task,
        "votes": column.votes,
        "methods": shares,
        "best": best.method,
        "runner_up": second.method,
        "p": column.p,
    }


def _rich_cell(share: Share, percent: float, column: Column) -> str:
    text = f"{percent:.1f}\n[dim]{_interval(share)}[/dim]"
    return f"[bold]{text}[/bold]" if share is column.ranking[0] else text


def _plain_cell(share: Share, percent: float) -> str:
    return f"{percent:.1f} ({_interval(share)})"


def _interval(share: Share) -> str:
    return f"{share.interval[0] * 100:.1f}–{share.interval[1] * 100:.1f}" if share.interval else "one worker"  # noqa: RUF001


def _p(column: Column) -> str:
    return "< 0.001" if column.p < 0.001 else f"{column.p:.3f}"


def _pipe(text: str) -> str:
    return text.replace("|", "\\|")
