"""Translates unseen images to every target and notes what becomes of each."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from stargan_fw.evaluation.classifier import scaled
from stargan_fw.evaluation.ground_truth import compare

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from stargan_fw.data.source import Source
    from stargan_fw.data.store import Store
    from stargan_fw.evaluation.candidate import Candidate
    from stargan_fw.evaluation.classifier import LabelClassifier
    from stargan_fw.evaluation.ground_truth import GroundTruth
    from stargan_fw.evaluation.targets import Target

BATCH = 32


@dataclass(frozen=True)
class Faces:
    """Images to translate.

    Attributes:
        source: their dataset.
        store: their pixels.
        indices: which of its test images.
        truth: draws what they should become; None where nobody knows.
    """

    source: Source
    store: Store
    indices: Sequence[int]
    truth: GroundTruth | None = None

    def groups(self, indices: Sequence[int]) -> list[Hashable]:
        """Returns who is on each image, or the image's own number where nobody is named."""
        people = [self.source.examples[index].identity for index in indices]
        return [index if person is None else person for index, person in zip(indices, people, strict=True)]

    def own(self, target: Target) -> bool:
        """Whether the target is a label of the images' own dataset, so that their current labels are known."""
        return self.source.alias == target.schema.name

    def of(self, target: Target) -> list[int]:
        """Returns the images that are translated to a target: of its own dataset those that are not there yet."""
        return target.among(self.source.labels, self.indices) if self.own(target) else list(self.indices)

    def batches(self, indices: Sequence[int], device: torch.device) -> Iterator[tuple[list[int], Tensor, Tensor]]:
        """Yields the numbers of examples, their images in [-1, 1] and their labels, batch by batch."""
        for start in range(0, len(indices), BATCH):
            part = list(indices[start : start + BATCH])
            labels = torch.from_numpy(self.source.labels[part])
            yield part, scaled(self.store, part).to(device), labels.to(device)


@dataclass(frozen=True)
class Reader:
    """Who looks for one label, whatever was asked for.

    Attributes:
        label: that is looked for.
        classifier: reads the labels of its dataset.
    """

    label: Target
    classifier: LabelClassifier

    def reads(self, images: Tensor) -> list[float]:
        """Returns 1 for each image (B, 3, H, W) on which the label is read, 0 for the others."""
        return self.label.is_read(self.classifier.look(images)[0]).float().tolist()


@dataclass(frozen=True)
class Judge:
    """Who reads translations.

    Attributes:
        classifier: reads the labels of a dataset, and gives features.
        inception: features of FID proper; None where it is not asked for.
        device: of all that is computed.
        readers: look for labels besides.
    """

    classifier: LabelClassifier
    inception: Callable[[Tensor], Tensor] | None
    device: torch.device
    readers: Sequence[Reader] = ()


@dataclass
class Outcomes:
    """What became of the images that were translated to one target.

    Attributes:
        values: metric → one value an image.
        groups: metric → the group of each value, see `Faces.groups`.
        features: space ("classifier", "inception") → features of the translations, batch by batch.
        read: label that a reader looks for → shares of translations and inputs on which it is read.
        refused: how many images the method cannot translate so.
    """

    values: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    groups: dict[str, list[Hashable]] = field(default_factory=lambda: defaultdict(list))
    features: dict[str, list[Tensor]] = field(default_factory=lambda: defaultdict(list))
    read: dict[str, Outcomes] = field(default_factory=dict)
    refused: int = 0

    def note(self, metric: str, values: Iterable[float], groups: Sequence[Hashable]) -> None:
        """Adds a value for each group; NaN is left out."""
        known = [(value, group) for value, group in zip(values, groups, strict=True) if not np.isnan(value)]
        self.values[metric] += [float(value) for value, _ in known]
        self.groups[metric] += [group for _, group in known]

    @classmethod
    def together(cls, parts: Iterable[Outcomes]) -> Outcomes:
        """Returns the outcomes of several targets as one."""
        whole, every = cls(), list(parts)
        for part in every:
            for metric, values in part.values.items():
                whole.values[metric] += values
                whole.groups[metric] += part.groups[metric]
            for space, batches in part.features.items():
                whole.features[space] += batches
            whole.refused += part.refused
        labels = dict.fromkeys(label for part in every for label in part.read)
        whole.read = {
            label: cls.together([part.read[label] for part in every if label in part.read]) for label in labels
        }
        return whole


