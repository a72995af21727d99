"""Reads what a run folder tells about its run, without torch, so that a list of runs appears at once."""

from __future__ import annotations

import json
import math
import os
import re
import stat
import tomllib
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from stargan_fw.errors import RunError, one_line
from stargan_fw.files import read_text, why_unreadable
from stargan_fw_evaluate import Evaluation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

# The names in a run folder, as `stargan_fw.runs.run_folder` writes them; that module takes seconds to import.
CONFIG, LABELS, METRICS, LOCK, HOLDER = "config.toml", "labels.json", "metrics.jsonl", ".lock", ".lock.json"
MARKS = {
    CONFIG,
    LABELS,
    METRICS,
    LOCK,
    "splits.json",
    "checkpoints",
}  # a folder with two of these holds a run, or began to
LARGEST_CONFIG, LARGEST_METRICS = 2**20, 2**29  # bytes
_CHECKPOINT = re.compile(r"step-(\d{8,15})")


@dataclass(frozen=True)
class Series:
    """One metric of one dataset over the steps.

    Attributes:
        dataset: the dataset's alias.
        metric: the metric's name, such as "g/rec".
        steps: the steps at which it was logged and finite, in order.
        values: its value at each of them.
    """

    dataset: str
    metric: str
    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Returns the last value and the lowest, each with its step."""
        lowest = min(range(len(self.values)), key=self.values.__getitem__)
        return {
            "dataset": self.dataset,
            "metric": self.metric,
            "last": self.values[-1],
            "last_step": self.steps[-1],
            "lowest": self.values[lowest],
            "lowest_step": self.steps[lowest],
        }


@dataclass(frozen=True)
class RunSummary:
    """What is known of one run.

    Attributes:
        name: the folder's path below the listed folder, with "/" between names.
        path: the folder.
        problem: why the run cannot be used, in one line; "" if nothing is wrong.
        training: whether a process trains there now; None if that cannot be known.
        settings: its configuration by dotted key.
        step: the last step that is logged or saved.
        steps: the length of the whole run; None if it is configured in epochs, or unknown.
        checkpoints: the steps that are saved, in order.
        series: its metrics.
        evaluation: the figures of `evaluate`, if there are some that can be read.
        size: bytes on the disk.
        changed: when a file last changed.
    """

    name: str
    path: Path
    problem: str
    training: bool | None
    settings: dict[str, Any]
    step: int
    steps: int | None
    checkpoints: list[int]
    series: list[Series]
    evaluation: Evaluation | None
    size: int
    changed: datetime

    @property
    def state(self) -> str:
        """One word or two on how the run stands."""
        if self.training:
            return "training"
        if self.problem:
            return "broken"
        if self.steps and self.checkpoints and self.checkpoints[-1] >= self.steps:
            return "complete"
        return "stopped" if self.checkpoints else "no checkpoint"

    def to_dict(self) -> dict[str, Any]:
        """Returns the summary for `--json`."""
        figures = [] if self.evaluation is None else self.evaluation.to_dict()["rows"]
        return {
            "name": self.name,
            "path": str(self.path),
            "state": self.state,
            "problem": self.problem or None,
            "training_now": self.training,
            "step": self.step,
            "steps": self.steps,
            "checkpoints": self.checkpoints,
            "metrics": [series.to_dict() for series in self.series],
            "evaluation": figures,
            "bytes": self.size,
            "changed": self.changed.isoformat(timespec="seconds"),
        }


def find_runs(folder: Path) -> list[RunSummary]:
    """Returns the runs in and below a folder, by name, also broken ones.

    Hidden folders and what lies inside of a run are passed over. A link to a run counts, but links are not searched.

    Raises:
        RunError: there is no such folder, or it cannot be read.
    """
    if not folder.is_dir():
        raise RunError(f"There is no folder '{folder}'. Name one that holds runs: stargan-fw runs FOLDER")
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise RunError(f"'{folder}' cannot be read: {why_unreadable(error)}. Permit it, or name another.") from None
    return sorted((summarise(path, folder) for path in _run_folders(folder)), key=lambda run: run.name)


def _run_folders(folder: Path) -> Iterator[Path]:
    try:
        names = {entry.name: entry for entry in os.scandir(folder)}
    except OSError:  # a folder of somebody else's
        return
    if len(MARKS & names.keys()) >= 2:
        yield folder
        return
    for name, entry in names.items():
        if name.startswith(".") or not entry.is_dir():
            continue
        if not entry.is_symlink():
            yield from _run_folders(folder / name)
        elif (folder / name / CONFIG).exists():
            yield folder / name


def summarise(path: Path, folder: Path) -> RunSummary:
    """Returns the summary of the run in `path`, which is in or below `folder`. It raises no error for a broken run."""
    problems: list[str] = []
    settings = _attempt(path / CONFIG, _read_config, problems) or {}
    if not (path / LABELS).is_file():
        problems.append(f"{LABELS} is missing")
    series = _attempt(path / METRICS, _read_metrics, problems) if os.path.lexists(path / METRICS) else []
    evaluation = _attempt(path, Evaluation.read, problems)
    checkpoints = _checkpoints(path / "checkpoints")
    logged = [one.steps[-1] for one in series or ()]
    steps = settings.get("training.steps")
    size, changed = _measure(path)
    return RunSummary(
        name=path.resolve().name if path == folder else path.relative_to(folder).as_posix(),
        path=path,
        problem="; ".join(problems),
        training=is_training(path),
        settings=settings,
        step=max([0, *logged, *checkpoints]),
        steps=steps if type(steps) is int else None,
        checkpoints=checkpoints,
        series=series or [],
        evaluation=evaluation,
        size=size,
        changed=changed,
    )


def is_training(run: Path) -> bool | None:
    """Returns whether a process holds the run; None if that cannot be known.

    The lock is tried only if a note says that somebody has it, since a training that begins at that moment would find it taken.
    """
    if not os.path.lexists(run / HOLDER):
        return False
    try:
        with FileLock(run / LOCK, timeout=0, fallback_to_soft=False):
            return False  # a killed process left the note
    except Timeout:
        return True
    except (OSError, NotImplementedError):
        return None


def differing_settings(runs: Sequence[RunSummary]) -> list[str]:
    """Returns the keys whose values differ between runs, without those that only one component or dataset of several has."""
    known = [run.settings for run in runs if run.settings]
    keys = dict.fromkeys(key for settings in known for key in settings)
    differing = [key for key in keys if any(settings.get(key) != known[0].get(key) for settings in known)]
    differing.sort(key=lambda key: not key.endswith((".name", "datasets")))  # what says most comes first
    chosen = {key.rpartition(".")[0] for key in differing if key.endswith(".name")}
    return [
        key
        for key in differing
        if key.endswith(".name")
        or all(key in settings for settings in known)
        or (key.rpartition(".")[0] not in chosen and not key.startswith("datasets."))
    ]


def _attempt(path: Path, read: Any, problems: list[str]) -> Any:
    """Returns what `read` returns for a path, or None after adding a line to the problems."""
    try:
        return read(path)
    except RunError as error:
        problems.append(one_line(str(error)))
    except OSError as error:
        problems.append(f"{path.name} cannot be read: {why_unreadable(error)}")
    except (ValueError, RecursionError) as error:
        problems.append(f"{path.name} cannot be read: {one_line(str(error))}")
    return None


def _read_config(path: Path) -> dict[str, Any]:
    return dict(_flatten(tomllib.loads(read_text(path, LARGEST_CONFIG))))


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    datasets = values.get("datasets")
    if not prefix and isinstance(datasets, dict):
        yield "datasets", ", ".join(datasets)
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, _plain(value)


def _plain(value: Any) -> Any:
    """Returns a value of TOML as JSON has it: dates and infinite numbers become text."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)) else str(value)


