"""From a run to a model folder, or from either to ONNX."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch
from PIL import Image

from stargan_fw.components import parameter_count
from stargan_fw.data.images import UNREADABLE, reason
from stargan_fw.errors import RequestError, RunError
from stargan_fw.models.loading import open_model
from stargan_fw.rendering.sheets import SampleSheet
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw.runs.split_record import recorded_sources
from stargan_fw_evaluate import Evaluation, log_warnings
from stargan_fw_share.card import Facts
from stargan_fw_share.model_description import describe_trained
from stargan_fw_share.model_folder import check_free, write_model
from stargan_fw_share.onnx_folder import check_packages, write_onnx

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stargan_fw.config import Config
    from stargan_fw.models.loading import TrainedModel

SHEET_ROWS = 4
SAMPLE = re.compile(r"step-\d+\.png")
LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,40}")


def export_run(run: RunFolder, target: Path, *, plugins: Sequence[Path] = (), licence: str | None = None) -> None:
    """Writes a run's newest checkpoint as a model folder, with the averaged weights if there are any.

    Args:
        run: a run of `stargan-fw train`.
        target: the folder, which appears whole or not at all.
        plugins: plugin files to use besides the installed plugins.
        licence: the Hub's name of the model's licence; None leaves it open.

    Raises:
        RequestError: the Hub cannot have a licence of that name.
        RunError: there is no run, or nothing is trained yet.
        ModelError: the target is not empty, or the weights cannot be used.
    """
    check_free(target)
    run.config()  # raises if there is no run: a model folder is not exported again
    trained, facts = _open(run.path, target, plugins, licence)
    write_model(target, describe_trained(trained), trained.method, list(trained.weights), facts)


def export_onnx(model: Path, target: Path, *, plugins: Sequence[Path] = (), licence: str | None = None) -> None:
    """Writes the generator of a run or of a model folder as ONNX.

    Args:
        model: a run folder or a model folder.
        target: the folder, which appears whole or not at all.
        plugins: plugin files to use besides the installed plugins.
        licence: the Hub's name of the model's licence; None leaves it open.

    Raises:
        RequestError: the Hub cannot have a licence of that name.
        RunError: there is no model, or nothing is trained yet.
        ModelError: the weights cannot be used, or for the reasons of `write_onnx`.
    """
    check_packages()
    check_free(target)
    trained, facts = _open(model, target, plugins, licence)
    write_onnx(target, describe_trained(trained), trained.method, facts)


def _open(model: Path, target: Path, plugins: Sequence[Path], licence: str | None) -> tuple[TrainedModel, Facts]:
    """Opens a model with all of its weights, and collects what the card will say."""
    if licence is not None and not LICENCE.fullmatch(licence):
        raise RequestError(f"--license {licence}: give the Hub's name of a licence, such as mit or cc-by-nc-4.0.")
    trained = open_model(model, plugins=plugins)
    trained.load(*trained.weights)  # the sheet may need any of them
    counts = trained.label_counts
    title, run = target.resolve().name, RunFolder(model)
    if not run.holds_run:
        return trained, Facts(title, "It was converted from a model folder.", label_counts=counts, licence=licence)
    config, step = run.config(), int(run.checkpoints.latest().name.removeprefix("step-"))
    sheet, caption = _sheet(run, config, trained)
    return trained, Facts(
        title,
        f"It was trained for {step:,} steps.",
        training=_training(run, config, trained, step),
        label_counts=counts,
        evaluation=Evaluation.read(run.path),
        sheet=sheet,
        sheet_shows=caption,
        licence=licence,
    )


def _training(run: RunFolder, config: Config, trained: TrainedModel, step: int) -> dict[str, str]:
    splits, datasets = run.splits(), {}
    for alias, table in config.datasets.items():
        split = splits.get(alias, {})
        images = f": {split['training']:,} training images, {len(split['test']):,} held out" if split else ""
        datasets[f"dataset {alias}"] = f"plugin {table.plugin}{images}"
    training = config.training
    sizes = [f"{name} {parameter_count(network):,}" for name, network in trained.method.networks.items()]
    return datasets | {
        "steps": f"{step:,} of {training.steps or f'{training.epochs} epochs'}, one batch of one dataset each",
        "batch size": str(training.batch_size),
        "generator updates": f"one in {training.n_critic} steps of a dataset",
        "learning rate": f"{training.learning_rate:g}, falling over the last {training.decay:.0%}",
        "weights": f"moving average, decay {training.ema:g}" if training.ema else "of the last step",
        "seed": str(training.seed),
        "parameters": ", ".join(sizes),
    }


def _sheet(run: RunFolder, config: Config, trained: TrainedModel) -> tuple[Image.Image | None, str]:
    """Draws images that the run holds out, in every domain. Without them, the run's newest sample is taken instead."""
    try:
        sources, size = recorded_sources(run, trained.plugins), config.data.image_size
        log_warnings(sources, run.path)
        sheet = SampleSheet.of_held_out(trained.method, sources, SHEET_ROWS, size, torch.device("cpu"))
        return sheet.draw(trained.method), "Held-out images, then each domain."
    except (RequestError, *UNREADABLE):
        return _newest_sample(run)


def _newest_sample(run: RunFolder) -> tuple[Image.Image | None, str]:
    samples = (path for path in (run.path / "samples").glob("step-*.png") if SAMPLE.fullmatch(path.name))
    newest = max((path for path in samples if path.is_file()), default=None)
    if newest is None:
        return None, ""
    try:
        with Image.open(newest) as sample:
            return sample.convert("RGB"), f"Held-out images, then each domain, at {newest.stem.replace('-', ' ')}."
    except UNREADABLE as error:
        raise RunError(f"The sample '{newest}' cannot be read: {reason(error)}. Remove it.") from None
