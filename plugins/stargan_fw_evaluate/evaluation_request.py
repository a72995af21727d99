"""What an evaluation measures: the request, and the labels and images that it selects."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from stargan_fw.errors import ConfigError, DataError, LabelError, closest
from stargan_fw_registry import quote_name
from stargan_fw_registry.edits import Edit, parse_edit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from stargan_fw.data.source import Source
    from stargan_fw_registry import Attribute, LabelSchema, LabelValue


@dataclass(frozen=True)
class EvaluationRequest:
    """What to measure.

    Attributes:
        datasets: datasets to whose labels images are translated; if empty, those that all runs have.
        images: the dataset whose test images are translated, or several with commas between; None translates each dataset's own.
        source: an edit; only images with these labels are translated. None translates all.
        to: edits of one label each to translate to; if empty, all labels.
        limit: the most test images of a dataset to translate, spread evenly over them; None translates all.
        data: the folder of datasets; None is the runs' own.
        cache: the folder of decoded images and classifiers; None is the usual one.
        classifier_steps: updates of each classifier; None chooses by the size of the data.
        inception: weights of the Inception network for FID and KID proper; None leaves both out.
        embedding: the embedding whose features measure distances, such as "face"; None leaves them out.
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
    embedding: str | None = None
    seed: int = 0
    mask: Literal["right", "wrong"] = "right"
    precision: Literal["auto", "fp32", "bf16"] = "fp32"
    read: tuple[str, ...] = ()
    plugins: tuple[str | Path, ...] = ()

    @property
    def image_datasets(self) -> list[str]:
        """The datasets in `images`, each once."""
        return [] if self.images is None else list(dict.fromkeys(name.strip() for name in self.images.split(",")))

    @property
    def variant(self) -> tuple[str, str] | None:
        """The part and setting of the methods' variant to evaluate; None evaluates the methods as they were trained."""
        return None if self.mask == "right" else ("mask", self.mask)

    def document(self) -> dict[str, Any]:
        """Returns the settings that decide the results, as JSON."""
        left_out = {"data", "cache", "inception", "plugins"} | ({"embedding"} if self.embedding is None else set())
        decisive = {name: value for name, value in vars(self).items() if name not in left_out}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in decisive.items()}

    def check(self) -> None:
        """Raises ConfigError if a number makes no sense."""
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"--limit {self.limit}: at least one image has to be translated. Give 1 or more.")

    def select_images(self, source: Source, schemas: Sequence[LabelSchema]) -> list[int]:
        """Returns the test images of a dataset to translate: those with the labels in `source`, at most `limit`.

        The request's `source` may be an edit of any of the schemas; an edit of another dataset selects all images.

        Raises:
            LabelError: the request's `source` names no label.
            DataError: no test image has these labels.
        """
        edit = None if self.source is None else parse_edit(self.source, schemas)
        found = select_by_labels(source.schema, source.labels, source.test, edit)
        if not found:
            raise DataError(
                f"No test image of the dataset '{source.alias}' at '{source.dataset.root}' is '{self.source}'. "
                "Name another --source, or leave it out."
            )
        return found if self.limit is None else spread(found, self.limit)


