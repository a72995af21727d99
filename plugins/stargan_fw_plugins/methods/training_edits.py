"""The edits that a method trains on: labels of the images' own dataset, or of another one."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from stargan_fw import Batch
    from stargan_fw_registry import LabelSchema, LabelSpace


RARE = 0.02  # a label that so few images with a value have, or fewer (by Laplace's rule of succession), contradicts the value


@dataclass(frozen=True)
class DatasetEdit:
    """What a batch of edits asks of the labels of one dataset.

    Attributes:
        labels: (B, d) from 0 to 1, what the generator is told: the labels that the edit asks for, and the image's own as known or
            as read from it.
        given: (B,) of bool, whether the generator is told these labels: the dataset's mask bit.
        named: (B, d) of bool, the labels that the edit asks for, and those that follow from them.
        result: (B, d) from 0 to 1, what an image should show afterwards: `labels` with what follows from the edit.
    """

    labels: Tensor
    given: Tensor
    named: Tensor
    result: Tensor

    def cut(self, images: slice | Tensor) -> DatasetEdit:
        """Returns the edit of some of the images."""
        return DatasetEdit(self.labels[images], self.given[images], self.named[images], self.result[images])


@dataclass(frozen=True)
class TrainingEdits:
    """The edits of a batch.

    Attributes:
        space: the label space of all datasets.
        own: the dataset of the images.
        parts: by dataset, what the edits ask of its labels. Of a dataset that is not here, no edit gives labels.
        judged: (B,) of bool, the edits that the discriminator learns from: those that give labels of the own dataset alone. All,
            if every edit gives labels of another one.
        weight: what makes the mean over these the same on any number of ranks, 1 on one: their share among this rank's edits,
            relative to the share among the step's.
    """

    space: LabelSpace
    own: str
    parts: Mapping[str, DatasetEdit]
    judged: Tensor
    weight: float = 1.0

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
        parts = {
            dataset: replace(part, labels=current[dataset], result=current[dataset])
            for dataset, part in self.parts.items()
        }
        return replace(self, parts=parts)

    def cut(self, images: slice | Tensor) -> TrainingEdits:
        """Returns the edits of some of the images."""
        parts = {dataset: part.cut(images) for dataset, part in self.parts.items()}
        return replace(self, parts=parts, judged=self.judged[images])


@dataclass(frozen=True)
class LabelTable:
    """The labels that a dataset's images have, from which edits take theirs.

    All values of all attributes stand in one table, so that an edit of any attribute is looked up at once, however many there are.

    Attributes:
        schema: the dataset's labels.
        rows: (N, d), the labels of the images of which any is known; NaN if unknown.
        parts: (A, d) of bool, the labels of each attribute.
        compared: (A, d), the same in numbers, and 0 for the labels of attributes that are numbers.
        first: (A,), the place of each attribute's first value in the following tables.
        sizes: (A,), the number of its values, as far as they are known.
        values: (V, d), an attribute's labels for each value, and 0 for the labels of others. The last row is of no attribute.
        shares: (V, d), of the images with each value, the share that has each label.
        counts: (V, d), the number of images with each value of which the label is known; 0 if the attribute is a number.
        usual: (V, d), each attribute's most frequent labels among the images with the value.
    """

    schema: LabelSchema
    rows: Tensor
    parts: Tensor
    compared: Tensor
    first: Tensor
    sizes: Tensor
    values: Tensor
    shares: Tensor
    counts: Tensor
    usual: Tensor

    @classmethod
    def of(cls, schema: LabelSchema, labels: Tensor) -> LabelTable:
        """Returns the table of a dataset's labels (N, d)."""
        known = known_attributes(schema, labels)
        parts = torch.zeros(len(schema.parts), schema.dim, dtype=torch.bool)
        for number, (_, part) in enumerate(schema.parts):
            parts[number, part] = True
        numbers = torch.tensor([attribute.continuous for attribute, _ in schema.parts])
        whole = labels.where(known, torch.nan)
        tables = [_count(whole, part, attribute.continuous) for attribute, part in schema.parts]
        sizes = torch.tensor([len(values) for values, _, _ in tables])
        values, sums, counts = (
            torch.cat([*column, labels.new_zeros(1, schema.dim)]) for column in zip(*tables, strict=True)
        )
        shares = sums / counts.clamp(min=1)
        return cls(
            schema,
            labels[known.any(dim=1)],
            parts,
            compared=(parts & ~numbers[:, None]).to(labels),
            first=sizes.cumsum(0) - sizes,
            sizes=sizes,
            values=values,
            shares=shares,
            counts=counts,
            usual=_likeliest(schema, shares),
        )

    def to(self, device: torch.device) -> LabelTable:
        """Returns the table on a device."""
        if self.rows.device == device:
            return self
        moved = {field.name: getattr(self, field.name).to(device) for field in fields(self) if field.name != "schema"}
        return replace(self, **moved)

    def contradicted(self, value: Tensor, labels: Tensor) -> Tensor:
        """Returns which labels hardly any image has together with a value of an attribute.

        Args:
            value: (B,), the rows of the values.
            labels: (B, d), 0 or 1.

        Returns:
            (B, d) of bool, the same for all labels of an attribute.
        """
        shares, belongs = self.shares[value], self.compared.T
        chance = (labels * shares) @ belongs + (1 - labels @ belongs) * (1 - shares @ belongs)
        counts = self.counts[value] @ belongs / belongs.sum(0).clamp(min=1)
        rare = (chance * counts + 1) / (counts + 2) < RARE
        return rare.to(belongs) @ self.compared > 0


