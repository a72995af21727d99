"""Turns edits into target labels, from current labels that the caller knows or the classifier reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import islice, repeat
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
        edit: the edit to end at.
        start: the edit to start from; None starts from the image's current labels.
        strength: how far to go from the start to the end, from 0 to 1.
    """

    edit: Edit
    start: Edit | None = None
    strength: float = 1.0

    @classmethod
    def make(cls, space: LabelSpace, to: str, start: str | None = None, strength: float = 1.0) -> Target:
        """Parses the edits.

        Raises:
            LabelError: an edit cannot be read, the edits are of two datasets, or the strength is outside of 0 to 1.
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
        """Returns (d,) booleans: the target labels that do not depend on the image."""
        if self.strength == 1:
            return _assigned(schema, self.edit)
        if self.start is None:
            return torch.zeros(schema.dim, dtype=torch.bool)
        return _assigned(schema, self.edit) & _assigned(schema, self.start)

    def labels(self, space: LabelSpace, current: Tensor) -> Tensor:
        """Returns target labels (B, d) for current labels (B, d); a strength below 1 gives fractions.

        Raises:
            ModelError: a label has to be flipped, and its current value is unknown.
        """
        schema = space.schema(self.edit.dataset)
        for label in (*self.edit.flips, *(self.start.flips if self.start else ())):
            if current[:, schema.position(label)].isnan().any():
                raise ModelError(
                    f"'{label}' cannot be turned over: the model does not read from a picture what it is. Write "
                    f"{label}=0 or {label}=1, or say what it is (--current)."
                )
        end = space.edit(self.edit.dataset, current, self.edit)
        if self.strength == 1:
            return end
        begin = current if self.start is None else space.edit(self.edit.dataset, current, self.start)
        return torch.lerp(begin, end, self.strength)


class CurrentEdits:
    """The current labels that the caller knows: one edit for all images, or one per image.

    Raises:
        LabelError: an edit cannot be read, or flips a label instead of naming its value.
    """

    def __init__(self, space: LabelSpace, current: Current) -> None:
        self._edits: Iterator[Edit | None]
        if current is None or isinstance(current, str | Edit):
            self._edits = repeat(None if current is None else _parse_current(space, current))
        else:
            self._edits = iter([_parse_current(space, one) for one in current])

    def take(self, count: int) -> list[Edit | None]:
        """Returns the edits of the next images.

        Raises:
            LabelError: there are more images than current labels.
        """
        taken = list(islice(self._edits, count))
        if len(taken) < count:
            raise LabelError("there are more images than current labels: give one for each image, or one for all")
        return taken

    def check_end(self) -> None:
        """Raises LabelError if current labels are left over."""
        if not isinstance(self._edits, repeat) and next(self._edits, None) is not None:
            raise LabelError("there are more current labels than images: give one for each image, or one for all")


def _parse_current(space: LabelSpace, current: str | Edit) -> Edit:
    edit = space.resolve(current) if isinstance(current, str) else current
    if edit.flips:
        raise LabelError(f"'{current}' turns '{edit.flips[0]}' over, and does not say what it is: write 0 or 1")
    return edit


class CurrentLabels:
    """The current labels of a batch: those that the caller knows, and the others as the model's classifier reads them.

    Args:
        space: the model's label space.
        known: for each image, the labels that the caller knows; None if there are none.
        read: takes a dataset's name; returns all labels of that dataset as the classifier reads them, (B, d).
    """

    def __init__(self, space: LabelSpace, known: Sequence[Edit | None], read: Callable[[str], Tensor]) -> None:
        self._space, self._known, self._read = space, known, cache(read)

    def of(self, target: Target) -> Tensor:
        """Returns the current labels (B, d) of the target's dataset. A label that makes no difference may be NaN."""
        schema = self._space.schema(target.edit.dataset)
        known = torch.full((len(self._known), schema.dim), float("nan"))
        for row, edit in enumerate(self._known):
            if edit is not None and edit.dataset == schema.name:
                known[row : row + 1] = schema.edit(known[row : row + 1], edit)
        if (known.isnan() & ~target.determines(schema)).any():
            known = torch.where(known.isnan(), self._read(schema.name), known)
        return known


def _assigned(schema: LabelSchema, edit: Edit) -> Tensor:
    assigned = torch.zeros(schema.dim, dtype=torch.bool)
    for label, _ in edit.assignments:
        assigned[schema.position(label)] = True
    return assigned
