"""What a reproduction found, as a page for people, as Markdown to paste, and as a file for programs."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from functools import partial, singledispatchmethod
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from stargan_fw.api import data_uri, write_text
from stargan_fw_evaluate import evaluation_notes
from stargan_fw_reproduce.experiment import Claim, Sheet, Table, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from stargan_fw_reproduce.experiment import Section
    from stargan_fw_reproduce.local_context import Measurement
    from stargan_fw_reproduce.reproduction import SeededRun

FORMAT = 1
PAGE, MARKDOWN, DOCUMENT, SHEETS, INPUTS = "index.html", "report.md", "report.json", "sheets", "inputs"


@dataclass
class Report:
    """A report that is filled section by section.

    Attributes:
        name: the experiment's name.
        title: the heading.
        about: paragraphs on what the experiment shows.
        settings: what was asked for and what computed it, by what the report calls it; None is left out.
        sections: texts, tables and sheets, in order.
        claims: claims of the paper, in order.
        runs: the runs that were trained.
        measurements: everything that was measured.
        commands: the command that makes the report, then those that do the same step by step.
    """

    name: str
    title: str
    about: str
    settings: Mapping[str, Any]
    sections: list[Text | Table | Sheet] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    runs: Sequence[SeededRun] = ()
    measurements: Sequence[Measurement] = ()
    commands: Sequence[str] = ()

    @singledispatchmethod
    def add(self, section: Section) -> None:
        """Adds a section after the others, or a claim after the other claims."""
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
        return evaluation_notes([found for measurement in self.measurements for found in measurement.evaluations])

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as `report.json` has it; shares are 0 to 1, and sheets are named by their files."""
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
            "evaluations": [measurement.to_dict() for measurement in self.measurements],
            "commands": list(self.commands),
        }

    def write(self, folder: Path) -> Path:
        """Writes the page, the Markdown, the file for programs, the sheets and their inputs; returns the path of the page.

        What an earlier call wrote is replaced.
        """
        for name in (SHEETS, INPUTS):
            shutil.rmtree(folder / name, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        for section in self.sections:
            if isinstance(section, Sheet):
                _save(section, folder)
        write_text(folder / DOCUMENT, json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n")
        write_text(folder / MARKDOWN, write_markdown(self))
        write_text(folder / PAGE, draw_page(self))
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
    record = run.record
    return {
        "name": run.planned.name,
        "title": run.title,
        "folder": str(run.folder.path),
        "seed": run.seed,
        "steps": run.step,
        "budget_minutes": run.minutes,
        "trained_minutes": record.seconds / 60 if record else None,
        "rehearsed_step_seconds": record.step_seconds if record else None,
        "trained_by": record.experiment if record else None,
        "config": run.config.model_dump(mode="json", exclude_none=True),
    }


def write_markdown(report: Report) -> str:
    """Returns the claims and tables with the date, the machine and the command that made them."""
    settings = ", ".join(f"{name}: {value}" for name, value in report.settings.items() if value is not None)
    claims = [
        f"- {claim.text} {claim.measured} {'Holds' if claim.holds else 'Does not hold'}." for claim in report.claims
    ]
    parts = [f"# {report.title}", settings + ".", *report.commands[:1], "\n".join(claims)]
    for section in report.sections:
        if isinstance(section, Text):
            parts.append(section.text)
        if isinstance(section, Table):
            rows = [section.header, ["---"] * len(section.header), *section.rows]
            lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
            parts += [f"## {section.title}", "\n".join(lines), section.note]
    return "\n\n".join(filter(None, [*parts, *report.notes])) + "\n"


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
    """Returns the table of runs: what was trained, for how long, and in which folder."""
    header = ["run", "datasets", "steps", "batch", "minutes trained", "of a budget of", "folder"]
    rows = [
        [
            run.title,
            ", ".join(run.config.datasets),
            f"{run.step:,}",
            str(run.config.training.batch_size),
            f"{run.record.seconds / 60:.1f}" if run.record else "",
            "" if run.minutes is None else f"{run.minutes:.1f}",
            str(run.folder.path),
        ]
        for run in runs
    ]
    note = (
        "The speed of a run with a budget is measured first, for some seconds that are not counted. The steps follow from "
        "it, so that the schedule ends with the budget. Runs without a budget were given their steps."
    )
    return Table("What was trained", header, rows, note)
