"""What an edit asks of images whose labels are known or read, in full or in part, from one edit to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from stargan_fw.errors import LabelError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stargan_fw_registry import Edit, LabelSchema, LabelSpace


@dataclass(frozen=True, slots=True)
class Target:
    """One translation of every image.

    Attributes:
        edit: where it leads.
        start: where it starts; None is the image's own labels.
        strength: how far it goes from the start, 0 to 1.
    """

    edit: Edit
    start: Edit | None = None
    strength: float = 1.0

    @classmethod
    def make(cls, space: LabelSpace, to: str, start: str | None = None, strength: float = 1.0) -> Target:
        """Reads the edits.

        Raises:
            LabelError: an edit that cannot be read, two of different datasets, or a strength outside of 0 to 1.
        """
        edit = space.resolve(to)
        begin = None if start is None else space.resolve(start)
        if begin is not None and begin.dataset != edit.dataset:
            raise LabelError(
                f"'{start}' is of {begin.dataset} and '{to}' of {edit.dataset}: labels can be mixed within one dataset"
            )
        if not 0 <= strength <= 1:
            raise LabelError(f"the strength is {strength}: give a number from 0 (the labels as they are) to 1")
        return cls(edit, begin, float(strength))

    def determines(self, schema: LabelSchema) -> Tensor:
        """Returns (dim,) booleans: the labels that do not depend on the image."""
        known = torch.zeros(schema.dim, dtype=torch.bool)
        if self.strength == 1:
            return _set(known, schema, self.edit)
        if self.start is None:
            return known
        return _set(known.clone(), schema, self.edit) & _set(known, schema, self.start)

    def labels(self, space: LabelSpace, current: Tensor) -> Tensor:
        """Returns the target labels (B, d) of images whose own are (B, d): between 0 and 1 at part of the strength.

        Raises:
            ModelError: a label is to be turned over, and what it is now is not known.
        """
        schema = space.schema(self.edit.dataset)
        for label in (*self.edit.flips, *(self.start.flips if self.start else ())):
            if current[:, schema.position(label)].isnan().any():
                raise ModelError(
                    f"'{label}' cannot be turned over: the model does not read from a picture what it is. Write {label}=0 "
                    f"or {label}=1, or say what it is (--current)."
                )
        end = space.edit(self.edit.dataset, current, self.edit)
        if self.strength == 1:
            return end
        begin = current if self.start is None else space.edit(self.edit.dataset, current, self.start)
        return torch.lerp(begin, end, self.strength)


class CurrentLabels:
    """The labels of a batch: those that the caller gives, and the others as the model's classifier reads them.

    Args:
        space: the label space.
        given: what is known of each image, as edits; empty where nothing is.
        read: reads all labels of a dataset, (B, d).
    """

    def __init__(self, space: LabelSpace, given: Sequence[Edit | None], read: Callable[[str], Tensor]) -> None:
        self._space, self._given, self._read = space, given, read
        self._seen: dict[str, Tensor] = {}

    def of(self, target: Target) -> Tensor:
        """Returns the labels (B, d) of the target's dataset; NaN where they are not known and make no difference."""
        schema = self._space.schema(target.edit.dataset)
        known = torch.full((len(self._given), schema.dim), float("nan"))
        for row, edit in enumerate(self._given):
            if edit is not None and edit.dataset == schema.name:
                known[row : row + 1] = schema.edit(known[row : row + 1], edit)
        if (known.isnan() & ~target.determines(schema)).any():
            known = torch.where(known.isnan(), self._classified(schema.name), known)
        return known

    def _classified(self, dataset: str) -> Tensor:
        if dataset not in self._seen:
            self._seen[dataset] = self._read(dataset)
        return self._seen[dataset]


def _set(known: Tensor, schema: LabelSchema, edit: Edit) -> Tensor:
    for label, _ in edit.assignments:
        known[schema.position(label)] = True
    return known
