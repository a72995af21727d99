"""Gives a method's networks the weights of a trained model, whose labels may be others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stargan_fw.errors import ModelError
from stargan_fw.interfaces import Discriminator, Generator, LabelledNetwork

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

    from stargan_fw.interfaces import Method
    from stargan_fw.models.loading import TrainedModel
    from stargan_fw_registry import LabelSpace


LISTED = 12


@dataclass(frozen=True, slots=True)
class Adoption:
    """What became of a model's labels and networks.

    Attributes:
        kept: labels and mask positions that go on as they were.
        new: those whose weights are 0.
        dropped: those that the model had.
        fresh: networks that the model comes without.
    """

    kept: Sequence[str]
    new: Sequence[str]
    dropped: Sequence[str]
    fresh: Sequence[str]

    def describe(self) -> str:
        """Returns one line for the user."""
        parts = [f"{len(self.kept)} labels kept"]
        parts += [f"new: {_listed(self.new)}"] if self.new else []
        parts += [f"dropped: {_listed(self.dropped)}"] if self.dropped else []
        parts += [f"from the beginning: {_listed(self.fresh)}"] if self.fresh else []
        return "; ".join(parts)


def adopt(trained: TrainedModel, method: Method) -> Adoption:
    """Gives the method's networks a model's weights, with labels matched by their names.

    New labels get weights of 0: until training goes on, outputs for the old ones stay as they were.

    Args:
        trained: the model.
        method: with networks of the same architecture, which may be on the meta device.

    Raises:
        ModelError: a network is another one than the model's, or cannot change its labels.
    """
    for name, stored in trained.weights.items():
        network, before = method.networks.get(name), trained.method.networks[name]
        if network is None or type(network) is not type(before):
            raise ModelError(f"The {name} of '{trained.path}' is another network. Leave out what names one.")
        weights = stored.read(before.state_dict())
        network.load_state_dict(_fitted(network, weights, _sources(network, trained, method), trained), assign=True)
        network.requires_grad_()
    old, new = unified_names(trained.method.space), unified_names(method.space)
    return Adoption(
        kept=[name for name in new if name in old],
        new=[name for name in new if name not in old],
        dropped=[name for name in old if name not in new],
        fresh=[name for name in method.networks if name not in trained.weights],
    )


def _sources(network: nn.Module, trained: TrainedModel, method: Method) -> list[int | None] | None:
    """Returns for each label of the network the model's position; None where they are the same."""
    old, new = names_for(network, trained.method.space), names_for(network, method.space)
    places = {name: place for place, name in enumerate(old)}
    return None if old == new else [places.get(name) for name in new]


def _fitted(
    network: nn.Module, weights: Mapping[str, Tensor], sources: list[int | None] | None, trained: TrainedModel
) -> dict[str, Tensor]:
    axes = {} if sources is None else _axes(network, trained)
    fitted = {}
    for name, expected in network.state_dict().items():
        value = weights.get(name)
        if value is not None and name in axes:
            axis, first = axes[name]
            value = _grown(value, axis, first, sources or [])
        if value is None or value.shape != expected.shape:
            raise ModelError(
                f"The networks of '{trained.path}' have other sizes than those asked for ('{name}'). Leave out the "
                "options of networks and the image size: they follow the model."
            )
        fitted[name] = value
    return fitted


def _axes(network: nn.Module, trained: TrainedModel) -> Mapping[str, tuple[int, int]]:
    axes = network.label_axes() if isinstance(network, LabelledNetwork) else None
    if axes is None:
        raise ModelError(
            f"The network '{type(network).__name__}' of '{trained.path}' cannot change its labels: its plugin does not "
            "say where they are (label_axes)."
        )
    return axes


def _grown(weight: Tensor, axis: int, first: int, sources: Sequence[int | None]) -> Tensor:
    """Returns a parameter whose labels, on `axis` from `first` on, come from these positions; None is 0."""
    shape = list(weight.shape)
    shape[axis] = first + len(sources)
    grown = weight.new_zeros(shape)
    grown.narrow(axis, 0, first).copy_(weight.narrow(axis, 0, first))
    for place, source in enumerate(sources):
        if source is not None:
            grown.select(axis, first + place).copy_(weight.select(axis, first + source))
    return grown


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def unified_names(space: LabelSpace) -> list[str]:
    """Returns what each position of the unified label is called, the mask's "mask.<dataset>"."""
    return [*space.names, *(f"mask.{name}" for name in space.datasets if space.mask_dim)]


def names_for(network: nn.Module, space: LabelSpace) -> list[str]:
    """Returns what a network's labels are called: a generator's have the mask, a discriminator's do not."""
    if isinstance(network, Generator):
        return unified_names(space)
    return list(space.names) if isinstance(network, Discriminator) else []
