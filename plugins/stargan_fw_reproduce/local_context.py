"""What an experiment measures and draws with on this machine, and the commands that do the same step by step."""

from __future__ import annotations

import hashlib
import shlex
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stargan_fw import EncodedImage, Translator
from stargan_fw.api import FigureRow, count_parameters, draw_figure
from stargan_fw_evaluate import EvaluationRequest, evaluate, evaluation_table, held_out_images, held_out_pictures
from stargan_fw_reproduce.experiment import ExperimentContext, Sheet, Table
from stargan_fw_reproduce.reproduction import configure_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import torch

    from stargan_fw.api import RunFolder
    from stargan_fw_evaluate import Evaluation
    from stargan_fw_reproduce.experiment import Mask, Measured, PlannedRun, SheetRow, Size
    from stargan_fw_reproduce.kept_evaluations import KeptEvaluations
    from stargan_fw_reproduce.reproduction import Reproduction, ReproductionRequest, SeededRun

    Progress = Callable[[str, Iterable[int]], Iterable[int]]


@dataclass(frozen=True)
class Measurement:
    """Evaluations that were made together.

    Attributes:
        command: measures the same; None if no single command does.
        titles: what reports call the runs.
        evaluations: what was found of each of the runs.
    """

    command: str | None
    titles: Sequence[str]
    evaluations: Sequence[Evaluation]

    def to_dict(self) -> dict[str, Any]:
        """Returns the measurement as `report.json` has it."""
        titled = zip(self.titles, self.evaluations, strict=True)
        return {"command": self.command, "of": [{"title": title, **found.to_dict()} for title, found in titled]}