def _read_metrics(path: Path) -> list[Series]:
    """Returns the series of a metrics file. Lines that are none, as the last one of a killed run, are left out."""
    points: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for line in read_text(path, LARGEST_METRICS).splitlines():
        try:
            row = json.loads(line)
            step, dataset = int(row.pop("step")), str(row.pop("dataset"))
            finite = {name: float(value) for name, value in row.items() if math.isfinite(value)}
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            continue
        for name, value in finite.items():
            points[dataset, name][step] = value
    return [
        Series(dataset, name, sorted(values), [values[step] for step in sorted(values)])
        for (dataset, name), values in points.items()
    ]


def _checkpoints(folder: Path) -> list[int]:
    try:
        found = [_CHECKPOINT.fullmatch(entry.name) for entry in os.scandir(folder) if entry.is_dir()]
    except OSError:
        return []
    return sorted(int(match[1]) for match in found if match)


def _measure(run: Path) -> tuple[int, datetime]:
    """Returns the bytes of a folder's files and the time of the last change. A file that vanishes meanwhile does not count."""
    size, changed = 0, 0.0
    for folder, _, files in os.walk(run):
        for name in ("", *files):
            try:
                found = os.lstat(os.path.join(folder, name))  # noqa: PTH118 - many files
            except OSError:
                continue
            if stat.S_ISREG(found.st_mode):
                size, changed = size + found.st_size, max(changed, found.st_mtime)
    if not changed:
        changed = run.stat().st_mtime
    return size, datetime.fromtimestamp(changed, UTC).astimezone()
