"""What a translation changes although nobody asked: other labels, and images that should stay as they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from stargan_fw_evaluate.classifier import LabelClassifier
    from stargan_fw_registry import Attribute, LabelSchema
    from stargan_fw_registry.edits import Edit

OFF_TARGET, OFF_TARGET_LABEL = "off_target_change", "off_target_change_of_label"
EDITS_FOR_NOTHING = 10
DRIFT_IMAGES = 128  # of each dataset; every one is translated ten times


@dataclass(frozen=True)
class LabelWatch:
    """Finds labels that the classifiers read differently on an image and on its translation.

    Labels count if nobody asked to change them: all but those that the edit sets or clears, with the others of their groups. If
    the true picture is known, labels that it changes do not count either.

    Attributes:
        classifiers: read the labels of each dataset.
    """

    classifiers: Mapping[str, LabelClassifier]
    _inputs: dict[tuple[str, str, int], Tensor] = field(default_factory=dict)

    def changes(
        self,
        alias: str,
        indices: Sequence[int],
        inputs: Tensor,
        translated: Tensor,
        *,
        edits: Sequence[Edit],
        pictures: Sequence[Tensor | None] | None,
        read: Mapping[str, Tensor] = MappingProxyType({}),
    ) -> dict[str, list[float]]:
        """Returns, by label ("pets.young") or group, 1 for each image on which it changed, 0 for the others, and NaN.

        The labels are those of the images' dataset and of the edited ones. NaN stands for an image on which the label should
        change, or may have to.

        Args:
            alias: the images' dataset.
            indices: the images' positions among its examples.
            inputs: (B, 3, H, W) in [-1, 1].
            translated: the translations, of the same shape.
            edits: one per dataset.
            pictures: the true picture of each, None if it is unknown; None if the dataset has no true pictures.
            read: by dataset, the labels (B, d) that its classifier has read on the translations already.
        """
        assigned = {edit.dataset: {label for label, _ in edit.assignments} for edit in edits}
        found: dict[str, list[float]] = {}
        for dataset in dict.fromkeys([alias, *assigned]):
            if dataset not in self.classifiers:
                continue
            classifier = self.classifiers[dataset]
            watched = _not_assigned(classifier.schema, assigned.get(dataset, set()))
            if not watched:
                continue
            before = self._read_inputs(alias, indices, inputs, classifier)
            after = read[dataset] if dataset in read else classifier.read(translated)[0]
            true = None if pictures is None else _read_truth(pictures, before, classifier)
            for attribute, part in watched:
                changed = _differ(attribute, before[:, part], after[:, part]).float()
                if true is not None:
                    changed[true[:, part].isnan().any(1) | _differ(attribute, before[:, part], true[:, part])] = (
                        torch.nan
                    )
                found[f"{dataset}.{attribute.name}"] = changed.tolist()
        return found

    def _read_inputs(self, alias: str, indices: Sequence[int], inputs: Tensor, classifier: LabelClassifier) -> Tensor:
        """Returns the labels that are read on images, which are the same for every edit and run."""
        keys = [(alias, classifier.schema.name, index) for index in indices]
        missing = [place for place, key in enumerate(keys) if key not in self._inputs]
        if missing:
            rows = classifier.read(inputs[missing])[0]
            self._inputs.update((keys[place], row) for place, row in zip(missing, rows, strict=True))
        return torch.stack([self._inputs[key] for key in keys])


def _not_assigned(schema: LabelSchema, assigned: set[str]) -> list[tuple[Attribute, slice]]:
    return [(attribute, part) for attribute, part in schema.parts if not assigned.intersection(schema.names[part])]


def _read_truth(pictures: Sequence[Tensor | None], before: Tensor, classifier: LabelClassifier) -> Tensor:
    """Returns the labels that are read on true pictures, NaN where there is none."""
    labels = torch.full_like(before, torch.nan)
    known = [place for place, picture in enumerate(pictures) if picture is not None]
    if known:
        true = torch.stack([picture for picture in pictures if picture is not None])
        labels[known] = classifier.read(true.to(before.device))[0]
    return labels


def _differ(attribute: Attribute, before: Tensor, after: Tensor) -> Tensor:
    """Returns (B,) booleans: on which images the labels (B, size) of an attribute differ."""
    same: Tensor = attribute.matches(before, after)  # type: ignore[arg-type]
    return ~same.all(dim=1)


def drift(translate: Callable[[Tensor], tuple[Tensor, Tensor]], inputs: Tensor) -> dict[str, Tensor]:
    """Measures edits that ask for nothing.

    Args:
        translate: translates images to the labels that they have; returns also which of them could be translated.
        inputs: (B, 3, H, W) in [-1, 1].

    Returns:
        (B,) by metric: the mean absolute difference in [0, 1] between an image and the image after one and after ten such edits;
        NaN if an image could not be translated.
    """
    found, images = {}, inputs
    for number in range(1, EDITS_FOR_NOTHING + 1):
        images, possible = translate(images)
        if number in {1, EDITS_FOR_NOTHING}:
            metric = "own_label_drift" if number == 1 else "composition_drift"
            change = (images.clamp(-1, 1) - inputs).abs().flatten(1).mean(1) / 2
            found[metric] = change.masked_fill(~possible, torch.nan)
        images = images.clamp(-1, 1)
    return found
