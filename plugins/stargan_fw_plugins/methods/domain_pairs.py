"""The pairs of domains that methods with a model for each pair train, and the way from one domain to another."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from stargan_fw.errors import ConfigError, DataError, LabelError, ModelError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from stargan_fw_registry import LabelSchema, LabelSpace


@dataclass(frozen=True, slots=True)
class Domain:
    """Images that have one value of one attribute of a dataset.

    Attributes:
        dataset: the dataset's name in the label space.
        position: of the label that tells, in the dataset's label vector.
        value: that this label has: 1, or 0 for the images without a lone binary label.
        name: as an edit calls it: "happy", "Male=0".
    """

    dataset: str
    position: int
    value: float
    name: str

    def holds(self, labels: Tensor) -> Tensor:
        """Tells which images are in it, (B,) of bool, from labels (B, d); unknown labels are in none."""
        return labels[:, self.position] == self.value


@dataclass(frozen=True, slots=True)
class Arrow:
    """One direction that a generator translates in."""

    source: Domain
    target: Domain

    @property
    def key(self) -> str:
        """Its name among the networks, where a dot would part modules."""
        return f"{self.source.dataset}: {self.source.name} to {self.target.name}".replace(".", "/")

    @property
    def reversed(self) -> Arrow:
        """The way back."""
        return Arrow(self.target, self.source)


@dataclass(frozen=True, slots=True)
class Attribute:
    """The domains that exclude each other, and where images come from.

    Attributes:
        part: the attribute's slice of the dataset's label vector.
        domains: in order.
        source: the domain that is translated from; None is every domain.
    """

    part: slice
    domains: tuple[Domain, ...]
    source: Domain | None

    def pairs(self) -> Iterator[Arrow]:
        """Yields the arrows from the source to every other domain, or one between each two domains."""
        if self.source is None:
            yield from (Arrow(*two) for two in combinations(self.domains, 2))
        else:
            yield from (Arrow(self.source, domain) for domain in self.domains if domain != self.source)

    def find(self, labels: Tensor) -> list[Domain | None]:
        """Returns each image's domain from labels (B, d); None where it is unknown, or none of them."""
        held = torch.stack([domain.holds(labels) for domain in self.domains], dim=1).tolist()
        return [next((domain for domain, holds in zip(self.domains, row, strict=True) if holds), None) for row in held]


class DomainPairs:
    """All pairs of all attributes of all datasets.

    Attributes:
        pairs: by dataset, in the order of the kinds of batches.

    Args:
        space: the label space.
        source: labels that images are translated from, as edits separated by commas ("neutral", "Male=0"); an attribute
            that is not among them is translated from each of its values.

    Raises:
        ConfigError: a source that is no domain, or two of one attribute.
    """

    def __init__(self, space: LabelSpace, source: str) -> None:
        chosen = dict(_sources(space, source))
        self._attributes = {
            schema.name: [
                Attribute(part, domains, chosen.pop((schema.name, part.start), None))
                for _, part in schema.parts
                for domains in [_domains(schema, part)]
            ]
            for schema in space.schemas
        }
        self.pairs: Mapping[str, Sequence[Arrow]] = {
            dataset: [pair for attribute in attributes for pair in attribute.pairs()]
            for dataset, attributes in self._attributes.items()
        }

    def one_way(self) -> dict[str, list[Arrow]]:
        """Returns by dataset what is translated one way: from a source, or else both ways of each pair."""
        return {
            dataset: [
                arrow
                for attribute in attributes
                for pair in attribute.pairs()
                for arrow in ([pair] if attribute.source else [pair, pair.reversed])
            ]
            for dataset, attributes in self._attributes.items()
        }

    def at_source(self, dataset: str, labels: Tensor) -> Tensor:
        """Tells which images have the source's value of every attribute with a source, (B,) of bool, from (B, d)."""
        sources = [attribute.source for attribute in self._attributes[dataset] if attribute.source]
        held = [domain.holds(labels) for domain in sources]
        return torch.stack([*held, torch.ones(len(labels), dtype=torch.bool, device=labels.device)]).all(dim=0)

    def source_labels(self, dataset: str) -> Tensor:
        """Returns the labels of images at the source, (1, d); NaN of attributes without a source."""
        attributes = self._attributes[dataset]
        labels = torch.full((1, attributes[-1].part.stop), torch.nan)
        for attribute in attributes:
            if attribute.source:
                labels[:, attribute.part] = 0
                labels[:, attribute.source.position] = attribute.source.value
        return labels

    def routes(
        self, dataset: str, target: Tensor, source: Tensor | None, known: Collection[Arrow]
    ) -> Iterator[tuple[Tensor, Arrow]]:
        """Yields which images, (n,) of indices, go through which arrow, in order, until all have their target labels.

        Args:
            dataset: whose labels they are.
            target: (B, d); NaN is left as it is.
            source: (B, d), NaN where unknown, or None; what is unknown is taken for the configured source.
            known: the arrows that there are.

        Raises:
            ModelError: unknown labels without a configured source, or no arrows that lead from one domain to the other.
        """
        current = torch.full_like(target, torch.nan) if source is None else source
        for attribute in self._attributes[dataset]:
            before, after = current[:, attribute.part], target[:, attribute.part]
            asked = ~((before == after) | after.isnan()).all(dim=1)
            ways: dict[tuple[Arrow, ...], list[int]] = {}
            ends = zip(asked.tolist(), attribute.find(current), attribute.find(target), strict=True)
            for image, (changes, start, end) in enumerate(ends):
                if changes:
                    ways.setdefault(_way(attribute, start, end, known), []).append(image)
            for way, images in ways.items():
                for arrow in way:
                    yield torch.tensor(images, device=target.device), arrow


