"""Pairs of domains, for methods with one model per pair, and routes from one domain to another."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from stargan_fw.errors import ConfigError, DataError, LabelError, ModelError
from stargan_fw_registry import quote_name, split_quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from stargan_fw_registry import LabelSchema, LabelSpace


@dataclass(frozen=True, slots=True)
class Domain:
    """The images of a dataset that have one value of one attribute.

    Attributes:
        dataset: the dataset's name in the label space.
        position: the index of the deciding label in the dataset's label vector.
        value: the value of this label: 1, or 0 for images without a binary label.
        name: the edit that gives this value: "happy", "Male=0".
    """

    dataset: str
    position: int
    value: float
    name: str

    def contains(self, labels: Tensor) -> Tensor:
        """Returns which images are in the domain, (B,) of bool, from labels (B, d); an unknown label is in no domain."""
        return labels[:, self.position] == self.value


@dataclass(frozen=True, slots=True)
class Arrow:
    """One direction that a generator translates in."""

    source: Domain
    target: Domain

    @property
    def key(self) -> str:
        """The name of the arrow's networks; without dots, which separate modules in a state dict."""
        return f"{self.source.dataset}: {self.source.name} to {self.target.name}".replace("/", "//").replace(".", "/")

    @property
    def reversed(self) -> Arrow:
        return Arrow(self.target, self.source)


@dataclass(frozen=True, slots=True)
class DomainGroup:
    """The domains of one attribute, which exclude each other.

    Attributes:
        part: the attribute's slice of the dataset's label vector.
        domains: in label order.
        source: the domain that images are translated from; None means from every domain.
    """

    part: slice
    domains: tuple[Domain, ...]
    source: Domain | None

    def pairs(self) -> Iterator[Arrow]:
        """Yields the arrows from the source to every other domain, or one per two domains if there is no source."""
        if self.source is None:
            yield from (Arrow(*two) for two in combinations(self.domains, 2))
        else:
            yield from (Arrow(self.source, domain) for domain in self.domains if domain != self.source)

    def find(self, labels: Tensor) -> list[Domain | None]:
        """Returns each image's domain from labels (B, d); None if the label is unknown or fits no domain."""
        held = torch.stack([domain.contains(labels) for domain in self.domains], dim=1).tolist()
        return [
            next((domain for domain, contains in zip(self.domains, row, strict=True) if contains), None) for row in held
        ]


class DomainPairs:
    """All pairs of all attributes of all datasets.

    Attributes:
        pairs: dataset → its pairs, one per kind of batch.

    Args:
        space: the label space.
        source: the labels that images are translated from, as edits separated by commas ("neutral", "Male=0"). An
            attribute without such a label is translated from each of its values.

    Raises:
        ConfigError: a source is not a domain, or two are of one attribute; or a label is a number.
    """

    def __init__(self, space: LabelSpace, source: str) -> None:
        _refuse_numbers(space)
        chosen = dict(_parse_sources(space, source))
        self._attributes = {
            schema.name: [
                DomainGroup(part, domains, chosen.pop((schema.name, part.start), None))
                for _, part in schema.parts
                for domains in [_build_domains(schema, part)]
            ]
            for schema in space.schemas
        }
        self.pairs: Mapping[str, Sequence[Arrow]] = {
            dataset: [pair for attribute in attributes for pair in attribute.pairs()]
            for dataset, attributes in self._attributes.items()
        }

    def one_way_arrows(self) -> dict[str, list[Arrow]]:
        """Returns dataset → arrows: from the source if an attribute has one, else both directions of each pair."""
        return {
            dataset: [
                arrow
                for attribute in attributes
                for pair in attribute.pairs()
                for arrow in ([pair] if attribute.source else [pair, pair.reversed])
            ]
            for dataset, attributes in self._attributes.items()
        }

    def has_source(self, dataset: str, labels: Tensor) -> Tensor:
        """Returns which images are in the source of every attribute with a source, (B,) of bool, from labels (B, d)."""
        sources = [attribute.source for attribute in self._attributes[dataset] if attribute.source]
        held = [domain.contains(labels) for domain in sources]
        return torch.stack([*held, torch.ones(len(labels), dtype=torch.bool, device=labels.device)]).all(dim=0)

    def source_labels(self, dataset: str) -> Tensor:
        """Returns the labels of images at the source, (1, d); NaN for attributes without a source."""
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
        """Yields in order which images, as indices (n,), go through which arrow, until all have their target labels.

        Args:
            dataset: the dataset that the labels are of.
            target: (B, d); a label that is NaN stays as it is.
            source: the current labels, (B, d), NaN if unknown, or None; an image with an unknown label counts as one
                of the configured source.
            known: the arrows that have a model.

        Raises:
            ModelError: a label is unknown and no source is configured, or no arrows lead from one domain to the other.
        """
        current = torch.full_like(target, torch.nan) if source is None else source
        for attribute in self._attributes[dataset]:
            before, after = current[:, attribute.part], target[:, attribute.part]
            changing = ~((before == after) | after.isnan()).all(dim=1)
            images_by_route: dict[tuple[Arrow, ...], list[int]] = {}
            ends = zip(changing.tolist(), attribute.find(current), attribute.find(target), strict=True)
            for image, (changes, start, end) in enumerate(ends):
                if changes:
                    images_by_route.setdefault(_find_route(attribute, start, end, known), []).append(image)
            for route, images in images_by_route.items():
                for arrow in route:
                    yield torch.tensor(images, device=target.device), arrow


