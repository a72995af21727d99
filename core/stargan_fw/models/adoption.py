"""Gives networks the weights of a trained model that has other labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from stargan_fw.errors import ModelError
from stargan_fw.interfaces import Discriminator, Generator, LabelledNetwork
from stargan_fw_registry import check_ranges

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

    from stargan_fw.interfaces import Method
    from stargan_fw.models.loading import TrainedModel
    from stargan_fw_registry import LabelSpace

MOST_LISTED = 12  # names in a message


@dataclass(frozen=True, slots=True)
class Adoption:
    """What became of a model's labels and networks.

    Attributes:
        kept: labels and mask positions that keep their weights.
        new: labels and mask positions that begin with weights of 0.
        dropped: labels and mask positions of the model that are no longer there.
        fresh: networks that begin at random, because the model comes without them.
    """

    kept: Sequence[str]
    new: Sequence[str]
    dropped: Sequence[str]
    fresh: Sequence[str]

    def describe(self) -> str:
        """Returns one line for the user."""
        parts = [f"{len(self.kept)} labels kept"]
        for title, names in (("new", self.new), ("dropped", self.dropped), ("from the beginning", self.fresh)):
            more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
            parts += [f"{title}: {', '.join(names[:MOST_LISTED])}{more}"] if names else []
        return "; ".join(parts)


def adopt(trained: TrainedModel, method: Method) -> Adoption:
    """Gives the method's networks a model's weights, with labels matched by their names.

    New labels get weights of 0, so that outputs for the old labels stay the same until training goes on.

    Args:
        trained: the model.
        method: a method with networks of the same architecture, which may be on the meta device.

    Raises:
        ModelError: a network is not of the model's class or size, or cannot change its labels.
        LabelError: a label that is a number has another range than in the model.
    """
    old_space, new_space = trained.method.space, method.space
    check_ranges(old_space, new_space)
    for name, stored in trained.weights.items():
        network, before = method.networks.get(name), trained.method.networks[name]
        if network is None or type(network) is not type(before):
            raise ModelError(f"The {name} of '{trained.path}' is another network. Leave out what names one.")
        old, new = _label_names(network, old_space), _label_names(network, new_space)
        sources = None if old == new else [old.index(label) if label in old else None for label in new]
        weights = stored.read(before.state_dict())
        network.load_state_dict(_fit(network, weights, sources, trained), assign=True)
        network.requires_grad_()
    old, new = old_space.unified_names, new_space.unified_names
    return Adoption(
        kept=[name for name in new if name in old],
        new=[name for name in new if name not in old],
        dropped=[name for name in old if name not in new],
        fresh=[name for name in method.networks if name not in trained.weights],
    )


def _label_names(network: nn.Module, space: LabelSpace) -> Sequence[str]:
    """Returns the names of a network's labels. A generator's include the mask, a discriminator's do not."""
    if isinstance(network, Generator):
        return space.unified_names
    return space.names if isinstance(network, Discriminator) else ()


def _fit(
    network: nn.Module, weights: Mapping[str, Tensor], sources: list[int | None] | None, trained: TrainedModel
) -> dict[str, Tensor]:
    """Returns a model's weights for a network; `sources` are its labels' positions in the model, None if unchanged."""
    axes: Mapping[str, tuple[int, int]] | None = {}
    if sources is not None:
        axes = network.label_axes() if isinstance(network, LabelledNetwork) else None
    if axes is None:
        raise ModelError(
            f"The network '{type(network).__name__}' of '{trained.path}' cannot change its labels: its plugin does not "
            "say where they are. Add label_axes() to its class."
        )
    fitted = {}
    for name, expected in network.state_dict().items():
        value = weights.get(name)
        if value is not None and name in axes:
            value = move_labels(value, *axes[name], sources or [])
        if value is None or value.shape != expected.shape:
            raise ModelError(
                f"The networks of '{trained.path}' have other sizes than those asked for ('{name}'). Leave out the "
                "options of networks and the image size: they follow the model."
            )
        fitted[name] = value
    return fitted


def move_labels(weight: Tensor, axis: int, first: int, sources: Sequence[int | None]) -> Tensor:
    """Returns a parameter with one label per source on `axis`, from `first` on: a copy of that position, or 0 for None."""
    blank = torch.zeros_like(weight.narrow(axis, 0, 1))
    positions = [*range(first), *(weight.shape[axis] if source is None else first + source for source in sources)]
    return torch.cat([weight, blank], axis).index_select(axis, torch.tensor(positions))
