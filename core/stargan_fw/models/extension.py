"""Adds datasets to a trained model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from stargan_fw.data.source import build_dataset
from stargan_fw.errors import ModelError
from stargan_fw.interfaces import evaluating
from stargan_fw.models.adoption import adopt
from stargan_fw.models.card import Facts
from stargan_fw.models.loading import build, open_model
from stargan_fw.models.model_folder import check_free, write_model
from stargan_fw.models.weights import CONFIG
from stargan_fw_registry import LabelSchema, LabelSpace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stargan_fw.config import Config
    from stargan_fw.interfaces import Method
    from stargan_fw.models.adoption import Adoption
    from stargan_fw.models.loading import TrainedModel
    from stargan_fw.plugin_manager import PluginManager

PROBES = 4  # random images of each dataset that old and new outputs are compared on


@dataclass(frozen=True, slots=True)
class Extension:
    """What an extension did.

    Attributes:
        adoption: of the labels.
        difference: how far outputs for the old labels moved, at most, on random images.
    """

    adoption: Adoption
    difference: float


def extend_model(
    model: str | Path, target: Path, asked: Config, plugins: PluginManager, *, files: Sequence[Path] = ()
) -> Extension:
    """Writes a model folder of a trained model with further datasets, whose labels do nothing until it is trained.

    Args:
        model: a run folder or a model folder.
        target: the folder, which appears whole or not at all.
        asked: names the model's own datasets, in their order, and then the new ones.
        plugins: where the new datasets are.
        files: plugin files that the model needs.

    Raises:
        RunError: there is no model.
        ModelError: it cannot be used or extended so, or the target holds something.
        ConfigError: a new dataset's options are wrong.
    """
    check_free(target)
    trained = open_model(model, plugins=files)
    added = _added(trained, list(asked.datasets))
    datasets = {alias: build_dataset(alias, asked.datasets[alias], asked.data.path, plugins) for alias in added}
    new = [LabelSchema(alias, list(dataset.attributes)) for alias, dataset in datasets.items()]
    space = LabelSpace([*trained.method.space.schemas, *new])
    crops = {**trained.config.crops, **{alias: dataset.crop_size for alias, dataset in datasets.items()}}
    own = {**trained.config.own_crops, **{alias: one.own_crops for alias, one in datasets.items() if one.own_crops}}
    changes = {"labels": space.to_dict(), "crops": crops, "own_crops": own}
    config = trained.config.model_copy(update=changes)
    method = build(config, trained.plugins, trained.path / CONFIG)
    adoption = adopt(trained, method)
    origin = (
        f"It was extended by {', '.join(added)}, whose labels do nothing until `stargan-fw train --from` has trained "
        "them."
    )
    classifier = any(name in trained.weights for name in method.reading)
    write_model(
        target, config, method, list(trained.weights), Facts(target.resolve().name, origin, classifier=classifier)
    )
    return Extension(adoption, _difference(trained, method))


def _added(trained: TrainedModel, asked: Sequence[str]) -> list[str]:
    """Returns the datasets that the model does not have; ModelError unless its own come first, in their order."""
    own = list(trained.method.space.datasets)
    if list(asked[: len(own)]) != own:
        raise ModelError(
            f"'{trained.path}' has the datasets {', '.join(own)}: name them first, in that order, and then the new ones, "
            f"as in --datasets {','.join(own)},NEW."
        )
    if len(asked) == len(own):
        raise ModelError(f"'{trained.path}' has these datasets already: name a new one after them.")
    return list(asked[len(own) :])


@torch.no_grad()
def _difference(trained: TrainedModel, method: Method) -> float:
    """Returns how far translations of random images to random old labels are apart, at most."""
    trained.load(*trained.method.translating)
    for name in method.translating:
        method.networks[name].eval()  # as the model's own are: batch norm computes something else in training
    random = torch.Generator().manual_seed(0)
    side, furthest = method.image_size, 0.0
    for schema in trained.method.space.schemas:
        images = torch.rand(PROBES, 3, side, side, generator=random) * 2 - 1
        labels = torch.rand(PROBES, schema.dim, generator=random).round()
        with evaluating(*trained.method.networks.values(), *method.networks.values()):
            before, after = (one.translate(images, schema.name, labels, labels) for one in (trained.method, method))
        furthest = max(furthest, (before - after).abs().max().item())
    return furthest
