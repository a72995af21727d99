"""Translates test images to every target and measures the translations."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from stargan_fw.rendering.pictures import pixels_to_tensor
from stargan_fw_evaluate.evaluation_request import labels_to_change, spread
from stargan_fw_evaluate.metrics import compare
from stargan_fw_evaluate.unasked import DRIFT_IMAGES, OFF_TARGET, OFF_TARGET_LABEL, LabelWatch, drift

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from stargan_fw.data.source import Source
    from stargan_fw.data.store import Store
    from stargan_fw_evaluate.candidate import Candidate
    from stargan_fw_evaluate.classifier import LabelClassifier
    from stargan_fw_evaluate.evaluation_request import LabelTarget
    from stargan_fw_evaluate.feature_distances import FeatureDistances
    from stargan_fw_evaluate.ground_truth import GroundTruth

    Wrap: TypeAlias = Callable[[Iterable[int]], Iterable[int]]

BATCH = 32


@dataclass(frozen=True)
class EvaluationImages:
    """The images that are translated.

    Attributes:
        source: the images' dataset.
        store: the decoded images.
        indices: the positions of the images among the dataset's examples.
        truth: the true pictures of translations, if there are any.
    """

    source: Source
    store: Store
    indices: Sequence[int]
    truth: GroundTruth | None = None

    def groups(self, indices: Sequence[int]) -> list[Hashable]:
        """Returns the person on each image, or the image's index if no person is recorded."""
        people = [self.source.examples[index].identity for index in indices]
        return [index if person is None else person for index, person in zip(indices, people, strict=True)]

    def are_labelled_for(self, target: LabelTarget) -> bool:
        """Returns whether the target is a label of the images' own dataset, so that their current labels are known."""
        return self.source.alias == target.schema.name

    def select(self, target: LabelTarget) -> list[int]:
        """Returns the images to translate to a target: all, or only those that it changes if their labels are known."""
        if self.are_labelled_for(target):
            return target.select_changed(self.source.labels, self.indices)
        return list(self.indices)

    def has_truth(self, target: LabelTarget) -> bool:
        """Returns whether the images' dataset knows true pictures under labels of the target's dataset."""
        return self.truth is not None and (self.are_labelled_for(target) or self.truth.across is not None)

    def true_pictures(self, indices: Sequence[int], target: LabelTarget) -> list[Tensor | None]:
        """Returns the true result (3, H, W) in [-1, 1] for each example; None if it is unknown."""
        if self.truth is None:
            return [None] * len(indices)
        if self.are_labelled_for(target):
            return self.truth.pictures(self.truth.own, indices, target.change)
        change = labels_to_change(target.schema, target.edit)
        return self.truth.pictures(self.truth.across, indices, change)

    def batches(
        self,
        indices: Sequence[int],
        device: torch.device,
        progress: Wrap = lambda starts: starts,
    ) -> Iterator[tuple[list[int], Tensor, Tensor]]:
        """Yields batches: the indices, the images (B, 3, H, W) in [-1, 1] and the labels (B, d).

        Args:
            indices: the images to read.
            device: the device that they go to.
            progress: wraps the loop.
        """
        for start in progress(range(0, len(indices), BATCH)):
            part = list(indices[start : start + BATCH])
            images, labels = pixels_to_tensor(self.store.read(part)), torch.from_numpy(self.source.labels[part])
            yield part, images.to(device), labels.to(device)


@dataclass(frozen=True)
class LabelReader:
    """Looks for one label on images, with the classifier of the label's dataset, whatever they were translated to."""

    label: LabelTarget
    classifier: LabelClassifier

    def read(self, images: Tensor) -> list[float]:
        """Returns 1 for each image (B, 3, H, W) that shows the label, 0 for the others."""
        return self.label.matches(self.classifier.read(images)[0]).float().tolist()


@dataclass(frozen=True)
class Scorer:
    """The networks that measure translations.

    Attributes:
        classifier: reads the labels of the scored dataset; its features serve for distances.
        inception: computes Inception features for FID and KID proper; None leaves them out.
        device: the device to compute on.
        features: compares pictures by the features of a network that was trained elsewhere; None leaves that out.
        readers: look for further labels.
        watch: looks for labels that changed although nobody asked.
    """

    classifier: LabelClassifier
    inception: Callable[[Tensor], Tensor] | None
    device: torch.device
    features: FeatureDistances | None = None
    readers: Sequence[LabelReader] = ()
    watch: LabelWatch = field(default_factory=lambda: LabelWatch({}))


