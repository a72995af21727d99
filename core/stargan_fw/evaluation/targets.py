"""What an evaluation translates: which images to which labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stargan_fw.errors import LabelError, closest
from stargan_fw_registry.edits import Edit, parse_edit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from stargan_fw_registry import LabelSchema, LabelValue


@dataclass(frozen=True)
class Target:
    """One label to set or to clear.

    Attributes:
        schema: of the dataset whose label it is.
        text: the edit, as `--to` takes it, without its dataset: "cat", "young=0".
        edit: what it determines.
        position: of the label in the dataset's vector.
        value: 1 where it sets the label, 0 where it clears it.
        change: what it changes, as `Counterfactual.counterfactual` takes it.
    """

    schema: LabelSchema
    text: str
    edit: Edit
    position: int
    value: float
    change: Mapping[str, LabelValue]

    @property
    def name(self) -> str:
        """Returns dataset and edit: "pets.cat"."""
        return f"{self.schema.name}.{self.text}"

    def among(self, labels: NDArray[np.float32], indices: Sequence[int]) -> list[int]:
        """Returns those of `indices` whose label is known and another: for the others there is nothing to do."""
        return [index for index in indices if labels[index, self.position] == 1 - self.value]

    def of(self, labels: Tensor) -> Tensor:
        """Returns the target labels (B, d) of current ones."""
        return self.schema.edit(labels, self.edit)

    def is_read(self, labels: Tensor) -> Tensor:
        """Tells which of labels (B, d) that were read say what was asked for, (B,)."""
        return labels[:, self.position] == self.value


def targets(schema: LabelSchema) -> list[Target]:
    """Returns every label of a dataset, to be set, and those that stand alone also to be cleared."""
    found = []
    for attribute, part in schema.parts:
        for label, name in zip(attribute.label_names, schema.names[part], strict=True):
            for value in (1.0, 0.0) if attribute.size == 1 else (1.0,):
                text = name if value else f"{name}=0"
                change = {label: bool(value)} if label in attribute.keys else {attribute.name: label}
                position = schema.position(name)
                edit = parse_edit(f"{schema.name}.{text}", [schema])
                found.append(Target(schema, text, edit, position, value, change))
    return found


def chosen(every: Iterable[Target], names: Sequence[str], schemas: Sequence[LabelSchema]) -> list[Target]:
    """Returns the named targets, or all where none is named.

    Args:
        every: the targets there are.
        names: edits of one label each, with or without their dataset.
        schemas: of all the datasets that they may name.

    Raises:
        LabelError: an edit that cannot be read, or that is not one of the targets.
    """
    there = list(every)
    if not names:
        return there
    edits = {text: parse_edit(text, schemas) for text in names}
    for text, edit in edits.items():
        if all((target.schema.name, target.edit) != (edit.dataset, edit) for target in there):
            known = [target.text for target in there]
            raise LabelError(f"'{text}' is not one label to set or clear; {closest(text, known)}")
    wanted = list(edits.values())
    return [target for target in there if target.edit in wanted]


def with_labels(
    schema: LabelSchema, labels: NDArray[np.float32], indices: Sequence[int], edit: Edit | None
) -> list[int]:
    """Returns those of `indices` that have what an edit of their dataset says; all where it is of another or None."""
    if edit is None or edit.dataset != schema.name:
        return list(indices)
    wanted = [(schema.position(label), value) for label, value in edit.assignments]
    return [index for index in indices if all(labels[index, position] == value for position, value in wanted)]
