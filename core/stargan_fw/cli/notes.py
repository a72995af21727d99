"""Text for the user: notes on standard error, so that standard output holds only results, JSON for programs, and tables."""

import sys
from typing import TYPE_CHECKING, Any

from stargan_fw.errors import is_printable, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from stargan_fw.data.check import DatasetReport
    from stargan_fw.interfaces.dataset import Remark

SPLITS = {"random": "drawn at random", "person": "divided by person", "given": "as the data says"}


def note(text: str) -> None:
    """Prints a note as plain text, line by line.

    Labels and paths may have [brackets], which rich would read as markup, and characters that a terminal would obey.
    """
    print(*map(printable, text.split("\n")), sep="\n", file=sys.stderr)  # noqa: T201 - the only place that prints


def json_text(document: Any) -> str:
    """Returns a document as JSON to print. Characters that a terminal obeys, or that UTF-8 cannot hold, are escaped."""
    import json

    lines = json.dumps(document, indent=1, ensure_ascii=False).split("\n")
    return "\n".join(line if is_printable(line) else "".join(map(_escape, line)) for line in lines)


def _escape(character: str) -> str:
    return character if is_printable(character) else f"\\u{ord(character):04x}"


def show_report(console: "Console", report: "DatasetReport") -> None:
    """Prints a table of a dataset's labels, and what was found in it."""
    from rich.filesize import decimal as format_size
    from rich.markup import escape
    from rich.table import Table

    title = f"{report.alias}: {report.training} training and {report.test} test images, {report.people} people named"
    table = Table("label", "training", "test", "unknown", "most often with", title=escape(title), title_justify="left")
    for label in report.labels:
        together = report.together.get(label.name, {})
        others = {name: count for name, count in together.items() if name != label.name and count}
        most = sorted(others, key=lambda name: -others[name])[:2]
        beside = label.spread or ", ".join(f"{name} {others[name]}" for name in most)
        table.add_row(escape(label.name), f"{label.train}", f"{label.test}", f"{label.unknown}", escape(beside))
    table.add_section()
    add_remarks(table, report.remarks)
    if report.labels:
        console.print(table)
    show_alternatives(console, report)
    if report.split:
        console.print(f"split: {SPLITS[report.split]}")
    if report.store_bytes:
        console.print(f"decoded: {format_size(report.store_bytes)}")
    lines = [("unreadable", f"{name}: {why}") for name, why in report.unreadable.items()]
    lines += [("problem", line) for line in report.problems] + [("warning", line) for line in report.warnings]
    for kind, line in lines:
        _show_line(console, f"{kind}: {line}")


def add_remarks(table: "Table", remarks: "Sequence[Remark]", hidden: int = 0) -> None:
    """Adds a row for each remark, with its kind in the first column and its text in the last, and one that counts others."""
    from rich.markup import escape

    between = [""] * (len(table.columns) - 2)
    for remark in remarks:
        table.add_row(remark.kind, *between, escape(printable(remark.text)))
    if hidden:
        table.add_row("…", *between, f"and {hidden} more, which 'stargan-fw data check' shows")


def show_alternatives(console: "Console", report: "DatasetReport") -> None:
    """Prints how to read otherwise what was inferred or left out. A table would break these lines, which are pasted."""
    for remark in report.remarks:
        if remark.otherwise:
            _show_line(console, f"{remark.kind}: {remark.text}; {remark.otherwise}")


def _show_line(console: "Console", text: str) -> None:
    shown = "\n".join(map(printable, text.split("\n")))
    console.print(shown, markup=False, highlight=False, soft_wrap=True)
