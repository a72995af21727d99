"""The page of a report: one HTML file with everything in it."""

from __future__ import annotations

import base64
import html
import io
import string
from functools import singledispatch
from importlib.resources import files
from typing import TYPE_CHECKING

from stargan_fw.interfaces import Sheet, Table, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from PIL import Image

    from stargan_fw.interfaces import Claim
    from stargan_fw_reproduce.report import Report
    from stargan_fw_reproduce.request import SeededRun

VERDICTS = {True: "holds", False: "does not hold"}


def draw_page(report: Report) -> str:
    """Returns the page; it reaches nothing and has no script."""
    folder = files("stargan_fw_reproduce")
    template = string.Template((folder / "page.html").read_text(encoding="utf-8"))
    return template.substitute(
        style=(folder / "page.css").read_text(encoding="utf-8"),
        name=html.escape(report.name),
        title=html.escape(report.title),
        about=_paragraphs(report.about),
        facts=_facts(report.settings),
        claims=_claims(report.claims),
        notes=_notes(report.notes),
        sections="\n".join(map(_section, report.sections)),
        runs=_runs(report.runs),
        commands=html.escape("\n".join(report.commands)),
        settings=_settings(report.runs),
    )


def runs_table(runs: Sequence[SeededRun]) -> Table:
    """Returns what was trained, for how long, and where it lies."""
    header = ["run", "datasets", "steps", "batch", "minutes trained", "of a budget of", "folder"]
    rows = [
        [
            run.title,
            ", ".join(run.config.datasets),
            f"{run.step:,}",
            str(run.config.training.batch_size),
            f"{run.ledger.seconds / 60:.1f}" if run.ledger else "",
            "" if run.minutes is None else f"{run.minutes:.1f}",
            str(run.folder.path),
        ]
        for run in runs
    ]
    note = (
        "A run with a budget is rehearsed first, for some seconds that are not counted; its steps follow from that, so "
        "that the schedule ends with the budget. Runs without one were given their steps."
    )
    return Table("What was trained", header, rows, note)


@singledispatch
def _section(section: object) -> str:
    raise TypeError(f"{section!r} cannot be shown.")


@_section.register
def _(section: Text) -> str:
    return f"<section>{_paragraphs(section.text)}</section>"


@_section.register
def _(section: Table) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in section.header)
    body = "\n".join(_line(row) for row in section.rows)
    note = f'<div class="note">{_paragraphs(section.note)}</div>' if section.note else ""
    table = f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'
    return f"<section><h2>{html.escape(section.title)}</h2>{table}{note}</section>"


@_section.register
def _(section: Sheet) -> str:
    caption = html.escape(section.caption)
    image = f'<img src="{_data_uri(section.picture)}" width="{section.picture.width}" alt="{caption}">'
    return f"<section><figure>{image}<figcaption>{caption}</figcaption></figure></section>"


def _line(row: Sequence[str]) -> str:
    first, *others = (html.escape(cell) for cell in row)
    return f"<tr><th>{first}</th>{''.join(f'<td>{cell}</td>' for cell in others)}</tr>"


def _claims(claims: Iterable[Claim]) -> str:
    items = [
        f'<li class="{"holds" if claim.holds else "fails"}">{html.escape(claim.text)} '
        f'<span class="verdict">{VERDICTS[claim.holds]}</span><br>{html.escape(claim.measured)}</li>'
        for claim in claims
    ]
    return f'<section><h2>Claims</h2><ul class="claims">{"".join(items)}</ul></section>' if items else ""


def _notes(notes: Sequence[str]) -> str:
    return f"<section><h2>To be known</h2>{''.join(map(_paragraphs, notes))}</section>" if notes else ""


def _runs(runs: Sequence[SeededRun]) -> str:
    return _section(runs_table(runs)) if runs else ""


def _settings(runs: Sequence[SeededRun]) -> str:
    blocks = [
        f"<details><summary>{html.escape(run.title)}: config.toml</summary>"
        f"<pre>{html.escape(run.config.to_toml())}</pre></details>"
        for run in runs
    ]
    return f"<section><h2>Settings</h2>{''.join(blocks)}</section>" if blocks else ""


def _facts(settings: Mapping[str, object]) -> str:
    return html.escape(" · ".join(f"{name}: {value}" for name, value in settings.items() if value is not None))


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{html.escape(part.strip())}</p>" for part in text.split("\n\n") if part.strip())


def _data_uri(picture: Image.Image) -> str:
    encoded = io.BytesIO()
    picture.save(encoded, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(encoded.getvalue()).decode()}"