def spread(indices: Sequence[int], most: int) -> list[int]:
    """Returns at most so many of the indices, at equal distances."""
    count = min(most, len(indices))
    return [indices[number * len(indices) // count] for number in range(count)]


@dataclass(frozen=True)
class LabelTarget:
    """One label to set or to clear.

    Attributes:
        schema: the schema of the label's dataset.
        text: the edit as `--to` takes it, without the dataset: "cat", "young=0".
        edit: the parsed edit.
        position: the label's position in the dataset's label vector.
        value: 1 sets the label, 0 clears it; of a continuous label the number to have, from 0 to 1.
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
        own = labels[list(indices), self.position]
        changed = ~np.isnan(own) & ~self.attribute.matches(own, self.value)
        return list(itertools.compress(indices, changed.tolist()))

    @property
    def attribute(self) -> Attribute:
        """The label's attribute."""
        return self.schema.kinds[self.schema.names[self.position]]

    @property
    def metric(self) -> str:
        """The metric of the error of what is read on translations."""
        return "regression_error" if self.attribute.continuous else "classification_error"

    def errors(self, labels: Tensor) -> Tensor:
        """Returns the error of labels (B, d) that were read, (B,): 0 or 1, or of a number in its own unit."""
        errors: Tensor = self.attribute.error(labels[:, self.position], self.value)
        return errors.float()

    def apply(self, labels: Tensor) -> Tensor:
        """Returns the target labels (B, d) for current labels (B, d)."""
        return self.schema.edit(labels, self.edit)

    def matches(self, labels: Tensor) -> Tensor:
        """Returns (B,) booleans: which of the labels (B, d) have the target's value."""
        shown: Tensor = self.attribute.matches(labels[:, self.position], self.value)
        return shown


def list_targets(schema: LabelSchema) -> list[LabelTarget]:
    """Returns a target that sets each label of a dataset, one that clears each label outside of a group, and some numbers."""
    return [
        _make_target(schema, attribute, label, name, value)
        for attribute, part in schema.parts
        for label, name in zip(attribute.label_names, schema.names[part], strict=True)
        for value in attribute.tested
    ]


def _make_target(schema: LabelSchema, attribute: Attribute, label: str, name: str, value: float) -> LabelTarget:
    text = quote_name(name) + attribute.write(value)
    change = {label: attribute.example_value(value)} if label in attribute.keys else {attribute.name: label}
    edit = parse_edit(f"{schema.name}.{text}", [schema])
    return LabelTarget(schema, text, edit, schema.position(name), value, change)


def labels_to_change(schema: LabelSchema, edit: Edit) -> dict[str, LabelValue]:
    """Returns the labels that an edit sets or clears, named as in `Example.labels`."""
    values: dict[str, float] = dict(edit.assignments)
    found: dict[str, LabelValue] = {}
    for attribute, part in schema.parts:
        for label, name in zip(attribute.label_names, schema.names[part], strict=True):
            if name in values and label in attribute.keys:
                found[label] = attribute.example_value(values[name])
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
    own = {target.schema.name: target.schema for target in known}
    for text, edit in edits.items():
        if all(target.edit != edit for target in known):
            known += _number_targets(own.get(edit.dataset), edit)
        if all(target.edit != edit for target in known):
            suggestion = closest(text, _target_texts(known, text))
            raise LabelError(f"'{text}' is not one label to set or clear; {suggestion}")
    wanted = list(edits.values())
    return [target for target in known if target.edit in wanted]


def _target_texts(targets: Sequence[LabelTarget], like: str) -> list[str]:
    """Returns the targets as edits: with their datasets if the edit `like` has one, or if several datasets have that label."""
    uses = Counter(target.text for target in targets)
    with_dataset = like.startswith(tuple(f"{target.schema.name}." for target in targets))
    return [one.name if with_dataset or uses[one.text] > 1 else one.text for one in targets]


def _number_targets(schema: LabelSchema | None, edit: Edit) -> list[LabelTarget]:
    """Returns the target of an edit that gives one label a number, and nothing for other edits."""
    if schema is None or edit.relative or len(edit.assignments) != 1:
        return []
    ((name, value),) = edit.assignments
    attribute = schema.kinds[name]
    return [_make_target(schema, attribute, name, name, value)] if attribute.continuous else []


def select_by_labels(
    schema: LabelSchema, labels: NDArray[np.float32], indices: Sequence[int], edit: Edit | None
) -> list[int]:
    """Returns the indices of the examples with the labels of an edit; all if it is None or of another dataset."""
    if edit is None or edit.dataset != schema.name:
        return list(indices)
    if edit.relative:
        raise LabelError(
            f"'{','.join(schema.write(edit))}' says how labels change, not what they are: give their values"
        )
    wanted = [(schema.kinds[label], schema.position(label), value) for label, value in edit.assignments]
    return [index for index in indices if all(kind.matches(labels[index, at], value) for kind, at, value in wanted)]