@dataclass
class LocalContext(ExperimentContext):
    """Measures and draws with trained run folders.

    Attributes:
        reproduction: the experiment with its runs.
        device: the device to compute on.
        out: the report's folder, which commands name.
        progress: wraps the steps of what takes long, given a description.
        kept: the evaluations that an earlier call made before it was stopped.
        commands: the commands that do the same, in the order of what was done.
        measurements: everything that was measured.
    """

    reproduction: Reproduction
    device: torch.device
    out: Path
    progress: Progress
    kept: KeptEvaluations
    commands: list[str] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    _checksums: dict[PlannedRun, tuple[int, str]] = field(default_factory=dict)

    def evaluate(
        self,
        runs: Sequence[PlannedRun],
        *,
        datasets: Sequence[str],
        images: str | None = None,
        source: str | None = None,
        to: Sequence[str] = (),
        mask: Mask = "right",
        read: Sequence[str] = (),
    ) -> Mapping[PlannedRun, Sequence[Measured]]:
        """Evaluates runs; see `ExperimentContext`."""
        seeded = [run for planned in runs for run in self.reproduction.of(planned)]
        request = self._request(datasets, images=images, source=source, to=tuple(to), mask=mask, read=tuple(read))
        tested = [self.data_checksum(run.planned)[1] for run in seeded]
        found = self.kept.evaluate([run.folder for run in seeded], request, self.device, self.progress, tested)
        command = evaluate_command(seeded, request, str(self.device))
        self.commands.append(command)
        self.measurements.append(Measurement(command, [run.title for run in seeded], found))
        pairs = list(zip(seeded, found, strict=True))
        return {planned: [evaluation for run, evaluation in pairs if run.planned is planned] for planned in runs}

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
        """Evaluates the checkpoints of a run; see `ExperimentContext`."""
        request = self._request(datasets, images=images, source=source, mask=mask, read=tuple(read))
        request = replace(request, limit=min(limit, request.limit or limit))
        first = self.reproduction.of(run)[0]
        with tempfile.TemporaryDirectory() as folder:
            earlier = runs_at_checkpoints(first.folder, Path(folder))
            found = evaluate(list(earlier.values()), request, self.device, self.progress)
        self.measurements.append(Measurement(None, [f"{first.title}, step {step}" for step in earlier], found))
        return list(zip(earlier, found, strict=True))

    def _request(self, datasets: Sequence[str], **asked: Any) -> EvaluationRequest:
        request = self.reproduction.request
        return EvaluationRequest(
            datasets=tuple(datasets),
            limit=request.limit or self.reproduction.experiment.limit,
            data=request.data,
            cache=request.cache,
            classifier_steps=request.classifier_steps,
            plugins=tuple(request.plugins),
            **asked,
        )

    def overview(self, title: str, found: Mapping[PlannedRun, Sequence[Measured]]) -> Table:
        """Lists every figure; see `ExperimentContext`."""
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
        """Draws unseen faces; see `ExperimentContext`."""
        request, device = self.reproduction.request, str(self.device)
        runs = [self.reproduction.of(row.run)[0] for row in rows]
        paths = [run.folder.path for run in runs]
        opened = {
            path: Translator.from_pretrained(path, device=device, accelerate=True, plugins=request.plugins)
            for path in dict.fromkeys(paths)
        }
        wanted = EvaluationRequest(source=source, limit=count, data=request.data, plugins=tuple(request.plugins))
        inputs = held_out_pictures(paths, images, wanted, self.device)
        drawn = [FigureRow(_masked(opened[path], row.mask), row.name) for path, row in zip(paths, rows, strict=True)]
        models = [(run.folder.path, row.name or row.run.title, row.mask) for run, row in zip(runs, rows, strict=True)]
        command = sheet_command(models, self.out / "inputs" / name, to, device, request.plugins)
        self.commands.append(command)
        return Sheet(name, caption, draw_figure(drawn, inputs, to), inputs, command)

    def parameters(self, run: PlannedRun, size: Size | None = None) -> str:
        """Counts parameters; see `ExperimentContext`."""
        request = self.reproduction.request
        return str(count_parameters(*configure_run(run, request, () if size else request.settings, size=size)))

    def data_checksum(self, run: PlannedRun) -> tuple[int, str]:
        """Returns a checksum of the test images; see `ExperimentContext`."""
        if run not in self._checksums:
            self._checksums[run] = self._sum_up_data(run)
        return self._checksums[run]

    def _sum_up_data(self, run: PlannedRun) -> tuple[int, str]:
        first, request = self.reproduction.of(run)[0], self.reproduction.request
        count, digest = 0, hashlib.sha256()
        for held_out in held_out_images(first.folder, first.config.datasets, request.data, request.plugins):
            for index in held_out.indices:
                example, count = held_out.source.examples[index], count + 1
                digest.update(repr((held_out.source.name_of(index), sorted(example.labels.items()))).encode())
                image = example.image
                digest.update(image.read() if isinstance(image, EncodedImage) else Path(image).read_bytes())
        return count, digest.hexdigest()[:12]

    def image_size(self, run: PlannedRun) -> int:
        """Returns the side of a run's pictures; see `ExperimentContext`."""
        return self.reproduction.of(run)[0].config.data.image_size

    def steps(self, run: PlannedRun) -> int:
        """Returns a run's steps; see `ExperimentContext`."""
        return self.lengths(run)[0]

    def lengths(self, run: PlannedRun) -> Sequence[int]:
        """Returns the steps of a run's seeds; see `ExperimentContext`."""
        return list(dict.fromkeys(one.step for one in self.reproduction.of(run)))

    def minutes(self, run: PlannedRun) -> float:
        """Returns a run's minutes; see `ExperimentContext`."""
        seconds = [one.record.seconds for one in self.reproduction.of(run) if one.record]
        return sum(seconds) / 60 / max(1, len(seconds))


def _masked(translator: Translator, mask: Mask) -> Translator:
    return translator if mask == "right" else translator.variant("mask", mask)


