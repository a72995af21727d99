"""What a model was trained on: how many images have each label, and so which labels it can draw, and the scale of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from stargan_fw_registry.label_errors import LabelError
from stargan_fw_registry.names import quote_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stargan_fw_registry.edits import Edit
    from stargan_fw_registry.label_space import LabelSchema, LabelSpace

LabelCounts: TypeAlias = "Mapping[str, Sequence[int]]"
"""A label's name → the number of training images known not to have it, and of those known to have it.

Of a continuous label: the numbers of those in the lower and in the upper half of its range."""


def add_earlier_counts(
    counts: Mapping[str, dict[str, list[int]]], earlier: Mapping[str, LabelCounts], space: LabelSpace
) -> None:
    """Makes the counts of a training that goes on from a model include what the model saw before.

    Each label gets the larger number of both, since the images may be the same. A label that the training has not seen is
    left out if nobody knows whether the model has.

    Args:
        counts: those of the training's own images, by dataset; changed in place.
        earlier: those of the model, by dataset.
        space: the model's labels.
    """
    for dataset in counts.keys() & set(space.datasets):
        own, before = counts[dataset], earlier.get(dataset, {})
        for label in own.keys() & set(space.schema(dataset).names):
            if label in before:
                own[label] = [max(pair) for pair in zip(own[label], before[label], strict=True)]
            elif not all(own[label]):
                del own[label]


def check_ranges(model: LabelSpace, data: LabelSpace) -> None:
    """Raises LabelError if a label is a number in two label spaces, on another scale: a model's weights belong to its own."""
    for dataset in set(model.datasets) & set(data.datasets):
        ranges = [
            {each.name: each.span for each in one.schema(dataset).attributes if each.span} for one in (model, data)
        ]
        for name in (name for name in ranges[0] if ranges[0][name] != ranges[1].get(name, ranges[0][name])):
            raise LabelError(
                f"'{dataset}.{name}' goes {ranges[0][name]} in the model and {ranges[1][name]} in the data: give the data the"
                " model's range"
            )


def describe_untrained(space: LabelSpace, counts: Mapping[str, LabelCounts], edits: Iterable[Edit]) -> list[str]:
    """Says which labels of some edits no training image had, and which labels the model can draw instead.

    Args:
        space: the model's label space.
        counts: those of each dataset; what is not known is left out.
        edits: the edits to translate to.

    Returns:
        A sentence per dataset, or nothing if the model has seen all of the labels.
    """
    untrained: dict[str, dict[str, None]] = {}
    for edit in edits:
        if edit.dataset in counts:
            found = _find_untrained(space.schema(edit.dataset), counts[edit.dataset], edit)
            untrained.setdefault(edit.dataset, {}).update(dict.fromkeys(found))
    return [_describe(space, counts, dataset, list(parts)) for dataset, parts in untrained.items() if parts]


def _find_untrained(schema: LabelSchema, counts: LabelCounts, edit: Edit) -> list[str]:
    """Returns the parts of an edit that no training image shows, written as the edit writes them."""
    values = [(label, value) for label in edit.flips for value in (1.0, 0.0)]
    values += schema.named(edit).items()
    values += [(label, 1.0) for label, move in edit.moves if move.summand and move.factor != 1]  # set with a strength
    kinds = schema.kinds
    shifted = [label for label, move in edit.moves if move.factor == 1]
    return [
        quote_name(label) + kinds[label].write(value)
        for label, value in values
        if label in counts and not counts[label][kinds[label].counts_as_having(value)]
    ] + [quote_name(label) for label in shifted if label in counts and not any(counts[label])]


def _describe(space: LabelSpace, counts: Mapping[str, LabelCounts], dataset: str, untrained: Sequence[str]) -> str:
    trained = _find_trained(space.schema(dataset), counts[dataset])
    several = len(space.schemas) > 1
    names = [f"{dataset}.{name}" if several else name for name in trained]
    names += [
        f"{other}.{name}"
        for other in space.datasets
        if other != dataset and other in counts
        for name in _find_trained(space.schema(other), counts[other])
        if name in untrained
    ]
    what = ", ".join(f"{dataset}.{name}" if several else name for name in untrained)
    said = f"No training image had {what}, so the model cannot draw {'it' if len(untrained) == 1 else 'them'}."
    if not names:
        return f"{said} It can draw no label of {dataset} before it is trained on some (stargan-fw train --from)."
    return f"{said} It can draw {', '.join(names)}."


def _find_trained(schema: LabelSchema, counts: LabelCounts) -> list[str]:
    """Returns the labels that training images have; of a label that is yes or no, what they have."""
    return [
        drawn
        for attribute, part in schema.parts
        for label in schema.names[part]
        if (drawn := attribute.describe_counted(quote_name(label), *map(bool, counts.get(label, (0, 0)))))
    ]
