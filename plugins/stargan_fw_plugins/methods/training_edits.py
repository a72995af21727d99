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
        labels: (B, d) from 0 to 1, what an image should show afterwards; NaN if unknown.
        given: (B,) of bool, whether the edit gives the dataset's labels, so that its mask bit is set.
        named: (B, d) of bool, the labels that the edit asks for; the others are those that the image has already.
    """

    labels: Tensor
    given: Tensor
    named: Tensor

    def cut(self, images: slice | Tensor) -> DatasetEdit:
        """Returns the edit of some of the images."""
        return DatasetEdit(self.labels[images], self.given[images], self.named[images])


@dataclass(frozen=True)
class TrainingEdits:
    """The edits of a batch, by dataset.

    Attributes:
        space: the label space of all datasets.
        parts: by dataset, those that the edits may give labels of.
    """

    space: LabelSpace
    parts: Mapping[str, DatasetEdit]

    def unified(self) -> Tensor:
        """Returns c̃ (B, dim) of Eq. 7, with m the set of the datasets whose labels are given; their unknown labels are 0."""
        first = next(iter(self.parts.values()))
        unified = first.labels.new_zeros((len(first.given), self.space.dim)).float()
        for dataset, part in self.parts.items():
            given = part.given.to(unified.dtype)[:, None]
            unified[:, self.space.slice(dataset)] = part.labels.nan_to_num() * given
            if self.space.mask_dim:
                unified[:, self.space.label_dim + self.space.datasets.index(dataset)] = given[:, 0]
        return unified

    def backwards(self, current: Mapping[str, Tensor]) -> TrainingEdits:
        """Returns the edits that give the same datasets' labels, with the values that the images had before.

        Args:
            current: by dataset, the labels (B, d) of the images, as far as they are known or read.
        """
        parts = {dataset: replace(part, labels=current[dataset]) for dataset, part in self.parts.items()}
        return replace(self, parts=parts)

    def cut(self, images: slice | Tensor) -> TrainingEdits:
        """Returns the edits of some of the images."""
        return replace(self, parts={dataset: part.cut(images) for dataset, part in self.parts.items()})


@dataclass(frozen=True)
class EditSampler:
    """Draws edits as people make them.

    Attributes:
        space: the label space of all datasets.
        across: the share of the edits that give labels of another dataset; half of these change the own labels, too.
        single: the share of the edits that change one attribute of the own labels; the others take all labels of another image.
    """

    space: LabelSpace
    across: float
    single: float

    def draw(self, batch: Batch, tables: Mapping[str, Tensor]) -> TrainingEdits:
        """Draws one edit per image of a batch.

        Args:
            batch: the images and their own labels.
            tables: by dataset, labels (N, d) of its training images.
        """
        others = [name for name in self.space.datasets if name != batch.dataset and len(tables.get(name, ()))]
        chance = batch.draw(torch.rand) if others else torch.ones(len(batch.images), device=batch.images.device)
        parts = {batch.dataset: self._own(batch, tables.get(batch.dataset), changed=chance >= self.across / 2)}
        if others:
            name = others[int(torch.randint(len(others), ()))]
            table = tables[name].to(batch.images.device)
            rows = (batch.draw(torch.rand) * len(table)).long().clamp(max=len(table) - 1)
            given = chance < self.across
            parts[name] = DatasetEdit(table[rows], given, given[:, None].expand_as(table[rows]))
        return TrainingEdits(self.space, parts)

    def _own(self, batch: Batch, table: Tensor | None, changed: Tensor) -> DatasetEdit:
        """Returns the edit of the own labels: those that another image has, or one attribute of them, or none."""
        schema, labels = self.space.schema(batch.dataset), batch.shuffled_labels()
        single = changed & (batch.draw(torch.rand) < self.single)
        chosen = (batch.draw(torch.rand) * len(schema.parts)).long()
        place = batch.draw(torch.rand)
        named = (changed & ~single)[:, None].expand_as(labels).clone()
        for number, (_, part) in enumerate(schema.parts):
            if table is None or not len(table):
                continue
            # Each value of the attribute is drawn as often as any other, so that rare ones are learned as well.
            values = table[:, part].unique(dim=0).to(labels.device)
            rows = values[(place * len(values)).long().clamp(max=len(values) - 1)]
            here = single & (chosen == number)
            labels[:, part] = torch.where(here[:, None], rows, labels[:, part])
            named[:, part] |= (here & (rows != batch.labels[:, part]).any(dim=1))[:, None]
        return DatasetEdit(torch.where(named, labels, batch.labels), changed, named)


def label_weights(schema: LabelSchema, labels: Tensor) -> Tensor:
    """Returns what each label contributes to a projection, (B, d): -1 to 1, or 0 if unknown.

    A value that is one of several contributes 1 if it is the image's, else 0. Other labels contribute -1 if not set and 1 if set.

    Args:
        schema: the dataset's labels.
        labels: (B, d) from 0 to 1, or NaN if unknown.
    """
    weights = 2 * labels - 1
    for attribute, part in schema.parts:
        if attribute.one_hot:
            weights[:, part] = labels[:, part]
    return weights.nan_to_num()


def soft_labels(schema: LabelSchema, logits: Tensor) -> Tensor:
    """Returns the labels that logits (B, d) read, with their certainty: (B, d) from 0 to 1."""
    labels = logits.float().sigmoid()
    for attribute, part in schema.parts:
        if attribute.one_hot:
            labels[:, part] = logits[:, part].float().softmax(dim=1)
    return labels


def known_rows(labels: Sequence[Sequence[float]] | Tensor) -> Tensor:
    """Returns the rows of labels (N, d) in which no label is unknown."""
    table = torch.as_tensor(labels)
    return table[~table.isnan().any(dim=1)]
