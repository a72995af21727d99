"""Writes a tally: for people, for spreadsheets and for programs."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stargan_fw_study.results import Dropped
    from stargan_fw_study.tally import Column, Share, VoteTable

NOTE = (
    "Shares of the votes in % with 95 % intervals (bootstrap over workers). "
    "p: the best against the runner-up, workers' signs flipped; not corrected for the number of columns."
)


def percentages(column: Column) -> list[float]:
    """Returns the shares in %, to a tenth, rounded so that they sum to 100.0 (largest remainders)."""
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
    """Returns a line a method and task; shares and intervals are in [0, 1]."""
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
    """Returns everything: the tables, and the files that do not count."""
    document = {
        "study": study,
        "workers": workers,
        "dropped": [{"file": one.file, "reason": one.reason} for one in dropped],
        "tables": [{"title": t.title, "columns": [_column(column) for column in t.columns]} for t in tables],
    }
    return json.dumps(document, indent=1, ensure_ascii=False)


def _column(column: Column) -> dict[str, object]:
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