def images_of(arrows: Sequence[Arrow], labels: Tensor) -> list[list[Tensor]]:
    """Returns for each arrow the images of its two ends, as `Method.batches` gives them.

    Raises:
        DataError: an end has no images.
    """
    return [[_images(domain, labels) for domain in (arrow.source, arrow.target)] for arrow in arrows]


def _images(domain: Domain, labels: Tensor) -> Tensor:
    found = domain.holds(labels).nonzero().flatten()
    if not len(found):
        raise DataError(
            f"The dataset '{domain.dataset}' has no training image that is labelled {domain.name}, and the method trains "
            "a model for each pair of labels. Give it such images, or leave the label out."
        )
    return found


def _domains(schema: LabelSchema, part: slice) -> tuple[Domain, ...]:
    positions = range(part.start, part.stop)
    set_ = [Domain(schema.name, position, 1.0, schema.names[position]) for position in positions]
    if len(set_) > 1:
        return tuple(set_)
    return Domain(schema.name, part.start, 0.0, f"{set_[0].name}=0"), set_[0]


def _sources(space: LabelSpace, source: str) -> Iterator[tuple[tuple[str, int], Domain]]:
    """Yields for each configured source its attribute's dataset and place, and the domain."""
    seen: dict[tuple[str, int], Domain] = {}
    for text in filter(None, (part.strip() for part in source.split(","))):
        try:
            edit = space.resolve(text)
        except LabelError as error:
            raise ConfigError(f"method.source: {error}") from None
        schema, assigned = space.schema(edit.dataset), dict(edit.assignments)
        parts = [part for _, part in schema.parts if schema.names[part.start] in assigned]
        domains = [d for part in parts for d in _domains(schema, part) if assigned[schema.names[d.position]] == d.value]
        if not domains:
            raise ConfigError(f"method.source: '{text}' is no domain: name one label that is set.")
        place = (edit.dataset, parts[0].start)
        if place in seen:
            raise ConfigError(f"method.source: '{text}' and '{seen[place].name}' exclude each other: name one.")
        seen[place] = domains[0]
        yield place, domains[0]


def _way(attribute: Attribute, start: Domain | None, end: Domain | None, known: Collection[Arrow]) -> tuple[Arrow, ...]:
    """Returns the arrows from one domain to another: one, or two by way of the configured source."""
    names = ", ".join(domain.name for domain in attribute.domains)
    start = start or attribute.source
    if start is None:
        raise ModelError(
            f"A model for each pair of {names} has to know which of them the image is. Give its current label, or train "
            "with method.source, the one that images are translated from."
        )
    if end is None:
        raise ModelError(f"There is no model to anything but one of {names}. Name one of them.")
    if start == end:
        return ()
    middle = attribute.source
    direct = (Arrow(start, end),)
    ways = [direct] if middle is None else [direct, (Arrow(start, middle), Arrow(middle, end))]
    way = next((way for way in ways if all(arrow in known for arrow in way)), None)
    if way is None:
        raise ModelError(
            f"There is no model from {start.name} to {end.name}: the method was trained one way, from {middle.name}."
            if middle
            else f"There is no model from {start.name} to {end.name}."
        )
    return way
