"""The position of every label of every dataset in the unified label c̃ = [c_1, …, c_n, m] (Eq. 7).

Other code never slices the unified label by hand. Importing this module does not import torch.
"""

from __future__ import annotations

import builtins  # LabelSpace.slice hides the builtin in annotations
import itertools
import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from stargan_fw_registry.attribute import Move
from stargan_fw_registry.attributes import Attribute, LabelValue
from stargan_fw_registry.edits import Edit, parse_edit, parse_edits
from stargan_fw_registry.json_checks import read_fields, read_list
from stargan_fw_registry.label_errors import LabelError
from stargan_fw_registry.names import RESERVED, check_distinct, check_name, closest, compose, quote_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor


@dataclass(frozen=True)
class _Target:
    """What a key of an edit names: one position of an attribute, or the attribute itself if `position` is None."""

    attribute: Attribute
    offset: int
    position: int | None


@dataclass(frozen=True)
class LabelSchema:
    """The labels of one dataset: the attributes one after another in a vector of `dim` positions.

    Args:
        name: the dataset's name.
        attributes: at least one, in the order of the vector.

    Raises:
        LabelError: the name is not valid, there are no attributes, or two of them read the same key of an example.
    """

    name: str
    attributes: Sequence[Attribute]

    def __post_init__(self) -> None:
        check_name(self.name, "the name of a dataset", RESERVED)
        object.__setattr__(self, "attributes", tuple(self.attributes))
        if not self.attributes:
            raise LabelError(f"dataset {self.name!r} has no attributes: give at least one")
        for attribute in self.attributes:
            if not isinstance(attribute, Attribute):
                raise LabelError(f"dataset {self.name!r}: give an Attribute, not {attribute!r}")
        keys = itertools.chain.from_iterable(attribute.keys for attribute in self.attributes)
        check_distinct(keys, f"labels of dataset {self.name!r}")
        groups = [attribute.name for attribute, part in self.parts if attribute.name not in self.names[part]]
        check_distinct([*self.names, *groups], f"labels of dataset {self.name!r}, with those of its attributes")

    @property
    def dim(self) -> int:
        """The length of this dataset's label vector."""
        return len(self.names)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The unique name of each position: the label's own, or "attribute.label" if that name has another use too."""
        uses = Counter(itertools.chain.from_iterable(attribute.edit_names for attribute in self.attributes))
        return tuple(
            label if uses[label] == 1 else qualified
            for attribute in self.attributes
            for label, qualified in zip(attribute.label_names, attribute.qualified_names, strict=True)
        )

    @cached_property
    def parts(self) -> tuple[tuple[Attribute, slice], ...]:
        """Each attribute with its slice of this dataset's label vector."""
        starts = itertools.accumulate((attribute.size for attribute in self.attributes), initial=0)
        return tuple((a, slice(start, start + a.size)) for a, start in zip(self.attributes, starts, strict=False))

    def encode(self, labels: Mapping[str, LabelValue]) -> list[float]:
        """Returns one example's labels as `dim` numbers from 0 to 1, or NaN for a label that is None or missing.

        Raises:
            LabelError: no attribute reads one of the keys, or an attribute does not have the value given.
        """
        self.check_keys(labels)
        return [value for attribute in self.attributes for value in attribute.encode(labels)]

    def check_keys(self, labels: Mapping[str, LabelValue]) -> None:
        """Raises LabelError if no attribute reads one of the keys."""
        for key in labels:
            if key not in self._keys:
                raise LabelError(f"dataset {self.name!r} has no label {key!r}; {closest(key, self._keys)}")

    def edit(self, labels: Tensor, edit: str | Edit) -> Tensor:
        """Returns a copy of `labels` (B, dim) with `edit` applied; all other labels keep their values, NaN included.

        Raises:
            LabelError: the edit cannot be read or is of another dataset, or the shape is wrong.
        """
        check_shape(labels, self.dim, f"labels of {self.name!r}")
        resolved = edit if isinstance(edit, Edit) else parse_edit(edit, [self])
        if resolved.dataset != self.name:
            raise LabelError(f"the edit is of dataset {resolved.dataset!r}: name labels of {self.name!r}")
        edited = labels.clone()
        for label, value in resolved.assignments:
            edited[:, self.position(label)] = value
        for label, (factor, summand) in (*((label, Move(-1, 1)) for label in resolved.flips), *resolved.moves):
            edited[:, self.position(label)] = (factor * labels[:, self.position(label)] + summand).clamp(0, 1)
        return edited

    def known(self, labels: Sequence[float]) -> Edit:
        """Returns the edit that assigns each of `labels` (dim,) that is not NaN."""
        named = zip(self.names, map(float, labels), strict=True)
        return Edit(self.name, tuple((name, value) for name, value in named if not math.isnan(value)))

    @cached_property
    def kinds(self) -> dict[str, Attribute]:
        """The attribute of each of `names`."""
        return {label: attribute for attribute, part in self.parts for label in self.names[part]}

    def named(self, edit: Edit) -> dict[str, float]:
        """Returns the labels to which an edit gives a value, without those that this clears, such as other hair colours."""
        values = dict(edit.assignments)
        named: dict[str, float] = {}
        for _, part in self.parts:
            given = {label: values[label] for label in self.names[part] if label in values}
            named |= {label: value for label, value in given.items() if value} or given
        return named

    def write(self, edit: Edit) -> list[str]:
        """Returns the parts of an edit as texts that can be read again: ["Blond_Hair", "Male=0", "age+20"]."""
        kinds = self.kinds
        ends = {label: kinds[label].write(value) for label, value in self.named(edit).items()}
        ends |= dict.fromkeys(edit.flips, "=flip")
        ends |= {label: kinds[label].write_move(move) for label, move in edit.moves if move.summand or move.factor == 1}
        return [quote_name(label) + end for label, end in ends.items()]

    def position(self, label: str) -> int:
        """Returns the index of `label` in `names`, and raises LabelError if there is no such label."""
        if label not in self.names:
            raise LabelError(f"dataset {self.name!r} has no label {label!r}; {closest(label, self.names)}")
        return self.names.index(label)

    def decode(self, logits: Tensor) -> Tensor:
        """Returns the labels, 0 or 1 (or between if continuous) in float32 of shape (B, dim), for logits of that shape."""
        check_shape(logits, self.dim, f"logits of {self.name!r}")
        labels = logits.new_zeros(logits.shape).float()
        for attribute, part in self.parts:
            labels[:, part] = attribute.decode(logits[:, part])
        return labels

    @property
    def edit_keys(self) -> tuple[str, ...]:
        """The names that an edit can use: every label and every attribute."""
        return tuple(self._targets)

    def resolve_key(self, key: str) -> tuple[str, ...]:
        """Returns the edit keys that `key` may stand for: itself, or every "attribute.key" if several labels share it."""
        if key in self._targets:
            return (key,)
        labels = zip(self.names, (label for a in self.attributes for label in a.label_names), strict=True)
        sharing = tuple(name for name, label in labels if label == key != name)
        return sharing or tuple(known for known in self._targets if compose(known) == compose(key))

    def assign(self, key: str, value: str | None) -> dict[str, Move]:
        """Returns how each label moves that `key=value` changes; `value` is None if there is no `=`."""
        target = self._targets[key]
        return self._named(target, target.attribute.change(target.position, value))

    def shift(self, key: str, amount: str) -> dict[str, Move]:
        """Returns how each label moves that `key+amount` or `key-amount` changes; the amount begins with its sign."""
        target = self._targets[key]
        return self._named(target, {0: target.attribute.shift(amount)})

    def _named(self, target: _Target, moves: Mapping[int, Move]) -> dict[str, Move]:
        return {self.names[target.offset + position]: move for position, move in moves.items()}

    def flip(self, label: str) -> str:
        """Returns `label`, one of `names`, if it is binary, and raises LabelError if it cannot be flipped."""
        attribute = self._targets[label].attribute
        if attribute.continuous:
            raise LabelError(
                f"{label!r} cannot be flipped, since it is a number: write it as '{label}{attribute.write(0.5)}'"
            )
        if attribute.size > 1:
            raise LabelError(
                f"{label!r} cannot be flipped, since it is one of {attribute.name!r}: name another of them"
            )
        return label

    def to_dict(self) -> dict[str, object]:
        """Returns the name and the attributes as a JSON object."""
        return {"name": self.name, "attributes": [attribute.to_dict() for attribute in self.attributes]}

    @classmethod
    def from_dict(cls, document: object) -> LabelSchema:
        """Returns the schema that `to_dict` described.

        Raises:
            LabelError: a key is missing, unknown, or has a value of the wrong type.
        """
        fields = read_fields(document, ("name", "attributes"), "dataset of a label space")
        attributes = read_list(fields["attributes"], f"attributes of dataset {fields['name']!r}")
        return cls(fields["name"], [Attribute.from_dict(attribute) for attribute in attributes])

    @cached_property
    def _keys(self) -> dict[str, None]:
        """The keys that an example can have, in order."""
        return dict.fromkeys(key for attribute in self.attributes for key in attribute.keys)

    @cached_property
    def _targets(self) -> dict[str, _Target]:
        targets = {a.name: _Target(a, part.start, None) for a, part in self.parts}
        for attribute, part in self.parts:
            for position, name in enumerate(self.names[part]):
                targets[name] = _Target(attribute, part.start, position)
        return targets


