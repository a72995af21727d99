"""From a run to a model folder, or from either to ONNX."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from PIL import Image

from stargan_fw.components import parameter_count
from stargan_fw.data.images import UNREADABLE
from stargan_fw.data.source import open_sources
from stargan_fw.errors import RequestError, RunError
from stargan_fw.models.card import Facts
from stargan_fw.models.loading import open_model
from stargan_fw.models.model_folder import check_free, write_model
from stargan_fw.models.onnx_folder import check_packages, write_onnx
from stargan_fw.rendering.sheets import SampleSheet
from stargan_fw.runs.evaluation_record import Evaluation
from stargan_fw.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stargan_fw.config import Config
    from stargan_fw.models.loading import TrainedModel
    from stargan_fw.plugin_manager import PluginManager

SHEET_ROWS = 4
LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,40}")


def export_run(run: RunFolder, target: Path, *, plugins: Sequence[Path] = (), licence: str | None = None) -> None:
    """Writes a run's newest checkpoint as a model folder, with the averaged weights where there are any.

    Args:
        run: trained with `stargan-fw train`.
        target: the folder, which appears whole or not at all.
        plugins: plugin files to use besides those that the run names.
        licence: of the model, as the Hub names it; None leaves it open.

    Raises:
        RequestError: the Hub has no licences of such a name.
        RunError: there is no run, or nothing is trained yet.
        ModelError: the target holds something, or the weights cannot be used.
    """
    check_free(target)
    _check_licence(licence)
    if not run.holds_run:
        raise RunError(f"'{run.path}' holds no run: it has no config.toml. Name the folder that `train` wrote.")
    trained = open_model(run.path, plugins=plugins)
    networks = [*trained.method.translating, *trained.method.reading]
    trained.load(*trained.weights)  # its sheet is drawn with whatever the method asks
    facts = replace(run_facts(run, trained, target.resolve().name), licence=licence)
    write_model(target, trained.config, trained.method, networks, facts)


def export_onnx(model: Path, target: Path, *, plugins: Sequence[Path] = (), licence: str | None = None) -> None:
    """Writes the generator of a run or of a model folder as ONNX.

    Args:
        model: a run folder or a model folder.
        target: as `export_run` takes it.
        plugins: likewise.
        licence: likewise.

    Raises:
        RunError: there is no model, or nothing is trained yet.
        ModelError: as `write_onnx`, or the weights cannot be used.
    """
    check_packages()
    check_free(target)
    _check_licence(licence)
    trained = open_model(model, plugins=plugins)
    trained.load(*trained.weights)
    facts = Facts(target.resolve().name, "It was converted from a model folder.")
    if RunFolder(model).holds_run:
        facts = run_facts(RunFolder(model), trained, target.resolve().name)
    write_onnx(target, trained.config, trained.method, replace(facts, licence=licence))


def _check_licence(licence: str | None) -> None:
    """Raises RequestError where the Hub could not take it for a licence: its names are short and in lower case."""
    if licence is not None and not LICENCE.fullmatch(licence):
        raise RequestError(f"--license {licence}: give the Hub's name of a licence, such as mit or cc-by-nc-4.0.")


def run_facts(run: RunFolder, trained: TrainedModel, title: str) -> Facts:
    """Returns what a run's folder says of it for the card; the networks hold their weights."""
    sheet, shows = _sheet(run, trained)
    has_classifier = all(name in trained.method.networks for name in trained.method.reading)
    return Facts(
        title=title,
        origin=f"It was trained for {_step(run):,} steps.",
        training=_training(run, trained),
        evaluation=Evaluation.read(run.path),
        sheet=sheet,
        sheet_shows=shows,
        classifier=has_classifier and bool(trained.method.reading),
    )


def _training(run: RunFolder, trained: TrainedModel) -> dict[str, str]:
    config, splits = run.config(), run.splits()
    said = {}
    for alias, table in config.datasets.items():
        split = splits.get(alias, {})
        images = f": {split['training']:,} training images, {len(split['test']):,} held out" if split else ""
        said[f"dataset {alias}"] = f"plugin {table.plugin}{images}"
    training = config.training
    sizes = [f"{name} {parameter_count(network):,}" for name, network in trained.method.networks.items()]
    return said | {
        "steps": f"{_step(run):,} of {training.steps or f'{training.epochs} epochs'}, one batch of one dataset each",
        "batch size": str(training.batch_size),
        "generator updates": f"one in {training.n_critic} steps of a dataset",
        "learning rate": f"{training.learning_rate:g}, falling over the last {training.decay:.0%}",
        "weights": f"moving average, decay {training.ema:g}" if training.ema else "of the last step",
        "seed": str(training.seed),
        "parameters": ", ".join(sizes),
    }


def _step(run: RunFolder) -> int:
    state = run.checkpoints.latest() / "state.json"
    try:
        return int(json.loads(state.read_text(encoding="utf-8"))["step"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"'{state}' cannot be read: {error}. Remove the checkpoint to use the one before.") from None


def _sheet(run: RunFolder, trained: TrainedModel) -> tuple[Image.Image | None, str]:
    """Draws held-out images in every domain; without the data, the newest sample of the run stands in."""
    try:
        return _draw(run.config(), trained, trained.plugins), "Held-out images, then each domain."
    except (RequestError, *UNREADABLE):
        newest = max((run.path / "samples").glob("step-*.png"), default=None)
        if newest is None:
            return None, ""
        with Image.open(newest) as sample:
            return sample.convert("RGB"), f"Held-out images, then each domain, at {newest.stem.replace('-', ' ')}."


def _draw(config: Config, trained: TrainedModel, plugins: PluginManager) -> Image.Image:
    rows, size = {}, config.data.image_size
    for source in open_sources(config, plugins):
        chosen = source.held_out(max(1, SHEET_ROWS // len(config.datasets)))
        rows[source.alias] = (source.pictures(chosen, size), torch.from_numpy(source.labels[chosen]))
    return SampleSheet(rows, torch.device("cpu")).draw(trained.method)