@dataclass
class Outcomes:
    """The measurements of the images that were translated to one target.

    Attributes:
        values: by metric, one value per image.
        groups: by metric, the group of each value; see `EvaluationImages.groups`.
        features: by feature space ("classifier", "inception", "embedding"), the translations' features in batches.
        read: by name of a label, the shares of translations and inputs that show it, and in which it changed unasked.
        refused: the number of images that the method could not translate.
    """

    values: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    groups: dict[str, list[Hashable]] = field(default_factory=lambda: defaultdict(list))
    features: dict[str, list[Tensor]] = field(default_factory=lambda: defaultdict(list))
    read: dict[str, Outcomes] = field(default_factory=dict)
    refused: int = 0

    def add(self, metric: str, values: Iterable[float], groups: Sequence[Hashable]) -> None:
        """Adds one value per group; NaN is left out."""
        known = [(value, group) for value, group in zip(values, groups, strict=True) if not np.isnan(value)]
        self.values[metric] += [float(value) for value, _ in known]
        self.groups[metric] += [group for _, group in known]

    def add_features(self, scorer: Scorer, images: Tensor, features: Tensor) -> None:
        """Adds the classifier's features of images, and those of the other networks that the scorer has."""
        self.features["classifier"].append(features.cpu())
        if scorer.inception:
            self.features["inception"].append(scorer.inception(images).cpu())
        if scorer.features:
            self.features["embedding"].append(scorer.features.describe(images).cpu())

    def add_read(
        self, readers: Iterable[LabelReader], inputs: Tensor, translated: Tensor, groups: Sequence[Hashable]
    ) -> None:
        """Adds which translations, and which of their inputs, show each reader's label."""
        for reader in readers:
            shares = self.read.setdefault(reader.label.name, Outcomes())
            shares.add("share_read", reader.read(translated), groups)
            shares.add("share_read_of_input", reader.read(inputs), groups)

    def add_unasked(self, changes: Mapping[str, Sequence[float]], groups: Sequence[Hashable]) -> None:
        """Adds which labels changed although nobody asked; see `LabelWatch.changes`."""
        for label, values in changes.items():
            self.add(OFF_TARGET, values, groups)
            self.read.setdefault(label, Outcomes()).add(OFF_TARGET_LABEL, values, groups)

    def add_comparison(
        self,
        pictures: Sequence[Tensor | None],
        inputs: Tensor,
        translated: Tensor,
        groups: Sequence[Hashable],
        features: FeatureDistances | None = None,
    ) -> None:
        """Compares translations with their true pictures and, if there are features, with their inputs.

        If nothing should change, because the input has the labels already, only the identity error is measured, and the distance
        to the input.

        Args:
            pictures: the true picture (3, H, W) of each translation; None if it is unknown.
            inputs: the images that were translated, (B, 3, H, W) in [-1, 1].
            translated: the translations, of the same shape and range.
            groups: the group of each translation; see `EvaluationImages.groups`.
            features: compares pictures by their features.
        """
        if features:
            for metric, values in features.compare(translated, inputs, pictures).items():
                self.add(metric, values.tolist(), groups)
        known = [place for place, picture in enumerate(pictures) if picture is not None]
        if not known:
            return
        true = torch.stack([picture for picture in pictures if picture is not None]).to(inputs.device)
        unchanged = (true == inputs[known]).flatten(1).all(1)
        for metric, values in compare(translated[known], inputs[known], true).items():
            found = values if metric == "identity_error" else values.masked_fill(unchanged, torch.nan)
            self.add(metric, found.tolist(), [groups[place] for place in known])

    @classmethod
    def merge(cls, parts: Iterable[Outcomes]) -> Outcomes:
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
        whole.read = {label: cls.merge(part.read[label] for part in every if label in part.read) for label in labels}
        return whole


@dataclass(frozen=True)
class _Batch:
    """Images that were translated. `labels`: their labels before; None if unknown."""

    indices: list[int]
    groups: list[Hashable]
    images: Tensor
    translated: Tensor
    labels: Tensor | None