@dataclass(frozen=True)
class _Batch:
    """Images that were translated; `labels` are those that they had, where they are known."""

    indices: list[int]
    groups: list[Hashable]
    images: Tensor
    translated: Tensor
    labels: Tensor | None


def judge_target(candidate: Candidate, judge: Judge, faces: Faces, target: Target) -> Outcomes:
    """Translates every image whose label is another to the target, and measures.

    Where the images are of the target's own dataset, their true labels are the current ones, and the way back is
    measured too. Of images of another dataset no such label is known: all are translated, and none is brought back.

    Args:
        candidate: translates.
        judge: reads.
        faces: to translate.
        target: a label to set or to clear.
    """
    own, outcomes = faces.own(target), Outcomes()
    for part, images, labels in faces.batches(faces.of(target), judge.device):
        translated, able = candidate.translate(images, target, labels if own else None)
        outcomes.refused += int((~able).sum())
        if not able.any():
            continue
        places = torch.nonzero(able).flatten()
        kept = [part[place] for place in places.tolist()]
        known = labels[places] if own else None
        batch = _Batch(kept, faces.groups(kept), images[places], translated[places], known)
        _measure(candidate, judge, target, batch, outcomes)
        if faces.truth:
            _compare(faces.truth, target, batch, outcomes)
    return outcomes


def _measure(candidate: Candidate, judge: Judge, target: Target, batch: _Batch, outcomes: Outcomes) -> None:
    read, features = judge.classifier.look(batch.translated)
    outcomes.note("classification_error", (~target.is_read(read)).float().tolist(), batch.groups)
    outcomes.features["classifier"].append(features.cpu())
    if judge.inception:
        outcomes.features["inception"].append(judge.inception(batch.translated).cpu())
    for reader in judge.readers:
        found = outcomes.read.setdefault(reader.label.name, Outcomes())
        found.note("share_read", reader.reads(batch.translated), batch.groups)
        found.note("share_read_of_input", reader.reads(batch.images), batch.groups)
    if batch.labels is not None:
        back, able = candidate.restore(batch.translated, target, batch.labels)
        errors = (back - batch.images).abs().flatten(1).mean(1)
        outcomes.note("reconstruction_l1", errors.masked_fill(~able, torch.nan).tolist(), batch.groups)


def _compare(truth: GroundTruth, target: Target, batch: _Batch, outcomes: Outcomes) -> None:
    pictures = truth.pictures(batch.indices, target)
    known = [place for place, picture in enumerate(pictures) if picture is not None]
    if not known:
        return
    true = torch.stack([picture for picture in pictures if picture is not None]).to(batch.images.device)
    for metric, values in compare(batch.translated[known], batch.images[known], true).items():
        outcomes.note(metric, values.tolist(), [batch.groups[place] for place in known])


def real_outcomes(judge: Judge, faces: Faces) -> tuple[Outcomes, dict[str, Outcomes]]:
    """Reads the real test images.

    Returns:
        Their outcomes, of which an error is a wrong attribute, and those of each attribute by its name.
    """
    whole, attributes = Outcomes(), defaultdict[str, Outcomes](Outcomes)
    for part, images, labels in faces.batches(faces.indices, judge.device):
        read, features = judge.classifier.look(images)
        whole.features["classifier"].append(features.cpu())
        if judge.inception:
            whole.features["inception"].append(judge.inception(images).cpu())
        groups = faces.groups(part)
        for attribute, where in faces.source.schema.parts:
            unknown = labels[:, where].isnan().any(dim=1)
            wrong = (read[:, where] != labels[:, where]).any(dim=1).float().masked_fill(unknown, torch.nan)
            for outcomes in (whole, attributes[attribute.name]):
                outcomes.note("real_classification_error", wrong.tolist(), groups)
    return whole, dict(attributes)