def _refuse_numbers(space: LabelSpace) -> None:
    for schema in space.schemas:
        for name in (attribute.name for attribute in schema.attributes if attribute.continuous):
            raise ConfigError(
                f"The label '{schema.name}.{name}' is a number, and this method trains a model for each two values of a label. "
                "Leave the label out, or train one model for all values: --preset stargan_64"
            )


def image_indices(arrows: Sequence[Arrow], labels: Tensor) -> list[list[Tensor]]:
    """Returns per arrow the indices of the images of its two domains, for `Method.batches`.

    Raises:
        DataError: a domain has no images.
    """
    return [[_indices(domain, labels) for domain in (arrow.source, arrow.target)] for arrow in arrows]


def _indices(domain: Domain, labels: Tensor) -> Tensor:
    found = domain.contains(labels).nonzero().flatten()
    if not len(found):
        raise DataError(
            f"The dataset '{domain.dataset}' has no training image that is labelled {domain.name}, and the method trains "
            "a model per pair of labels. Add such images, or leave the label out."
        )
    return found


def _build_domains(schema: LabelSchema, part: slice) -> tuple[Domain, ...]:
    positions = range(part.start, part.stop)
    positive = [Domain(schema.name, position, 1.0, quote_name(schema.names[position])) for position in positions]
    if len(positive) > 1:
        return tuple(positive)
    return Domain(schema.name, part.start, 0.0, f"{positive[0].name}=0"), positive[0]


def _parse_sources(space: LabelSpace, source: str) -> Iterator[tuple[tuple[str, int], Domain]]:
    """Yields each configured source as the dataset and start of its attribute, and the domain."""
    seen: dict[tuple[str, int], Domain] = {}
    known = {name for schema in space.schemas for name in schema.names}
    texts = [quote_name(source)] if source in known else split_quoted(source)
    for text in filter(None, map(str.strip, texts)):
        try:
            edit = space.resolve(text)
        except LabelError as error:
            raise ConfigError(f"method.source: {error}") from None
        schema, assigned = space.schema(edit.dataset), dict(edit.assignments)
        parts = [part for _, part in schema.parts if schema.names[part.start] in assigned]
        domains = [
            d for part in parts for d in _build_domains(schema, part) if assigned[schema.names[d.position]] == d.value
        ]
        if not domains:
            raise ConfigError(f"method.source: '{text}' is not a domain. Name one label that is set.")
        place = (edit.dataset, parts[0].start)
        if place in seen:
            raise ConfigError(f"method.source: '{text}' and '{seen[place].name}' exclude each other. Name one of them.")
        seen[place] = domains[0]
        yield place, domains[0]


def _find_route(
    attribute: DomainGroup, start: Domain | None, end: Domain | None, known: Collection[Arrow]
) -> tuple[Arrow, ...]:
    """Returns the arrows from one domain to another: one, or two through the configured source."""
    names = ", ".join(domain.name for domain in attribute.domains)
    start = start or attribute.source
    if start is None:
        raise ModelError(
            f"The current label of the image is unknown, and there is a model per pair of {names}. Give its current label, "
            "or train with method.source, the label that images are translated from."
        )
    if end is None:
        raise ModelError(f"There is no model to anything but one of {names}. Translate to one of them.")
    if start == end:
        return ()
    middle = attribute.source
    direct = (Arrow(start, end),)
    candidates = [direct] if middle is None else [direct, (Arrow(start, middle), Arrow(middle, end))]
    route = next((route for route in candidates if all(arrow in known for arrow in route)), None)
    if route is None:
        raise ModelError(
            f"There is no model from {start.name} to {end.name}: the method was trained one way, from {middle.name}. Name a label that it "
            "was trained for."
            if middle
            else f"There is no model from {start.name} to {end.name}. Name a label that it was trained for."
        )
    return route
