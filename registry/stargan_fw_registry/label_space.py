"""Where every label of every dataset lies in the unified label c̃ = [c_1, …, c_n, m] (paper, Eq. 7).

Nobody else slices the joint vector by hand. Importing this module does not import torch.
"""

from __future__ import annotations

import builtins  # LabelSpace.slice hides the builtin in annotations
import itertools
import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from stargan_fw_registry.attributes import Attribute, LabelValue
from stargan_fw_registry.documents import read_fields, read_list
from stargan_fw_registry.edits import Edit, parse_edit
from stargan_fw_registry.errors import LabelError
from stargan_fw_registry.names import check_distinct, check_name, closest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor


@dataclass(frozen=True)
class _Target:
    """What a key of an edit means: a position of an attribute, or with None the attribute itself."""

    attribute: Attribute
    offset: int
    position: int | None


@dataclass(frozen=True)
class LabelSchema:
    """The labels of one dataset: its attributes side by side in one vector of `dim` positions.

    Args:
        name: the dataset's name.
        attributes: at least one, in the order of the vector.

    Raises:
        LabelError: a bad name, no attributes, or two attributes that read the same label of an example.
    """

    name: str
    attributes: Sequence[Attribute]

    def __post_init__(self) -> None:
        check_name(self.name, "the name of a dataset")
        object.__setattr__(self, "attributes", tuple(self.attributes))
        if not self.attributes:
            raise LabelError(f"dataset {self.name!r} has no attributes: give at least one")
        for attribute in self.attributes:
            if not isinstance(attribute, Attribute):
                raise LabelError(f"dataset {self.name!r}: {attribute!r} is not an attribute")
        keys = itertools.chain.from_iterable(attribute.keys for attribute in self.attributes)
        check_distinct(keys, f"labels of dataset {self.name!r}")

    @property
    def dim(self) -> int:
        """Length of this dataset's label vector."""
        return len(self.names)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The positions' names, unique: the label's own, or "attribute.label" where something else is called so."""
        uses = Counter(itertools.chain.from_iterable(attribute.spoken_names for attribute in self.attributes))
        return tuple(
            label if uses[label] == 1 else qualified
            for attribute in self.attributes
            for label, qualified in zip(attribute.label_names, attribute.qualified_names, strict=True)
        )

    @cached_property
    def parts(self) -> tuple[tuple[Attribute, slice], ...]:
        """Each attribute with its slice of this dataset's vector."""
        starts = itertools.accumulate((attribute.size for attribute in self.attributes), initial=0)
        return tuple((a, slice(start, start + a.size)) for a, start in zip(self.attributes, starts, strict=False))

    def encode(self, labels: Mapping[str, LabelValue]) -> list[float]:
        """One example's labels as `dim` numbers: 0, 1, or NaN where a label is None or missing.

        Raises:
            LabelError: a key that no attribute reads, or a value that its attribute does not have.
        """
        self.check_keys(labels)
        return [value for attribute in self.attributes for value in attribute.encode(labels)]

    def check_keys(self, labels: Mapping[str, LabelValue]) -> None:
        """Raise LabelError where an example says something that no attribute reads."""
        for key in labels:
            if key not in self._keys:
                raise LabelError(f"dataset {self.name!r} has no label {key!r}; {closest(key, self._keys)}")

    def edit(self, labels: Tensor, edit: str | Edit) -> Tensor:
        """A copy of `labels` (B, dim) with `edit` applied; what it does not determine is kept, NaN included.

        Raises:
            LabelError: the edit cannot be read, is of another dataset, or `labels` has another shape.
        """
        check_shape(labels, self.dim, f"labels of {self.name!r}")
        resolved = edit if isinstance(edit, Edit) else parse_edit(edit, [self])
        if resolved.dataset != self.name:
            raise LabelError(f"the edit is of dataset {resolved.dataset!r}, the labels are of {self.name!r}")
        edited = labels.clone()
        for label, value in resolved.assignments:
            edited[:, self.position(label)] = value
        for label in resolved.flips:
            edited[:, self.position(label)] = 1 - labels[:, self.position(label)]
        return edited

    def known(self, labels: Sequence[float]) -> Edit:
        """The edit that gives an image the labels (dim,) that are not NaN."""
        named = zip(self.names, map(float, labels), strict=True)
        return Edit(self.name, tuple((name, value) for name, value in named if not math.isnan(value)))

    def position(self, label: str) -> int:
        """Where `label`, one of `names`, lies in this dataset's vector; LabelError if it does not."""
        if label not in self.names:
            raise LabelError(f"dataset {self.name!r} has no label {label!r}; {closest(label, self.names)}")
        return self.names.index(label)

    def decode(self, logits: Tensor) -> Tensor:
        """Logits (B, dim) to labels (B, dim), 0 or 1 in float32."""
        check_shape(logits, self.dim, f"logits of {self.name!r}")
        labels = logits.new_zeros(logits.shape).float()
        for attribute, part in self.parts:
            labels[:, part] = attribute.decode(logits[:, part])
        return labels

    @property
    def edit_keys(self) -> tuple[str, ...]:
        """What an edit can name: every position and every attribute."""
        return tuple(self._targets)

    def resolve_key(self, key: str) -> tuple[str, ...]:
        """The edit keys that `key` may mean: itself, or each "attribute.key" where several labels are called so."""
        if key in self._targets:
            return (key,)
        return tuple(known for known in self.names if known.endswith(f".{key}"))

    def assign(self, key: str, value: str | None) -> dict[str, float]:
        """What the part `key=value` of an edit determines: label name to 0 or 1; None stands for no `=value`."""
        target = self._targets[key]
        if target.position is None:
            assigned = target.attribute.choose(value)
        else:
            assigned = target.attribute.switch(target.position, on=_read_switch(key, value))
        return {self.names[target.offset + position]: number for position, number in assigned.items()}

    def flip(self, label: str) -> str:
        """The label, one of `names`, that `label=flip` turns over; LabelError if it is one of a group."""
        attribute = self._targets[label].attribute
        if attribute.size > 1:
            raise LabelError(
                f"{label!r} cannot be flipped, since it is one of {attribute.name!r}: name another of them"
            )
        return label

    def to_dict(self) -> dict[str, object]:
        """JSON: the name and the attributes."""
        return {"name": self.name, "attributes": [attribute.to_dict() for attribute in self.attributes]}

    @classmethod
    def from_dict(cls, document: object) -> LabelSchema:
        """The schema that `to_dict` wrote; LabelError where anything is missing, unknown or mistyped."""
        fields = read_fields(document, ("name", "attributes"), "dataset of a label space")
        attributes = read_list(fields["attributes"], f"attributes of dataset {fields['name']!r}")
        return cls(fields["name"], [Attribute.from_dict(attribute) for attribute in attributes])

    @cached_property
    def _keys(self) -> dict[str, None]:
        """What an example can say, in order."""
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
    """The labels of all datasets and the mask that says whose labels are known.

    The unified label has the labels of every dataset, in order, then one mask position a dataset; a single dataset
    has no mask (Sec. 3.1).

    Args:
        schemas: at least one, with distinct names.

    Raises:
        LabelError: no datasets, or two of one name.
    """

    schemas: Sequence[LabelSchema]

    def __post_init__(self) -> None:
        object.__setattr__(self, "schemas", tuple(self.schemas))
        if not self.schemas:
            raise LabelError("a label space has no datasets: give at least one")
        check_distinct(self.datasets, "datasets of a label space")

    @property
    def datasets(self) -> tuple[str, ...]:
        """The datasets' names, in the order of the mask."""
        return tuple(schema.name for schema in self.schemas)

    @property
    def names(self) -> tuple[str, ...]:
        """The `label_dim` label names in order, each prefixed with its dataset and readable as an edit."""
        return tuple(f"{schema.name}.{name}" for schema in self.schemas for name in schema.names)

    @property
    def label_dim(self) -> int:
        """Labels of all datasets together: the discriminator's logits, which have no mask."""
        return sum(schema.dim for schema in self.schemas)

    @property
    def mask_dim(self) -> int:
        """One position a dataset, none where there is a single one."""
        return len(self.schemas) if len(self.schemas) > 1 else 0

    @property
    def dim(self) -> int:
        """Length of the unified label: labels and mask."""
        return self.label_dim + self.mask_dim

    def schema(self, dataset: str) -> LabelSchema:
        """The schema of `dataset`; LabelError with the closest name if there is none."""
        return self.schemas[self._number(dataset)]

    def slice(self, dataset: str) -> builtins.slice:
        """Where the labels of `dataset` lie, in the unified label as in the logits."""
        number = self._number(dataset)
        start = sum(schema.dim for schema in self.schemas[:number])
        return builtins.slice(start, start + self.schemas[number].dim)

    def join(self, dataset: str, labels: Tensor, mask: str | None = None) -> Tensor:
        """The unified label c̃ (B, dim) of labels (B, d) of one dataset (Eq. 7), in float32 on their device.

        Unknown labels (NaN) and the labels of the other datasets are 0; the mask is one-hot.

        Args:
            dataset: whose labels they are.
            labels: 0, 1, between them, or NaN.
            mask: the dataset that the mask names; None is `dataset`. Another is wrong on purpose, as in Fig. 7.

        Raises:
            LabelError: an unknown dataset, or labels of another shape.
        """
        masked = self._number(dataset if mask is None else mask)
        part = self.slice(dataset)
        check_shape(labels, part.stop - part.start, f"labels of {dataset!r}")
        joint = labels.new_zeros((len(labels), self.dim)).float()
        joint[:, part] = labels.float().nan_to_num(nan=0.0)
        if self.mask_dim:
            joint[:, self.label_dim + masked] = 1.0
        return joint

    def wrong_mask(self, dataset: str) -> str:
        """The dataset whose mask is wrong for the labels of `dataset`: the first other one (Fig. 7).

        Raises:
            LabelError: an unknown dataset, or the only one, which has no mask.
        """
        others = [name for name in self.datasets if name != self.datasets[self._number(dataset)]]
        if not others:
            raise LabelError(
                f"the model knows one dataset, {dataset!r}, and so has no mask: use one trained on several"
            )
        return others[0]

    def edit(self, dataset: str, labels: Tensor, edit: str | Edit) -> Tensor:
        """A copy of labels (B, d) of one dataset with `edit` applied, such as "Blond_Hair,Male=0".

        A categorical or exclusive label sets its peers to 0; what is not named is kept, NaN included.

        Raises:
            LabelError: an unknown dataset, an edit that cannot be read as one of it, or labels of another shape.
        """
        return self.schema(dataset).edit(labels, edit)

    def resolve(self, text: str) -> Edit:
        """Read an edit, finding the dataset that it is of; LabelError if it is of none or could be of several."""
        return parse_edit(text, self.schemas)

    def decode(self, dataset: str, logits: Tensor) -> Tensor:
        """The labels (B, d), 0 or 1 in float32, that the classifier's logits (B, label_dim) give to one dataset.

        Raises:
            LabelError: an unknown dataset, or logits of another shape.
        """
        check_shape(logits, self.label_dim, "logits")
        return self.schema(dataset).decode(logits[:, self.slice(dataset)])

    def to_dict(self) -> dict[str, object]:
        """JSON: the datasets in order."""
        return {"datasets": [schema.to_dict() for schema in self.schemas]}

    @classmethod
    def from_dict(cls, document: object) -> LabelSpace:
        """The label space that `to_dict` wrote; LabelError where anything is missing, unknown or mistyped."""
        fields = read_fields(document, ("datasets",), "label space")
        schemas = read_list(fields["datasets"], "datasets of a label space")
        return cls([LabelSchema.from_dict(schema) for schema in schemas])

    def _number(self, dataset: str) -> int:
        if dataset not in self.datasets:
            raise LabelError(f"no dataset {dataset!r} in this label space; {closest(dataset, self.datasets)}")
        return self.datasets.index(dataset)


def check_shape(tensor: Tensor, width: int, what: str) -> None:
    """Raise LabelError unless `tensor` has shape (B, width)."""
    if tensor.ndim != 2 or tensor.shape[1] != width:
        raise LabelError(f"{what}: got shape {tuple(tensor.shape)}, expected (B, {width})")


def _read_switch(label: str, value: str | None) -> bool:
    if value not in (None, "0", "1"):
        raise LabelError(f"label {label!r} cannot be {value!r}: give 0 or 1, or flip where it stands alone")
    return value != "0"
