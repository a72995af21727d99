"""What an experiment measures and draws with."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stargan_fw import Translator
from stargan_fw.api import (
    EvaluationRequest,
    FigureRow,
    count_parameters,
    draw_figure,
    evaluate,
    evaluation_table,
    held_out_pictures,
)
from stargan_fw_reproduce.commands import evaluate_command, sheet_command
from stargan_fw_reproduce.experiment import Bench, Sheet, Table
from stargan_fw_reproduce.request import configured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import torch

    from stargan_fw.api import Evaluation
    from stargan_fw_reproduce.experiment import Mask, Measured, PlannedRun, SheetRow, Size
    from stargan_fw_reproduce.request import Reproduction, SeededRun

    Progress = Callable[[str, Iterable[int]], Iterable[int]]


@dataclass
class WorkBench(Bench):
    """The bench of an experiment whose runs are trained.

    Attributes:
        reproduction: the experiment with its runs.
        device: to compute on.
        out: the report's folder, which commands name.
        progress: wraps what takes long, given a description.
        commands: that do the same, as they come.
        evaluations: everything that was measured, with its command.
    """

    reproduction: Reproduction
    device: torch.device
    out: Path
    progress: Progress
    commands: list[str] = field(default_factory=list)
    evaluations: list[dict[str, Any]] = field(default_factory=list)

    def evaluate(
        self,
        runs: Sequence[PlannedRun],
        *,
        datasets: Sequence[str],
        images: str | None = None,
        source: str | None = None,
        mask: Mask = "right",
        read: Sequence[str] = (),
    ) -> Mapping[PlannedRun, Sequence[Measured]]:
        """Evaluates; see the interface."""
        asked = self.reproduction.asked
        seeded = [run for planned in runs for run in self.reproduction.of(planned)]
        question = self._question(datasets=datasets, images=images, source=source, mask=mask, read=read)
        found = evaluate([run.folder.path for run in seeded], question, self.device, self.progress)
        options = {"--datasets": ",".join(datasets), "--images": images, "--source": source, "--read": list(read)}
        options["--mask"] = mask if mask != "right" else None
        command = evaluate_command(seeded, asked, options, str(self.device))
        self.commands.append(command)
        self._keep(command, [run.title for run in seeded], found)
        return {planned: _of(planned, seeded, found) for planned in runs}

    def history(
        self,
        run: PlannedRun,
        *,
        datasets: Sequence[str],
        images: str | None = None,
        source: str | None = None,
        mask: Mask = "right",
        read: Sequence[str] = (),
        limit: int = 40,
    ) -> Sequence[tuple[int, Measured]]:
        """Evaluates all checkpoints; see the interface."""
        question = self._question(datasets=datasets, images=images, source=source, mask=mask, read=read)
        question = replace(question, limit=min(limit, question.limit or limit))
        first = self.reproduction.of(run)[0]
        with tempfile.TemporaryDirectory() as folder:
            earlier = first.folder.at_checkpoints(Path(folder))
            found = evaluate(list(earlier.values()), question, self.device, self.progress)
        self._keep(None, [f"{first.title}, step {step}" for step in earlier], found)
        return list(zip(earlier, found, strict=True))

    def _question(
        self, *, datasets: Sequence[str], images: str | None, source: str | None, mask: Mask, read: Sequence[str]
    ) -> EvaluationRequest:
        asked = self.reproduction.asked
        return EvaluationRequest(
            datasets=tuple(datasets),
            images=images,
            source=source,
            limit=asked.limit,
            data=asked.data,
            cache=asked.cache,
            classifier_steps=asked.classifier_steps,
            mask=mask,
            read=tuple(read),
        )

    def _keep(self, command: str | None, titles: Sequence[str], found: Sequence[Evaluation]) -> None:
        titled = zip(titles, found, strict=True)
        documents = [{"title": title, **evaluation.to_dict()} for title, evaluation in titled]
        self.evaluations.append({"command": command, "of": documents})

    def overview(self, title: str, found: Mapping[PlannedRun, Sequence[Measured]]) -> Table:
        """Lists all figures; see the interface."""
        runs = [run for planned in found for run in self.reproduction.of(planned)]
        evaluations: list[Any] = [evaluation for one in found.values() for evaluation in one]
        header, *rows = evaluation_table(evaluations, brief=True)
        return Table(title, [*header[:3], *(run.title for run in runs)], rows)

    def sheet(
        self,
        name: str,
        caption: str,
        rows: Sequence[SheetRow],
        *,
        images: str,
        to: Sequence[str],
        source: str | None = None,
        count: int = 4,
    ) -> Sheet:
        """Draws unseen faces; see the interface."""
        runs = [self.reproduction.of(row.run)[0] for row in rows]
        device, paths = str(self.device), [run.folder.path for run in runs]
        opened = {path: Translator.from_pretrained(path, device=device, accelerate=True) for path in paths}
        asked = self.reproduction.asked
        wanted = EvaluationRequest(source=source, limit=count, data=asked.data)
        inputs = held_out_pictures(paths, images, wanted, self.device, asked.plugins)
        drawn = [FigureRow(_masked(opened[path], row.mask), row.name) for path, row in zip(paths, rows, strict=True)]
        models = [(path, row.name or row.run.title, row.mask) for path, row in zip(paths, rows, strict=True)]
        command = sheet_command(models, self.out / "inputs" / name, to, str(self.device))
        self.commands.append(command)
        return Sheet(name, caption, draw_figure(drawn, inputs, to), inputs, command)

    def parameters(self, run: PlannedRun, size: Size | None = None) -> str:
        """Counts; see the interface."""
        asked = self.reproduction.asked
        return str(count_parameters(*configured(run, asked, () if size else asked.settings, size=size)))

    def steps(self, run: PlannedRun) -> int:
        """Returns the steps; see the interface."""
        return self.reproduction.of(run)[0].step

    def minutes(self, run: PlannedRun) -> float:
        """Returns the minutes; see the interface."""
        seconds = [one.ledger.seconds for one in self.reproduction.of(run) if one.ledger]
        return sum(seconds) / 60 / max(1, len(seconds))


def _masked(translator: Translator, mask: Mask) -> Translator:
    return translator if mask == "right" else translator.variant("mask", mask)


def _of(planned: PlannedRun, runs: Sequence[SeededRun], found: Sequence[Evaluation]) -> list[Evaluation]:
    return [evaluation for run, evaluation in zip(runs, found, strict=True) if run.planned is planned]
