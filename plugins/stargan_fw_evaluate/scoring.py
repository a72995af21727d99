"""Translates test images to every target and measures the translations."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from stargan_fw.data.images import open_image
from stargan_fw.errors import PluginError
from stargan_fw.interfaces import Counterfactual
from stargan_fw.rendering.pictures import pixels_to_tensor, to_tensor
from stargan_fw_evaluate.metrics import compare

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from PIL import Image

    from stargan_fw.data.source import Source
    from stargan_fw.data.store import Store
    from stargan_fw_evaluate.candidate import Candidate
    from stargan_fw_evaluate.classifier import LabelClassifier
    from stargan_fw_evaluate.evaluation_request import LabelTarget

BATCH = 32


def find_ground_truth(source: Source, store: Store) -> tuple[Counterfactual | None, str]:
    """Returns the dataset if it can draw the true results, which it shows by drawing a test example as it is on disk.

    Returns:
        The dataset or None; and a note if the true pictures are missing although the dataset should have them, or "".
    """
    dataset, index = source.dataset, source.test[0]
    if not isinstance(dataset, Counterfactual):
        return None, ""
    try:
        again = dataset.counterfactual(source.examples[index], {})
    except PluginError as error:
        return None, f"The true pictures of '{source.alias}' are left out: {error}"
    if again is None:
        return None, ""
    drawn = np.asarray(_crop_as(source, index, again, store.image_size))
    if not np.array_equal(drawn, store.read([index])[0]):
        return None, (
            f"The true pictures of '{source.alias}' are left out: '{source.name_of(index)}' is drawn otherwise now. "
            "Draw the data again."
        )
    return dataset, ""


def _crop_as(source: Source, index: int, picture: Image.Image, image_size: int) -> Image.Image:
    """Returns another picture of an example, cropped to the example's own square and resized.

    A crop that searches, such as one for faces, may find another square on the other picture.
    """
    example = source.examples[index]
    with open_image(example.image) as image:
        region = source.options.region(source.options.upright(image), example.crop)
    return source.options.cut(source.options.upright(picture), region, image_size)


@dataclass(frozen=True)
class EvaluationImages:
    """The images that are translated.

    Attributes:
        source: the images' dataset.
        store: the decoded images.
        indices: the positions of the images among the dataset's examples.
        truth: the dataset, if it can draw the true results of translations.
    """

    source: Source
    store: Store
    indices: Sequence[int]
    truth: Counterfactual | None = None

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

    def true_pictures(self, indices: Sequence[int], target: LabelTarget) -> list[Tensor | None]:
        """Returns the true result (3, H, W) in [-1, 1] for each example; None if the dataset cannot draw it."""
        if self.truth is None:
            return [None] * len(indices)
        size = self.store.image_size
        drawn = [self.truth.counterfactual(self.source.examples[index], target.change) for index in indices]
        return [
            None if picture is None else to_tensor([_crop_as(self.source, index, picture, size)])[0]
            for index, picture in zip(indices, drawn, strict=True)
        ]

    def batches(self, indices: Sequence[int], device: torch.device) -> Iterator[tuple[list[int], Tensor, Tensor]]:
        """Yields batches: the indices, the images (B, 3, H, W) in [-1, 1] and the labels (B, d)."""
        for start in range(0, len(indices), BATCH):
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
        readers: look for further labels.
    """

    classifier: LabelClassifier
    inception: Callable[[Tensor], Tensor] | None
    device: torch.device
    readers: Sequence[LabelReader] = ()


@dataclass
class Outcomes:
    """The measurements of the images that were translated to one target.

    Attributes:
        values: by metric, one value per image.
        groups: by metric, the group of each value; see `EvaluationImages.groups`.
        features: by feature space ("classifier", "inception"), the translations' features in batches.
        read: by name of a reader's label, the shares of translations and inputs that show it.
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
        """Adds the classifier's features of images, and their Inception features if the scorer computes them."""
        self.features["classifier"].append(features.cpu())
        if scorer.inception:
            self.features["inception"].append(scorer.inception(images).cpu())

    def add_read(
        self, readers: Iterable[LabelReader], inputs: Tensor, translated: Tensor, groups: Sequence[Hashable]
    ) -> None:
        """Adds which translations, and which of their inputs, show each reader's label."""
        for reader in readers:
            shares = self.read.setdefault(reader.label.name, Outcomes())
            shares.add("share_read", reader.read(translated), groups)
            shares.add("share_read_of_input", reader.read(inputs), groups)

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


def score_target(candidate: Candidate, scorer: Scorer, images: EvaluationImages, target: LabelTarget) -> Outcomes:
    """Translates images to a target and measures the results.

    If the images are of the target's own dataset, their true labels serve as current labels, and translating back is
    measured too. For images of another dataset these labels are unknown, so nothing is translated back.
    """
    outcomes = Outcomes()
    for indices, inputs, labels in images.batches(images.select(target), scorer.device):
        current = labels if images.are_labelled_for(target) else None
        translated, possible = candidate.translate(inputs, target, current)
        outcomes.refused += int((~possible).sum())
        if not possible.any():
            continue
        places = torch.nonzero(possible).flatten()
        kept = [indices[place] for place in places.tolist()]
        known = None if current is None else current[places]
        batch = _Batch(kept, images.groups(kept), inputs[places], translated[places], known)
        _score(candidate, scorer, target, batch, outcomes)
        _compare_with_truth(images, target, batch, outcomes)
    return outcomes


def _score(candidate: Candidate, scorer: Scorer, target: LabelTarget, batch: _Batch, outcomes: Outcomes) -> None:
    read, features = scorer.classifier.read(batch.translated)
    outcomes.add("classification_error", (~target.matches(read)).float().tolist(), batch.groups)
    outcomes.add_features(scorer, batch.translated, features)
    outcomes.add_read(scorer.readers, batch.images, batch.translated, batch.groups)
    if batch.labels is not None:
        back, possible = candidate.restore(batch.translated, target, batch.labels)
        errors = (back - batch.images).abs().flatten(1).mean(1)
        outcomes.add("reconstruction_l1", errors.masked_fill(~possible, torch.nan).tolist(), batch.groups)


def _compare_with_truth(images: EvaluationImages, target: LabelTarget, batch: _Batch, outcomes: Outcomes) -> None:
    pictures = images.true_pictures(batch.indices, target)
    known = [place for place, picture in enumerate(pictures) if picture is not None]
    if not known:
        return
    true = torch.stack([picture for picture in pictures if picture is not None]).to(batch.images.device)
    for metric, values in compare(batch.translated[known], batch.images[known], true).items():
        outcomes.add(metric, values.tolist(), [batch.groups[place] for place in known])


def score_real_images(scorer: Scorer, images: EvaluationImages) -> tuple[Outcomes, dict[str, Outcomes]]:
    """Reads the attributes of real test images.

    Returns:
        The outcomes of all attributes together, one per image and attribute; and those of each attribute by its name.
    """
    whole, attributes = Outcomes(), defaultdict[str, Outcomes](Outcomes)
    for indices, inputs, labels in images.batches(images.indices, scorer.device):
        read, features = scorer.classifier.read(inputs)
        whole.add_features(scorer, inputs, features)
        groups = images.groups(indices)
        for attribute, part in images.source.schema.parts:
            unknown = labels[:, part].isnan().any(dim=1)
            wrong = (read[:, part] != labels[:, part]).any(dim=1).float().masked_fill(unknown, torch.nan)
            for outcomes in (whole, attributes[attribute.name]):
                outcomes.add("real_classification_error", wrong.tolist(), groups)
    return whole, dict(attributes)