@dataclass(frozen=True)
class EditSampler:
    """Draws edits as people make them.

    An attribute is not asked for if the labels that are taken for it are unknown. An edit of one attribute may contradict a label
    that it does not name: if only old people have grey hair, the edit "not young" of somebody with black hair does. What hardly any
    image has together with the new value then follows from the edit, and becomes what most images with that value have. A critic
    cannot say what else an image should look like, as it has seen none.

    Attributes:
        space: the label space of all datasets.
        across: the share of the edits that give labels of another dataset instead of the own labels.
        single: the share of the edits of a dataset's labels that change one attribute at most, to any of its values with equal chances,
            so that rare ones are learned as well. The others take all labels of an image.
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
        own = batch.dataset
        others = [name for name in self.space.datasets if name != own and name in tables and len(tables[name].rows)]
        images = len(batch.labels if batch.all_labels is None else batch.all_labels)  # of the step, on all ranks
        everyones = (torch.rand if others else torch.ones)(images, device=batch.images.device)
        chance = everyones if batch.places is None else everyones[batch.places]
        table = tables.get(own) or LabelTable.of(self.space.schema(own), current[own][:0])
        parts = {own: self._edit(batch, table, current[own], batch.shuffled_labels(), chance >= self.across)}
        if others:
            name = others[int(torch.randint(len(others), ()))]
            wanted = _pick(tables[name].rows, batch.draw(torch.rand))
            parts[name] = self._edit(batch, tables[name], current[name], wanted, chance < self.across)
        alone, share = chance >= self.across, (everyones >= self.across).float().mean().item()
        if alone.any():
            return TrainingEdits(self.space, own, parts, alone, alone.float().mean().item() / share)
        return TrainingEdits(self.space, own, parts, ~alone, 0.0 if share else 1.0)

    def _edit(self, batch: Batch, table: LabelTable, current: Tensor, wanted: Tensor, given: Tensor) -> DatasetEdit:
        """Returns the edit of the labels of one dataset: to those wanted, to a value of one attribute, or to none.

        Args:
            batch: the images.
            table: the labels that the dataset's images have.
            current: (B, d), the images' labels.
            wanted: (B, d), the labels that an edit of all labels gives; NaN if unknown.
            given: (B,) of bool, whether an edit gives labels.
        """
        single = given & (batch.draw(torch.rand) < self.single)
        chosen = (batch.draw(torch.rand) * len(table.schema.parts)).long()
        place = (batch.draw(torch.rand) * table.sizes[chosen]).long()
        value = table.first[chosen] + place.clamp(
            max=table.sizes[chosen] - 1
        )  # rounding may reach the next attribute's
        one = table.parts[chosen] & (single & (table.sizes[chosen] > 0))[:, None]
        wanted = torch.where(one, table.values[value], wanted)
        changed = (one & (wanted != current)).any(dim=1, keepdim=True)
        follows = changed & ~one & table.contradicted(value, _likeliest(table.schema, current))
        named = ((given & ~single)[:, None] | (one & changed)) & known_attributes(table.schema, wanted)
        return DatasetEdit(
            labels=torch.where(named, wanted, current),
            given=given,
            named=named | follows,
            result=torch.where(named, wanted, torch.where(follows, table.usual[value], current)),
        )


def _count(labels: Tensor, part: slice, is_number: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the values of an attribute, and by value the sums of all labels and the numbers of images that they are known of.

    Args:
        labels: (N, d), NaN if unknown.
        part: the attribute's labels.
        is_number: whether the attribute is a number, of which each value has too few images to be counted.

    Returns:
        Three of (V, d).
    """
    own, rows = torch.unique(labels[:, part].nan_to_num(-1.0), dim=0, return_inverse=True)
    known = (own >= 0).all(dim=1)
    values, nothing = labels.new_zeros(len(own), labels.shape[1]), labels.new_zeros(len(own), labels.shape[1])
    values[:, part] = own
    if is_number:
        return values[known], nothing[known], nothing[known]
    sums = nothing.index_add(0, rows, labels.nan_to_num(0.0))
    counts = nothing.index_add(0, rows, (~labels.isnan()).to(labels))
    return values[known], sums[known], counts[known]


def _likeliest(schema: LabelSchema, shares: Tensor) -> Tensor:
    """Returns for how likely each label is set, (N, d), the likeliest labels, 0 or 1."""
    labels = (shares > 0.5).to(shares)
    for attribute, part in schema.parts:
        if attribute.size > 1:
            none = torch.zeros_like(shares[:, :1]) if attribute.one_hot else 1 - shares[:, part].sum(1, keepdim=True)
            likeliest = torch.cat([shares[:, part], none], dim=1).argmax(dim=1)
            labels[:, part] = torch.nn.functional.one_hot(likeliest, attribute.size + 1)[:, :-1].to(shares)
    return labels


def _pick(rows: Tensor, chance: Tensor) -> Tensor:
    """Returns one of the rows (N, d) for each chance (B,), from 0 to less than 1: (B, d)."""
    return rows[(chance * len(rows)).long().clamp(max=len(rows) - 1)]  # rounding may reach N


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
