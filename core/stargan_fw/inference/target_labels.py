"""From edits to target labels, with current labels that the caller gives or the classifier reads."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

from stargan_fw.errors import LabelError, ModelError
from stargan_fw_registry import Edit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stargan_fw_registry import LabelSchema, LabelSpace

Current: TypeAlias = "str | Edit | Sequence[str | Edit] | None"


@dataclass(frozen=True, slots=True)
class Target:
    """One translation of every image.

    Attributes:
        edit: the labels to end at.
        start: the labels to start from; None starts from the image's own.
        strength: how far to go from the start to the end, 0 to 1.
    """

    edit: Edit
    start: Edit | None = None
    strength: float = 1.0

    @classmethod
    def make(cls, space: LabelSpace, to: str, start: str | None = None, strength: float = 1.0) -> Target:
        """Reads the edits.

        Raises:
            LabelError: an edit cannot be read, the two are of different datasets, or the strength is outside of 0 to 1.
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
        """Returns the target labels (B, d) of images with these current ones (B, d); part strength gives fractions.

        Raises:
            ModelError: a label is to be flipped, and its current value is not known.
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


class CurrentEdits:
    """Current labels as the caller writes them: one edit for all images, or one per image.

    Raises:
        LabelError: an edit cannot be read, or flips a label instead of giving its value.
    """

    def __init__(self, space: LabelSpace, current: Current) -> None:
        self._all: Edit | None = None
        self._each: Iterator[Edit] | None = None
        if isinstance(current, str | Edit):
            self._all = _parse_current(space, current)
        elif current is not None:
            self._each = iter([_parse_current(space, one) for one in current])

    def take(self, count: int) -> list[Edit | None]:
        """Returns the edits of the next images.

        Raises:
            LabelError: there are more images than current labels.
        """
        if self._each is None:
            return [self._all] * count
        taken: list[Edit | None] = list(islice(self._each, count))
        if len(taken) < count:
            raise LabelError("there are more images than current labels: give one for each image, or one for all")
        return taken

    def check_end(self) -> None:
        """Raises LabelError if current labels are left over."""
        if self._each is not None and next(self._each, None) is not None:
            raise LabelError("there are more current labels than images: give one for each image, or one for all")


def _parse_current(space: LabelSpace, current: str | Edit) -> Edit:
    edit = space.resolve(current) if isinstance(current, str) else current
    if edit.flips:
        raise LabelError(f"'{current}' turns '{edit.flips[0]}' over, and does not say what it is: write 0 or 1")
    return edit


class CurrentLabels:
    """The current labels of a batch: those that the caller gives, and the others as the model's classifier reads them.

    Args:
        space: the label space.
        given: for each image, the labels that the caller gives; None if there are none.
        read: reads all labels of a dataset, (B, d).
    """

    def __init__(self, space: LabelSpace, given: Sequence[Edit | None], read: Callable[[str], Tensor]) -> None:
        self._space, self._given, self._read = space, given, read
        self._seen: dict[str, Tensor] = {}

    def of(self, target: Target) -> Tensor:
        """Returns the labels (B, d) of the target's dataset. Unknown ones that make no difference are NaN."""
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
