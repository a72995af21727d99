"""What a reproduction found, as a page for people and a file for programs."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from functools import partial, singledispatchmethod
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from stargan_fw.api import data_uri
from stargan_fw_reproduce.experiment import Claim, Sheet, Table, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from stargan_fw_reproduce.experiment import Section
    from stargan_fw_reproduce.request import SeededRun


FORMAT = 1
PAGE, DOCUMENT, SHEETS, INPUTS = "index.html", "report.json", "sheets", "inputs"


@dataclass
class Report:
    """A report that is filled section by section.

    Attributes:
        name: of the experiment.
        title: what it is headed with.
        about: paragraphs on what it shows.
        settings: what was asked for, and with what it was computed.
        sections: texts, tables and sheets, in order.
        claims: what the paper says, and whether it holds here.
        runs: that were trained.
        evaluations: every figure, with the commands that measure it.
        commands: that do the same, the first in one.
    """

    name: str
    title: str
    about: str
    settings: Mapping[str, Any]
    sections: list[Text | Table | Sheet] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    runs: Sequence[SeededRun] = ()
    evaluations: Sequence[Mapping[str, Any]] = ()
    commands: Sequence[str] = ()

    @singledispatchmethod
    def add(self, section: Section) -> None:
        """Adds a section at the end, or a claim to the others."""
        raise TypeError(f"{section!r} is no section of a report.")

    @add.register
    def _(self, section: Text | Table | Sheet) -> None:
        self.sections.append(section)

    @add.register
    def _(self, section: Claim) -> None:
        self.claims.append(section)

    @property
    def notes(self) -> list[str]:
        """What a reader must know to believe the figures, each note once."""
        return list(dict.fromkeys(note for one in self.evaluations for found in one["of"] for note in found["notes"]))

    def to_dict(self) -> dict[str, Any]:
        """Returns it as `report.json` has it; shares are 0 to 1, and sheets are named by their files."""
        sheets = [section for section in self.sections if isinstance(section, Sheet)]
        return {
            "format": FORMAT,
            "experiment": self.name,
            "title": self.title,
            "settings": dict(self.settings),
            "claims": [asdict(claim) for claim in self.claims],
            "notes": self.notes,
            "tables": [asdict(section) for section in self.sections if isinstance(section, Table)],
            "sheets": [{"file": _file(one), "caption": one.caption, "command": one.command} for one in sheets],
            "runs": [_run(run) for run in self.runs],
            "evaluations": list(self.evaluations),
            "commands": list(self.commands),
        }

    def write(self, folder: Path) -> Path:
        """Writes page, document, sheets and their inputs, in place of those of an earlier call; returns the page."""
        for name in (SHEETS, INPUTS):
            shutil.rmtree(folder / name, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        for sheet in self.sections:
            if isinstance(sheet, Sheet):
                _save(sheet, folder)
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n"
        (folder / DOCUMENT).write_text(text, encoding="utf-8")
        (folder / PAGE).write_text(draw_page(self), encoding="utf-8")
        return folder / PAGE


def _file(sheet: Sheet) -> str:
    return f"{SHEETS}/{sheet.name}.png"


def _save(sheet: Sheet, folder: Path) -> None:
    path = folder / _file(sheet)
    path.parent.mkdir(exist_ok=True)
    sheet.picture.save(path, optimize=True)
    inputs = folder / INPUTS / sheet.name
    inputs.mkdir(parents=True)
    for number, picture in enumerate(sheet.inputs, 1):
        picture.save(inputs / f"{number:02d}.png")


def _run(run: SeededRun) -> dict[str, Any]:
    ledger = run.ledger
    return {
        "name": run.planned.name,
        "title": run.title,
        "folder": str(run.folder.path),
        "seed": run.seed,
        "steps": run.step,
        "budget_minutes": run.minutes,
        "trained_minutes": ledger.seconds / 60 if ledger else None,
        "rehearsed_step_seconds": ledger.step_seconds if ledger else None,
        "trained_by": ledger.experiment if ledger else None,
        "config": run.config.model_dump(mode="json", exclude_none=True),
    }


def draw_page(report: Report) -> str:
    """Returns the page. It loads nothing from anywhere, and has no script."""
    templates = Environment(
        loader=PackageLoader("stargan_fw_reproduce"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"paragraphs": _paragraphs, "inlined": partial(data_uri, kind="png", optimize=True)}
    templates.tests |= {"table": lambda section: isinstance(section, Table)}
    templates.tests |= {"sheet": lambda section: isinstance(section, Sheet)}
    style = Markup(files("stargan_fw_reproduce").joinpath("templates/report.css").read_text(encoding="utf-8"))  # noqa: S704
    page: str = templates.get_template("report.html").render(
        report=report, style=style, trained=runs_table(report.runs)
    )
    return page


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in text.split("\n\n") if part.strip()]


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
