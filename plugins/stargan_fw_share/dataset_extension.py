"""Adds datasets to a trained model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from stargan_fw.data.source import build_dataset
from stargan_fw.errors import ModelError
from stargan_fw.interfaces import evaluating
from stargan_fw.models.adoption import adopt
from stargan_fw.models.loading import build, open_model
from stargan_fw.models.model_config import describe_pictures
from stargan_fw.models.weights import CONFIG
from stargan_fw_registry import LabelSchema, LabelSpace
from stargan_fw_share.card import Facts
from stargan_fw_share.model_description import describe_trained
from stargan_fw_share.model_folder import check_free, write_model

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stargan_fw.config import Config
    from stargan_fw.interfaces import Method
    from stargan_fw.models.adoption import Adoption
    from stargan_fw.models.loading import TrainedModel
    from stargan_fw.plugin_manager import PluginManager

PROBES = 4  # random images per dataset that old and new outputs are compared on


def extend_model(
    model: str | Path, target: Path, config: Config, plugins: PluginManager, *, files: Sequence[Path] = ()
) -> tuple[Adoption, float]:
    """Writes a model folder of a trained model with further datasets. Their labels do nothing until they are trained.

    Args:
        model: a run folder or a model folder.
        target: the folder, which appears whole or not at all.
        config: names the model's own datasets, in their order, and then the new ones.
        plugins: where the new datasets are.
        files: plugin files that the model needs.

    Returns:
        What became of the labels, and the largest change of an output for an old label, on random images.

    Raises:
        RunError: there is no model.
        ModelError: the model cannot be used or cannot be extended in this way, or the target is not empty.
        ConfigError: a new dataset's options are wrong.
    """
    check_free(target)
    trained = open_model(model, plugins=files)
    added = _new_datasets(trained, list(config.datasets))
    datasets = {alias: build_dataset(alias, config.datasets[alias], config.data.path, plugins) for alias in added}
    added_tables = {alias: config.datasets[alias] for alias in added}
    new = [LabelSchema(alias, list(dataset.attributes)) for alias, dataset in datasets.items()]
    old = describe_trained(trained)
    changes = {
        "labels": LabelSpace([*old.space.schemas, *new]).to_dict(),
        "crops": old.crops | {alias: dataset.crop_size for alias, dataset in datasets.items()},
        "own_crops": old.own_crops | {alias: one.own_crops for alias, one in datasets.items() if one.own_crops},
        "pictures": describe_pictures(config.model_copy(update={"datasets": added_tables}), plugins) | old.pictures,
        "label_counts": old.label_counts | {schema.name: {name: [0, 0] for name in schema.names} for schema in new},
    }
    extended = old.model_copy(update=changes)
    method = build(extended, trained.plugins, trained.path / CONFIG)
    adoption = adopt(trained, method)
    origin = (
        f"It was extended by {', '.join(added)}, whose labels do nothing until `stargan-fw train --from` has trained "
        "them."
    )
    counts = {**trained.label_counts, **extended.label_counts}
    facts = Facts(target.resolve().name, origin, label_counts=counts)
    write_model(target, extended, method, list(trained.weights), facts)
    return adoption, _difference(trained, method)


def _new_datasets(trained: TrainedModel, named: list[str]) -> list[str]:
    """Returns the datasets that the model does not have. Its own have to come first, in their order."""
    own = list(trained.method.space.datasets)
    if named[: len(own)] != own:
        raise ModelError(
            f"'{trained.path}' has the datasets {', '.join(own)}: name them first, in that order, and then the new ones, "
            f"as in --datasets {','.join(own)},NEW."
        )
    if len(named) == len(own):
        raise ModelError(f"'{trained.path}' has these datasets already: name a new one after them.")
    return named[len(own) :]


@torch.no_grad()
def _difference(trained: TrainedModel, method: Method) -> float:
    """Returns the largest difference between translations of random images to random old labels."""
    trained.load(*trained.method.translating)
    random = torch.Generator().manual_seed(0)
    side, largest = method.image_size, 0.0
    for schema in trained.method.space.schemas:
        images = torch.rand(PROBES, 3, side, side, generator=random) * 2 - 1
        labels = torch.rand(PROBES, schema.dim, generator=random).round()
        with evaluating(*trained.method.networks.values(), *method.networks.values()):
            before, after = (one.translate(images, schema.name, labels, labels) for one in (trained.method, method))
        largest = max(largest, (before - after).abs().max().item())
    return largest
