"""The commands that do the same step by step."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from stargan_fw_reproduce.request import Asked, SeededRun


def reproduce_command(name: str, asked: Asked, out: Path, device: str) -> str:
    """Returns the command that makes a report."""
    flags = ["--paper"] if asked.size == "paper" else []
    options = {"--budget": asked.budget, "--steps": asked.steps, "--seeds": asked.seeds, "--limit": asked.limit}
    more = {"--classifier-steps": asked.classifier_steps, "--cache": asked.cache}
    places = {"--data": asked.data, "--runs": asked.runs, "--out": out, "--device": device}
    return _joined("reproduce", name, *flags, *_options({**places, **options, **more}), *_settings(asked))


def train_command(run: SeededRun, asked: Asked, device: str) -> str:
    """Returns the command that trains a run to the same weights, on the same machine and in fp32 to the bit."""
    own = [part for key, value in run.own_settings.items() for part in ("--set", f"{key}={_value(value)}")]
    length = ["--set", f"training.steps={run.steps}"]
    places = {"--data": asked.data, "--cache": asked.cache, "--out": run.folder.path, "--seed": run.seed}
    what = ["--datasets", run.planned.datasets, "--preset", run.planned.at(run.size).preset]
    return _joined("train", *what, *_options({**places, "--device": device}), *own, *_settings(asked), *length)


def evaluate_command(runs: Iterable[SeededRun], asked: Asked, options: dict[str, Any], device: str) -> str:
    """Returns the command that measures the same."""
    more = {"--limit": asked.limit, "--classifier-steps": asked.classifier_steps, "--cache": asked.cache}
    paths = [str(run.folder.path) for run in runs]
    return _joined("evaluate", *paths, *_options({"--data": asked.data, **options, **more, "--device": device}))


def sheet_command(models: Sequence[tuple[Path, str, str]], inputs: Path, to: Sequence[str], device: str) -> str:
    """Returns the command that draws a figure of saved inputs; of models there are path, name and mask."""
    runs = list(dict.fromkeys(path for path, _, _ in models))
    masks = list(dict.fromkeys(mask for _, _, mask in models))
    against = [part for path in runs[1:] for part in ("--against", str(path))]
    names = [next(name for path, name, _ in models if path == run) for run in runs]
    named = [part for name in names for part in ("--name", name)] if len(runs) > 1 else []
    edits = [part for edit in to for part in ("--to", edit)]
    shown = ["--mask", ",".join(masks)] if masks != ["right"] else []
    return _joined("sheet", runs[0], inputs, *against, *named, *edits, *shown, "--device", device)


def _options(values: dict[str, Any]) -> list[str]:
    """Returns options without those that are not given; a list is repeated."""
    listed = [(name, one) for name, value in values.items() for one in (value if isinstance(value, list) else [value])]
    return [part for name, value in listed if value is not None for part in (name, str(value))]


def _settings(asked: Asked) -> list[str]:
    plugins = [part for file in asked.plugins for part in ("--plugin", str(file))]
    return plugins + [part for setting in asked.settings for part in ("--set", setting)]


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _joined(*parts: object) -> str:
    return shlex.join(["stargan-fw", *map(str, parts)])
