"""The edits that a method trains on: labels of the images' own dataset, of another one, or of both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from stargan_fw import Batch
    from stargan_fw_registry import LabelSchema, LabelSpace


@dataclass(frozen=True)
class DatasetEdit:
    """What a batch of edits asks of the labels of one dataset.

    Attributes:
        labels: (B, d) from 0 to 1, what an image should show afterwards.
        given: (B,) of bool, whether the generator is told these labels: the dataset's mask bit.
        named: (B, d) of bool, the labels that the edit asks for. The others are the image's own, as known or as read from it.
    """

    labels: Tensor
    given: Tensor
    named: Tensor

    def cut(self, images: slice | Tensor) -> DatasetEdit:
        """Returns the edit of some of the images."""
        return DatasetEdit(self.labels[images], self.given[images], self.named[images])


@dataclass(frozen=True)
class TrainingEdits:
    """The edits of a batch.

    Attributes:
        space: the label space of all datasets.
        own: the dataset of the images.
        parts: by dataset, what the edits ask of its labels. Of a dataset that is not here, no edit gives labels.
    """

    space: LabelSpace
    own: str
    parts: Mapping[str, DatasetEdit]

    def unified(self) -> Tensor:
        """Returns c̃ (B, dim) of Eq. 7, with m as the set of the datasets whose labels are given."""
        given = self.parts[self.own].given
        unified = torch.zeros(len(given), self.space.dim, device=given.device)
        for dataset, part in self.parts.items():
            mask = part.given.to(unified.dtype)
            unified[:, self.space.slice(dataset)] = part.labels.to(unified.dtype) * mask[:, None]
            if self.space.mask_dim:
                unified[:, self.space.label_dim + self.space.datasets.index(dataset)] = mask
        return unified

    def backwards(self, current: Mapping[str, Tensor]) -> TrainingEdits:
        """Returns the edits that give labels of the same datasets, but those that the images had before.

        Args:
            current: by dataset, the images' labels (B, d).
        """
        parts = {dataset: replace(part, labels=current[dataset]) for dataset, part in self.parts.items()}
        return replace(self, parts=parts)

    def cut(self, images: slice | Tensor) -> TrainingEdits:
        """Returns the edits of some of the images."""
        return replace(self, parts={dataset: part.cut(images) for dataset, part in self.parts.items()})


@dataclass(frozen=True)
class LabelTable:
    """The labels that a dataset's images have, from which edits take theirs.

    Attributes:
        rows: (N, d), the labels of the images of which any is known; NaN if unknown.
        values: per attribute its distinct values (V, size), as far as they are known.
    """

    rows: Tensor
    values: Sequence[Tensor]

    @classmethod
    def of(cls, schema: LabelSchema, labels: Tensor) -> LabelTable:
        """Returns the table of a dataset's labels (N, d)."""
        known = known_attributes(schema, labels)
        values = [torch.unique(labels[known[:, part.start], part], dim=0) for _, part in schema.parts]
        return cls(labels[known.any(dim=1)], values)

    def to(self, device: torch.device) -> LabelTable:
        """Returns the table on a device."""
        return LabelTable(self.rows.to(device), [values.to(device) for values in self.values])


@dataclass(frozen=True)
class EditSampler:
    """Draws edits as people make them.

    An attribute is not asked for if the labels that are taken for it are unknown.

    Attributes:
        space: the label space of all datasets.
        across: the share of the edits that give labels of another dataset; half of these change the own labels, too.
        single: the share of the edits of own labels that change one attribute at most, to any of its values with equal chances, so
            that rare ones are learned as well. The others take all labels of another image.
    """

    space: LabelSpace
    across: float
    single: float

    def draw(self, batch: Batch, current: Mapping[str, Tensor], tables: Mapping[str, LabelTable]) -> TrainingEdits:
        """Draws one edit per image of a batch.

        Args:
            batch: the images and their own labels.
            current: by dataset, the images' labels (B, d), known or read, without NaN.
            tables: by dataset, the labels to take. No edit gives labels of another dataset whose table is empty or missing.
        """
        others = [
            name for name in self.space.datasets if name != batch.dataset and name in tables and len(tables[name].rows)
        ]
        chance = batch.draw(torch.rand) if others else torch.ones(len(batch.images), device=batch.images.device)
        own = self._own(batch, current[batch.dataset], tables.get(batch.dataset), changed=chance >= self.across / 2)
        parts = {batch.dataset: own}
        if others:
            name = others[int(torch.randint(len(others), ()))]
            wanted, given = _pick(tables[name].rows, batch.draw(torch.rand)), chance < self.across
            parts[name] = _change(self.space.schema(name), current[name], wanted, given, given[:, None])
        return TrainingEdits(self.space, batch.dataset, parts)

    def _own(self, batch: Batch, current: Tensor, table: LabelTable | None, changed: Tensor) -> DatasetEdit:
        """Returns the edit of the own labels: to those of another image, to one attribute of them, or to none."""
        schema, wanted = self.space.schema(batch.dataset), batch.shuffled_labels()
        single = changed & (batch.draw(torch.rand) < self.single)
        chosen = (batch.draw(torch.rand) * len(schema.parts)).long()
        place = batch.draw(torch.rand)
        asked = (changed & ~single)[:, None].repeat(1, schema.dim)
        for number, (_, part) in enumerate(schema.parts):
            if table is None or not len(table.values[number]):
                continue
            here = single & (chosen == number)
            wanted[:, part] = torch.where(here[:, None], _pick(table.values[number], place), wanted[:, part])
            asked[:, part] |= (here & (wanted[:, part] != current[:, part]).any(dim=1))[:, None]
        return _change(schema, current, wanted, changed, asked)