@dataclass(frozen=True)
class LabelSpace:
    """The labels of all datasets and the mask that says whose labels are given.

    The unified label holds the labels of every dataset, in order, and then one mask position per dataset. With a
    single dataset there is no mask (Sec. 3.1).

    Args:
        schemas: the labels of each dataset, at least one, with distinct names.

    Raises:
        LabelError: there are no datasets, or two have the same name.
    """

    schemas: Sequence[LabelSchema]

    def __post_init__(self) -> None:
        object.__setattr__(self, "schemas", tuple(self.schemas))
        if not self.schemas:
            raise LabelError("a label space has no datasets: give at least one")
        check_distinct(self.datasets, "datasets of a label space")

    @property
    def datasets(self) -> tuple[str, ...]:
        """The name of each dataset, in the order of the mask."""
        return tuple(schema.name for schema in self.schemas)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each label with its dataset's as a prefix, in order; each is a valid edit."""
        return tuple(f"{schema.name}.{quote_name(name)}" for schema in self.schemas for name in schema.names)

    @property
    def unified_names(self) -> tuple[str, ...]:
        """The name of each position of the unified label: those of the labels, and "mask.<dataset>" for the mask."""
        return (*self.names, *(f"mask.{dataset}" for dataset in self.datasets if self.mask_dim))

    @property
    def label_dim(self) -> int:
        """The number of labels of all datasets, and so of the classifier's logits."""
        return sum(schema.dim for schema in self.schemas)

    @property
    def mask_dim(self) -> int:
        """The length of the mask: one position per dataset, or none if there is a single dataset."""
        return len(self.schemas) if len(self.schemas) > 1 else 0

    @property
    def dim(self) -> int:
        """The length of the unified label: labels and mask."""
        return self.label_dim + self.mask_dim

    def schema(self, dataset: str) -> LabelSchema:
        """Returns the labels of `dataset`, and raises LabelError if there is no such dataset."""
        return self.schemas[self._number(dataset)]

    def slice(self, dataset: str) -> builtins.slice:
        """Returns the positions of the labels of `dataset`, both in the unified label and in the logits."""
        number = self._number(dataset)
        start = sum(schema.dim for schema in self.schemas[:number])
        return builtins.slice(start, start + self.schemas[number].dim)

    def join(self, dataset: str, labels: Tensor, mask: str | None = None) -> Tensor:
        """Returns the unified label c̃ (B, dim) of labels (B, d) of one dataset (Eq. 7), in float32 on their device.

        Unknown labels (NaN) and the labels of the other datasets are 0; the mask is one-hot.

        Args:
            dataset: the name of the dataset.
            labels: from 0 to 1, or NaN.
            mask: the dataset that the mask names; None is `dataset`.

        Raises:
            LabelError: there is no such dataset, or the shape is wrong.
        """
        masked = self._number(dataset if mask is None else mask)
        part = self.slice(dataset)
        check_shape(labels, part.stop - part.start, f"labels of {dataset!r}")
        joint = labels.new_zeros((len(labels), self.dim)).float()
        joint[:, part] = labels.float().nan_to_num(nan=0.0)
        if self.mask_dim:
            joint[:, self.label_dim + masked] = 1.0
        return joint

    def join_all(self, labels: Mapping[str, Tensor]) -> Tensor:
        """Returns the unified label c̃ (B, dim) of labels of one dataset or of several, in float32 on their device.

        The mask of Eq. 7 is the set of the datasets whose labels are given: each has its bit. The labels of one dataset
        give what `join` does.

        Args:
            labels: by dataset, at least one: (B, d) from 0 to 1, or NaN if unknown.

        Raises:
            LabelError: there is no such dataset or none at all, or a shape is wrong.
        """
        if not labels:
            raise LabelError("no dataset's labels are given: give those of at least one")
        if len(set(map(len, labels.values()))) > 1:
            counts = ", ".join(f"{len(own)} of {dataset!r}" for dataset, own in labels.items())
            raise LabelError(f"there are labels for different numbers of images ({counts}): give as many of each")
        first, *others = (self.join(dataset, own) for dataset, own in labels.items())
        for other in others:
            first += other  # each position is 0 in all but one of them
        return first

    def edit(self, dataset: str, labels: Tensor, edit: str | Edit) -> Tensor:
        """Returns a copy of labels (B, d) of one dataset with `edit` applied, such as "Blond_Hair,Male=0".

        To set a label of a categorical or exclusive attribute clears the attribute's other labels. All labels of
        other attributes keep their values, NaN included.

        Raises:
            LabelError: there is no such dataset, the edit is not one of its labels, or the shape is wrong.
        """
        return self.schema(dataset).edit(labels, edit)

    def resolve(self, text: str) -> Edit:
        """Returns the edit that `text` describes, of whichever dataset has the labels that it names.

        Raises:
            LabelError: see `parse_edit`.
        """
        return parse_edit(text, self.schemas)

    def resolve_all(self, text: str) -> tuple[Edit, ...]:
        """Returns the edits that `text` describes: one per dataset whose labels it names, in the order of the mask.

        Raises:
            LabelError: see `parse_edits`.
        """
        return parse_edits(text, self.schemas)

    def decode(self, dataset: str, logits: Tensor) -> Tensor:
        """Returns one dataset's labels (B, d), from 0 to 1 in float32, for the classifier's logits (B, label_dim).

        Raises:
            LabelError: there is no such dataset, or the shape is wrong.
        """
        check_shape(logits, self.label_dim, "logits")
        return self.schema(dataset).decode(logits[:, self.slice(dataset)])

    def to_dict(self) -> dict[str, object]:
        """Returns the datasets, in order, as a JSON object."""
        return {"datasets": [schema.to_dict() for schema in self.schemas]}

    @classmethod
    def from_dict(cls, document: object) -> LabelSpace:
        """Returns the label space that `to_dict` described.

        Raises:
            LabelError: a key is missing, unknown, or has a value of the wrong type.
        """
        fields = read_fields(document, ("datasets",), "label space")
        schemas = read_list(fields["datasets"], "datasets of a label space")
        return cls([LabelSchema.from_dict(schema) for schema in schemas])

    def _number(self, dataset: str) -> int:
        if dataset not in self.datasets:
            raise LabelError(f"no dataset {dataset!r} in this label space; {closest(dataset, self.datasets)}")
        return self.datasets.index(dataset)


def check_shape(tensor: Tensor, width: int, what: str) -> None:
    """Raises LabelError unless `tensor` has shape (B, width)."""
    if tensor.ndim != 2 or tensor.shape[1] != width:
        raise LabelError(f"{what}: give shape (B, {width}), not {tuple(tensor.shape)}")