def reproduce_command(name: str, request: ReproductionRequest, out: Path, device: str) -> str:
    """Returns the command that makes a report."""
    options = {
        "--data": request.data,
        "--runs": request.runs,
        "--out": out,
        "--device": device,
        "--budget": request.budget,
        "--steps": request.steps,
        "--images": request.images,
        "--only": request.only,
        "--seeds": request.seeds,
        "--limit": request.limit,
        "--classifier-steps": request.classifier_steps,
        "--cache": request.cache,
    }
    flags = ["--paper"] if request.size == "paper" else []
    return _command("reproduce", name, *flags, *_options(options), *_settings(request))


def train_command(run: SeededRun, request: ReproductionRequest, device: str) -> str:
    """Returns the command that trains a run to the same weights: on the same machine and in fp32, to the same bits."""
    options = {
        "--datasets": run.planned.datasets,
        "--preset": run.planned.at(run.size).preset,
        "--data": request.data,
        "--cache": request.cache,
        "--out": run.folder.path,
        "--seed": run.seed,
        "--device": device,
        "--set": [f"{key}={_value(value)}" for key, value in run.own_settings.items()],
    }
    length = ["--set", f"training.steps={run.steps}"]
    return _command("train", *_options(options), *_settings(request), *length)


def runs_at_checkpoints(run: RunFolder, folder: Path) -> dict[int, Path]:
    """Makes a run folder of links for each whole checkpoint, to open the run as it was then.

    Args:
        run: the run.
        folder: an empty folder, for the run folders.

    Returns:
        The run folder by the checkpoint's step.
    """
    earlier = {}
    for checkpoint in run.checkpoints.whole():
        then = folder / checkpoint.name
        (then / "checkpoints").mkdir(parents=True)
        (then / "checkpoints" / checkpoint.name).symlink_to(checkpoint.resolve(), target_is_directory=True)
        for name in ("config.toml", "labels.json", "splits.json"):
            if (run.path / name).exists():
                (then / name).symlink_to((run.path / name).resolve())
        earlier[int(checkpoint.name.removeprefix("step-"))] = then
    return earlier


def evaluate_command(runs: Iterable[SeededRun], request: EvaluationRequest, device: str) -> str:
    """Returns the command that measures the same."""
    options = {
        "--data": request.data,
        "--datasets": ",".join(request.datasets),
        "--images": request.images,
        "--source": request.source,
        "--to": request.to,
        "--read": request.read,
        "--mask": request.mask if request.mask != "right" else None,
        "--limit": request.limit,
        "--classifier-steps": request.classifier_steps,
        "--cache": request.cache,
        "--device": device,
        "--plugin": request.plugins,
    }
    return _command("evaluate", *(run.folder.path for run in runs), *_options(options))


def sheet_command(
    models: Sequence[tuple[Path, str, str]], inputs: Path, to: Sequence[str], device: str, plugins: Sequence[str]
) -> str:
    """Returns the command that draws a figure of saved inputs.

    Args:
        models: path, name and mask of each row.
        inputs: the folder of the inputs.
        to: the edits.
        device: the device to translate on.
        plugins: plugin files.
    """
    names = {path: name for path, name, _ in reversed(models)}
    first, *others = dict.fromkeys(path for path, _, _ in models)
    masks = list(dict.fromkeys(mask for _, _, mask in models))
    options = {
        "--against": others,
        "--name": [names[path] for path in (first, *others)] if others else [],
        "--to": to,
        "--mask": ",".join(masks) if masks != ["right"] else None,
        "--device": device,
        "--plugin": plugins,
    }
    return _command("sheet", first, inputs, *_options(options))


def _options(values: Mapping[str, Any]) -> list[str]:
    """Returns the arguments of options: none for None, and an option again for each item of a list."""
    listed = {name: value if isinstance(value, list | tuple) else [value] for name, value in values.items()}
    pairs = [(name, str(item)) for name, items in listed.items() for item in items if item is not None]
    return [part for pair in pairs for part in pair]


def _settings(request: ReproductionRequest) -> list[str]:
    return _options({"--plugin": list(request.plugins), "--set": list(request.settings)})


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _command(*parts: object) -> str:
    return shlex.join(["stargan-fw", *map(str, parts)])