def _pick(rows: Tensor, chance: Tensor) -> Tensor:
    """Returns one of the rows (N, d) for each chance (B,), from 0 to less than 1: (B, d)."""
    return rows[(chance * len(rows)).long().clamp(max=len(rows) - 1)]  # rounding may reach N


def _change(schema: LabelSchema, current: Tensor, wanted: Tensor, given: Tensor, asked: Tensor) -> DatasetEdit:
    """Returns the edit of labels (B, d) to the wanted ones, as far as these are asked for, (B, d) of bool, and known."""
    named = asked & known_attributes(schema, wanted)
    return DatasetEdit(torch.where(named, wanted, current), given, named)


def label_weights(schema: LabelSchema, labels: Tensor) -> Tensor:
    """Returns what each label contributes to a projection, (B, d): -1 if not set, 1 if set.

    A value of a categorical attribute contributes 0 if not set, because another one is.

    Args:
        schema: the dataset's labels.
        labels: (B, d) from 0 to 1.
    """
    weights = 2 * labels - 1
    for attribute, part in schema.parts:
        if attribute.one_hot:
            weights[:, part] = labels[:, part]
    return weights


def soft_labels(schema: LabelSchema, logits: Tensor) -> Tensor:
    """Returns the labels that logits (B, d) read, with their certainty: (B, d) from 0 to 1."""
    labels = logits.float().sigmoid()
    for attribute, part in schema.parts:
        if attribute.one_hot:
            labels[:, part] = logits[:, part].float().softmax(dim=1)
    return labels


def known_attributes(schema: LabelSchema, labels: Tensor) -> Tensor:
    """Returns for labels (N, d) whether all labels of the same attribute are known: (N, d) of bool."""
    known = ~labels.isnan()
    for _, part in schema.parts:
        known[:, part] = known[:, part].all(dim=1, keepdim=True)
    return known


@dataclass(frozen=True)
class Reconstructions:
    """The images of a batch that are reconstructed: a share of the step's, on any number of ranks and micro-batches the same ones.

    Attributes:
        cycled: (B,) of bool, those that are edited and translated back.
        kept: (B,) of bool, those that are translated to what they are.
        weight: the number of images of the whole step for each reconstruction in it.
    """

    cycled: Tensor
    kept: Tensor
    weight: float

    @classmethod
    def choose(cls, batch: Batch, cycle: float, identity: float) -> Reconstructions:
        """Chooses images by their places in the step.

        Args:
            batch: this rank's images.
            cycle: the share to translate back.
            identity: the share to translate to what they are.
        """
        images = len(batch.images if batch.all_labels is None else batch.all_labels)
        everyone = torch.arange(images)
        places = everyone.to(batch.images.device) if batch.places is None else batch.places
        count = int(_spread(everyone, cycle).sum() + _spread(everyone, identity).sum())
        return cls(_spread(places, cycle), _spread(places, identity), images / max(count, 1))

    def cut(self, images: slice) -> Reconstructions:
        """Returns those of some of the images."""
        return Reconstructions(self.cycled[images], self.kept[images], self.weight)


def _spread(places: Tensor, share: float) -> Tensor:
    """Returns which places belong to a share of all places that is spread evenly over them."""
    return ((places + 1) * share + 0.5).floor() > (places * share + 0.5).floor()
