"""Turns edits into target labels, from current labels that the caller knows or the classifier reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import islice, repeat
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

from stargan_fw.errors import LabelError, ModelError
from stargan_fw_registry import Edit, quote_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from stargan_fw_registry import LabelSchema, LabelSpace

Current: TypeAlias = "str | Edit | Sequence[str | Edit] | None"


@dataclass(frozen=True, slots=True)
class Target:
    """One translation of every image.

    Attributes:
        edits: the edits to end at, one per dataset. The mask is the set of these datasets, whatever the strength.
        start: the edits to start from, of the same datasets; empty if the start is the image's current labels.
        strength: how far to go from the start to the end, from 0 to 1.
    """

    edits: tuple[Edit, ...]
    start: tuple[Edit, ...] = ()
    strength: float = 1.0

    @classmethod
    def make(cls, space: LabelSpace, to: str, start: str | None = None, strength: float = 1.0) -> Target:
        """Parses the edits.

        Raises:
            LabelError: an edit cannot be read, the edits are of different datasets, or the strength is outside of 0 to 1.
        """
        target = cls(space.resolve_all(to), () if start is None else space.resolve_all(start), float(strength))
        if (begins := [edit.dataset for edit in target.start]) not in ([], target.datasets):
            raise LabelError(
                f"'{start}' is of {' and '.join(begins)} and '{to}' of {' and '.join(target.datasets)}: name labels of the "
                "same datasets to mix them"
            )
        if not 0 <= target.strength <= 1:
            raise LabelError(f"the strength is {strength}: give a number from 0 (the labels as they are) to 1")
        return target

    @property
    def datasets(self) -> list[str]:
        """The datasets whose labels the edits name, in the order of the mask."""
        return [edit.dataset for edit in self.edits]

    def determines(self, schema: LabelSchema) -> Tensor:
        """Returns (d,) booleans: the target labels of one of the datasets that do not depend on the image."""
        edit, start = self._ends(schema.name)
        assigned = _assigned(schema, edit)
        return assigned if self.strength == 1 else assigned & _assigned(schema, start)

    def labels(self, space: LabelSpace, current: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Returns target labels (B, d) by dataset, for current labels of the same form; a strength below 1 gives fractions.

        Raises:
            ModelError: a label has to be flipped, and its current value is unknown.
        """
        return {dataset: self._labels(space.schema(dataset), current[dataset]) for dataset in self.datasets}

    def _labels(self, schema: LabelSchema, current: Tensor) -> Tensor:
        edit, start = self._ends(schema.name)
        for label in (*edit.relative, *(start.relative if start else ())):
            if current[:, schema.position(label)].isnan().any():
                low, high = (quote_name(label) + (schema.kinds[label].write(end) or "=1") for end in (0.0, 1.0))
                raise ModelError(
                    f"'{label}' cannot be changed from what it is: the model does not read that from a picture. Give its new "
                    f"value ({low} or {high}), or say what it is (--current)."
                )
        end = schema.edit(current, edit)
        begin = current if start is None else schema.edit(current, start)
        return end if self.strength == 1 else torch.lerp(begin, end, self.strength)

    def _ends(self, dataset: str) -> tuple[Edit, Edit | None]:
        number = self.datasets.index(dataset)
        return self.edits[number], self.start[number] if self.start else None


class CurrentEdits:
    """The current labels that the caller knows: one edit for all images, or one per image; an edit may be of several datasets.

    Raises:
        LabelError: an edit cannot be read, or flips a label instead of naming its value.
    """

    def __init__(self, space: LabelSpace, current: Current) -> None:
        self._edits: Iterator[tuple[Edit, ...]]
        if current is None or isinstance(current, str | Edit):
            self._edits = repeat(() if current is None else _parse_current(space, current))
        else:
            self._edits = iter([_parse_current(space, one) for one in current])

    def take(self, count: int) -> list[tuple[Edit, ...]]:
        """Returns the edits of the next images, at most one per dataset.

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


def _parse_current(space: LabelSpace, current: str | Edit) -> tuple[Edit, ...]:
    edits = space.resolve_all(current) if isinstance(current, str) else (current,)
    for label in (label for edit in edits for label in edit.relative):
        raise LabelError(f"'{current}' changes '{label}', and does not say what it is: give its value")
    return edits


class CurrentLabels:
    """The current labels of a batch: those that the caller knows, and the others as the model's classifier reads them.

    Args:
        space: the model's label space.
        known: for each image, the labels that the caller knows, at most one edit per dataset.
        read: takes a dataset's name; returns all labels of that dataset as the classifier reads them, (B, d).
    """

    def __init__(self, space: LabelSpace, known: Sequence[Sequence[Edit]], read: Callable[[str], Tensor]) -> None:
        self._space, self._known, self._read = space, known, cache(read)

    def of(self, target: Target) -> dict[str, Tensor]:
        """Returns the current labels (B, d) of each of the target's datasets. One that makes no difference may be NaN."""
        return {dataset: self._of(self._space.schema(dataset), target) for dataset in target.datasets}

    def _of(self, schema: LabelSchema, target: Target) -> Tensor:
        known = torch.full((len(self._known), schema.dim), float("nan"))
        for row, edits in enumerate(self._known):
            for edit in (edit for edit in edits if edit.dataset == schema.name):
                known[row : row + 1] = schema.edit(known[row : row + 1], edit)
        if (known.isnan() & ~target.determines(schema)).any():
            known = torch.where(known.isnan(), self._read(schema.name), known)
        return known


def _assigned(schema: LabelSchema, edit: Edit | None) -> Tensor:
    assigned = dict(edit.assignments) if edit else {}
    return torch.tensor([label in assigned for label in schema.names])
