"""What an evaluation measures: the request, and the labels and images that it selects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from stargan_fw.errors import ConfigError, DataError, LabelError, closest
from stargan_fw_registry import quote_name
from stargan_fw_registry.edits import Edit, parse_edit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from stargan_fw.data.source import Source
    from stargan_fw_registry import LabelSchema, LabelValue


@dataclass(frozen=True)
class EvaluationRequest:
    """What to measure.

    Attributes:
        datasets: datasets to whose labels images are translated; if empty, those that all runs have.
        images: the dataset whose test images are translated; None translates each dataset's own.
        source: an edit; only images with these labels are translated. None translates all.
        to: edits of one label each to translate to; if empty, all labels.
        limit: the most test images of a dataset to translate, spread evenly over them; None translates all.
        data: the folder of datasets; None is the runs' own.
        cache: the folder of decoded images and classifiers; None is the usual one.
        classifier_steps: updates of each classifier; None chooses by the size of the data.
        inception: weights of the Inception network for FID and KID proper; None leaves both out.
        seed: for everything random.
        mask: "right" translates with the labels' own mask, "wrong" with another dataset's, if the method can.
        precision: in which the runs' networks compute, as `Precision.choose` takes it. The networks that measure compute in
            fp32.
        read: edits of one label each; the share of inputs and translations that show it is counted.
        plugins: plugin files to use besides the installed plugins.
    """

    datasets: tuple[str, ...] = ()
    images: str | None = None
    source: str | None = None
    to: tuple[str, ...] = ()
    limit: int | None = None
    data: str | None = None
    cache: str | None = None
    classifier_steps: int | None = None
    inception: Path | None = None
    seed: int = 0
    mask: Literal["right", "wrong"] = "right"
    precision: Literal["auto", "fp32", "bf16"] = "fp32"
    read: tuple[str, ...] = ()
    plugins: tuple[str | Path, ...] = ()

    @property
    def variant(self) -> tuple[str, str] | None:
        """The part and setting of the methods' variant to evaluate; None evaluates the methods as they were trained."""
        return None if self.mask == "right" else ("mask", self.mask)

    def document(self) -> dict[str, Any]:
        """Returns the settings that decide the results, as JSON."""
        paths = {"data", "cache", "inception", "plugins"}
        decisive = {name: value for name, value in vars(self).items() if name not in paths}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in decisive.items()}

    def check(self) -> None:
        """Raises ConfigError if a number makes no sense."""
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"--limit {self.limit}: at least one image has to be translated.")

    def select_images(self, source: Source, schemas: Sequence[LabelSchema]) -> list[int]:
        """Returns the test images of a dataset to translate: those with the labels in `source`, at most `limit`.

        The request's `source` may be an edit of any of the schemas; an edit of another dataset selects all images.

        Raises:
            LabelError: the request's `source` names no label.
            DataError: no test image has these labels.
        """
        edit = parse_edit(self.source, schemas) if self.source else None
        found = select_by_labels(source.schema, source.labels, source.test, edit)
        if not found:
            raise DataError(
                f"No test image of the dataset '{source.alias}' at '{source.dataset.root}' is '{self.source}'. "
                "Name another --source, or leave it out."
            )
        if self.limit is None or self.limit >= len(found):
            return found
        return [found[number * len(found) // self.limit] for number in range(self.limit)]


@dataclass(frozen=True)
class LabelTarget:
    """One label to set or to clear.

    Attributes:
        schema: the schema of the label's dataset.
        text: the edit as `--to` takes it, without the dataset: "cat", "young=0".
        edit: the parsed edit.
        position: the label's position in the dataset's label vector.
        value: 1 sets the label, 0 clears it.
        change: the same edit as `Counterfactual.counterfactual` takes it.
    """

    schema: LabelSchema
    text: str
    edit: Edit
    position: int
    value: float
    change: Mapping[str, LabelValue]

    @property
    def name(self) -> str:
        """The dataset and the edit: "pets.cat"."""
        return f"{self.schema.name}.{self.text}"

    def select_changed(self, labels: NDArray[np.float32], indices: Sequence[int]) -> list[int]:
        """Returns the indices of the examples that the edit changes; those with an unknown label are left out."""
        return [index for index in indices if labels[index, self.position] == 1 - self.value]

    def apply(self, labels: Tensor) -> Tensor:
        """Returns the target labels (B, d) for current labels (B, d)."""
        return self.schema.edit(labels, self.edit)

    def matches(self, labels: Tensor) -> Tensor:
        """Returns (B,) booleans: which of the labels (B, d) have the target's value."""
        return labels[:, self.position] == self.value


def list_targets(schema: LabelSchema) -> list[LabelTarget]:
    """Returns a target that sets each label of a dataset, and one that clears each label outside of a group."""
    found = []
    for attribute, part in schema.parts:
        for label, name in zip(attribute.label_names, schema.names[part], strict=True):
            for value in (1.0, 0.0) if attribute.size == 1 else (1.0,):
                text = quote_name(name) if value else f"{quote_name(name)}=0"
                change = {label: bool(value)} if label in attribute.keys else {attribute.name: label}
                position = schema.position(name)
                edit = parse_edit(f"{schema.name}.{text}", [schema])
                found.append(LabelTarget(schema, text, edit, position, value, change))
    return found


def labels_to_change(schema: LabelSchema, edit: Edit) -> dict[str, LabelValue]:
    """Returns the labels that an edit sets or clears, named as in `Example.labels`."""
    values: dict[str, float] = dict(edit.assignments)
    found: dict[str, LabelValue] = {}
    for attribute, part in schema.parts:
        for label, name in zip(attribute.label_names, schema.names[part], strict=True):
            if name in values and label in attribute.keys:
                found[label] = bool(values[name])
            elif values.get(name):
                found[attribute.name] = label
    return found


def select_targets(
    targets: Iterable[LabelTarget], names: Sequence[str], schemas: Sequence[LabelSchema]
) -> list[LabelTarget]:
    """Returns the targets that are named, or all of them if no names are passed.

    A name is an edit of one label of one of the schemas, with or without its dataset.

    Raises:
        LabelError: an edit cannot be read, or is not one of the targets.
    """
    known = list(targets)
    if not names:
        return known
    edits = {text: parse_edit(text, schemas) for text in names}
    for text, edit in edits.items():
        if all((target.schema.name, target.edit) != (edit.dataset, edit) for target in known):
            suggestion = closest(text, [target.text for target in known])
            raise LabelError(f"'{text}' is not one label to set or clear; {suggestion}")
    wanted = list(edits.values())
    return [target for target in known if target.edit in wanted]


def select_by_labels(
    schema: LabelSchema, labels: NDArray[np.float32], indices: Sequence[int], edit: Edit | None
) -> list[int]:
    """Returns the indices of the examples with the labels of an edit; all if it is None or of another dataset."""
    if edit is None or edit.dataset != schema.name:
        return list(indices)
    wanted = [(schema.position(label), value) for label, value in edit.assignments]
    return [index for index in indices if all(labels[index, position] == value for position, value in wanted)]