def score_target(
    candidate: Candidate,
    scorer: Scorer,
    images: EvaluationImages,
    target: LabelTarget,
    progress: Wrap = lambda starts: starts,
) -> Outcomes:
    """Translates images to a target and measures the results; `progress` wraps the loop over batches.

    If the images are of the target's own dataset, their true labels serve as current labels, as far as they are known (the
    method reads the others), and translating back is measured too. For images of another dataset these labels are unknown, so nothing is translated back.
    """
    outcomes = Outcomes()
    for indices, inputs, labels in images.batches(images.select(target), scorer.device, progress):
        own = images.are_labelled_for(target)
        current = candidate.complete(inputs, target.schema.name, labels) if own else None
        translated, possible = candidate.translate(inputs, target, current)
        outcomes.refused += int((~possible).sum())
        if not possible.any():
            continue
        places = torch.nonzero(possible).flatten()
        kept = [indices[place] for place in places.tolist()]
        known = None if current is None else current[places]
        batch = _Batch(kept, images.groups(kept), inputs[places], translated[places], known)
        read = _score(candidate, scorer, target, batch, outcomes)
        true = images.true_pictures(kept, target)
        outcomes.add_comparison(true, batch.images, batch.translated, batch.groups, scorer.features)
        changes = scorer.watch.changes(
            images.source.alias,
            kept,
            batch.images,
            batch.translated,
            edits=[target.edit],
            pictures=true if images.has_truth(target) else None,
            read={target.schema.name: read},
        )
        outcomes.add_unasked(changes, batch.groups)
    return outcomes


def _score(candidate: Candidate, scorer: Scorer, target: LabelTarget, batch: _Batch, outcomes: Outcomes) -> Tensor:
    """Adds what the networks find on translations, and returns the labels (B, d) that are read on them."""
    read, features = scorer.classifier.read(batch.translated)
    outcomes.add(target.metric, target.errors(read).tolist(), batch.groups)
    outcomes.add_features(scorer, batch.translated, features)
    outcomes.add_read(scorer.readers, batch.images, batch.translated, batch.groups)
    if batch.labels is not None:
        back, possible = candidate.restore(batch.translated, target, batch.labels)
        errors = (back - batch.images).abs().flatten(1).mean(1)
        outcomes.add("reconstruction_l1", errors.masked_fill(~possible, torch.nan).tolist(), batch.groups)
    return read


def score_drift(
    candidate: Candidate, images: EvaluationImages, device: torch.device, progress: Wrap = lambda starts: starts
) -> Outcomes:
    """Translates images to the labels that they have, again and again, and measures how far they drift.

    At most 128 images are translated, spread evenly over those with known labels. `progress` wraps the loop over batches.
    """
    outcomes, dataset = Outcomes(), images.source.schema.name
    labelled = [index for index in images.indices if not np.isnan(images.source.labels[index]).any()]
    for indices, inputs, labels in images.batches(spread(labelled, DRIFT_IMAGES), device, progress):
        translate = partial(candidate.keep_labels, dataset=dataset, labels=labels)
        for metric, values in drift(translate, inputs).items():
            outcomes.add(metric, values.tolist(), images.groups(indices))
    return outcomes


def score_real_images(
    scorer: Scorer, images: EvaluationImages, progress: Wrap = lambda starts: starts
) -> tuple[Outcomes, dict[str, Outcomes]]:
    """Reads the attributes of real test images; `progress` wraps the loop over batches.

    Returns:
        The outcomes of all attributes together, one per image and attribute; and those of each attribute by its name.
    """
    whole, attributes = Outcomes(), defaultdict[str, Outcomes](Outcomes)
    for indices, inputs, labels in images.batches(images.indices, scorer.device, progress):
        read, features = scorer.classifier.read(inputs)
        whole.add_features(scorer, inputs, features)
        groups = images.groups(indices)
        for attribute, part in images.source.schema.parts:
            unknown = labels[:, part].isnan().any(dim=1)
            wrong = attribute.error(read[:, part], labels[:, part]).float().amax(dim=1).masked_fill(unknown, torch.nan)
            metric = "real_regression_error" if attribute.continuous else "real_classification_error"
            attributes[attribute.name].add(metric, wrong.tolist(), groups)
            if not attribute.continuous:  # errors in different units have no mean
                whole.add(metric, wrong.tolist(), groups)
    return whole, dict(attributes)
