"""What generators and discriminators promise: see `stargan_fw.Generator` and `stargan_fw.Discriminator`."""

from __future__ import annotations

import inspect
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from stargan_fw import evaluating
from stargan_fw.errors import ConfigError
from stargan_fw_scaffold.faults import FaultError

if TYPE_CHECKING:
    from stargan_fw_scaffold.faults import Check, Given
    from stargan_fw_scaffold.target import Found

SIZES = (32, 64, 128, 256)  # the smallest that a network accepts is checked
LABELS = 5


class NetworkSubject:
    """A network, its options, and the smallest image size that it accepts."""

    def __init__(self, found: Found, given: Given) -> None:
        self.kind: Any = found.item
        self.options = given.options or {}

    @property
    def labels(self) -> int:
        """The number of labels to build the network with."""
        return LABELS

    @cached_property
    def size(self) -> int:
        """The side of the images in pixels."""
        for size in SIZES[:-1]:
            try:
                with torch.device("meta"):
                    self.kind(image_size=size, label_dim=self.labels, **self.options)
            except ConfigError:
                continue
            return size
        return SIZES[-1]

    def build(self, label_dim: int | None = None) -> nn.Module:
        """Builds the network anew, with the same weights each time."""
        torch.manual_seed(0)
        labels = self.labels if label_dim is None else label_dim
        network: nn.Module = self.kind(image_size=self.size, label_dim=labels, **self.options)
        return network

    def images(self, count: int = 2, size: int | None = None) -> Tensor:
        """Returns random images in [-1, 1]."""
        side = size or self.size
        return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1

    def apply(self, network: nn.Module, images: Tensor) -> Tensor:
        """Returns what the network makes of images."""
        raise NotImplementedError


class GeneratorSubject(NetworkSubject):
    """A generator."""

    @property
    def labels(self) -> int:
        return LABELS if self.kind.conditional else 0

    def apply(self, network: nn.Module, images: Tensor) -> Tensor:
        result: Tensor = network(images, self.targets(len(images)))
        return result

    def targets(self, count: int) -> Tensor:
        """Returns another label for each image."""
        return torch.eye(LABELS)[torch.arange(count) % LABELS, : self.labels]


class DiscriminatorSubject(NetworkSubject):
    """A discriminator."""

    def apply(self, network: nn.Module, images: Tensor) -> Tensor:
        scores: Tensor = network.score_images(images)  # type: ignore[operator]
        return scores


def it_is_built_from_image_size_and_label_dim(subject: NetworkSubject) -> None:
    parameters = inspect.signature(subject.kind).parameters.values()
    missing = [
        one.name for one in parameters if one.default is one.empty and one.name not in {"image_size", "label_dim"}
    ]
    needed = [name for name in missing if name not in subject.options and name not in {"args", "kwargs"}]
    if needed:
        raise FaultError(
            f"needs the argument {needed[0]}, which nobody passes", f"Give it a default: {needed[0]}=…, after a *."
        )
    subject.build()


def it_keeps_the_shape(subject: NetworkSubject) -> None:
    images = subject.images()
    shape = subject.apply(subject.build(), images).shape
    if shape != images.shape:
        raise FaultError(
            f"makes images of shape {tuple(shape)} of images of shape {tuple(images.shape)}",
            "Undo in forward every stride and crop that shrinks the image.",
        )


def it_stays_in_range(subject: NetworkSubject) -> None:
    result = subject.apply(subject.build(), subject.images())
    if not result.isfinite().all():
        raise FaultError("makes values that are not finite", "Look for a division or a root of 0 in forward.")
    if result.abs().max() > 1:
        raise FaultError(
            f"makes values up to {result.abs().max():.2f}, outside of [-1, 1]", "End forward with torch.tanh."
        )


def it_scores_patches(subject: NetworkSubject) -> None:
    scores = subject.apply(subject.build(), subject.images())
    if scores.ndim != 4 or scores.shape[:2] != (2, 1):
        raise FaultError(
            f"scores 2 images with shape {tuple(scores.shape)}, not (2, 1, h, w)",
            "Return such scores from forward, or from score_images if forward returns more.",
        )
    if not scores.isfinite().all():
        raise FaultError("gives scores that are not finite", "Look for a division or a root of 0 in forward.")


def evaluation_leaves_its_state_alone(subject: NetworkSubject) -> None:
    network = subject.build()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with evaluating(network), torch.no_grad():
        first, second = (subject.apply(network, subject.images()) for _ in range(2))
    for name, value in network.state_dict().items():
        if not torch.equal(value, before[name]):
            raise FaultError(f"changes its state '{name}' in evaluation mode", "Change it only `if self.training:`.")
    if not torch.equal(first, second):
        raise FaultError(
            "makes something else of the same images at the second call in evaluation mode",
            "Draw no random numbers there, and keep nothing from call to call.",
        )


def each_image_is_computed_for_itself(subject: NetworkSubject) -> None:
    network = subject.build()
    images = subject.images()
    with evaluating(network), torch.no_grad():
        before = subject.apply(network, images)[0]
        after = subject.apply(network, torch.stack([images[0], images[1].flip(-1).neg()]))[0]
    if not torch.allclose(before, after, rtol=1e-3, atol=1e-4):
        raise FaultError(
            "makes something else of an image if another image is beside it in the batch",
            "Let no layer take means over the batch in evaluation mode; InstanceNorm2d does not.",
        )


def gradients_reach_every_parameter(subject: NetworkSubject) -> None:
    network = subject.build()
    images = subject.images().requires_grad_()
    result = network(images) if isinstance(subject, DiscriminatorSubject) else subject.apply(network, images)
    parts = result if isinstance(result, tuple | list) else (result,)
    sum((part - 0.5).square().mean() for part in parts if part.numel()).backward()
    idle = [name for name, p in network.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    if idle:
        raise FaultError(
            f"never trains its parameter '{idle[0]}', which no gradient reaches",
            "Use it in forward, without detach or no_grad; or remove it.",
        )
    if images.grad is None or not images.grad.flatten(1).any(dim=1).all():
        raise FaultError("passes no gradient to its images", "Leave out detach and no_grad in forward.")


def it_works_without_labels(subject: NetworkSubject) -> None:
    images = subject.images()
    try:
        subject.build(0)(*([images, torch.zeros(2, 0)] if isinstance(subject, GeneratorSubject) else [images]))
    except Exception as error:
        raise FaultError(
            f"fails with label_dim=0: {type(error).__name__}: {error}",
            "Methods with one model for each pair of domains build it so: let it work with labels of shape (B, 0).",
        ) from error


def every_label_changes_the_image(subject: NetworkSubject) -> None:
    if not subject.labels:
        return
    network = subject.build()
    image = subject.images(1)
    with evaluating(network), torch.no_grad():
        before = network(image, torch.zeros(1, LABELS))
        for number, row in enumerate(torch.eye(LABELS)):
            if (network(image, row[None]) - before).abs().max() < 1e-6:
                raise FaultError(
                    f"makes the same image with label {number} as without it",
                    "Use all of `labels` in forward, as further channels for example.",
                )


def labels_are_refused_if_it_cannot_follow_them(subject: NetworkSubject) -> None:
    if subject.labels:
        return
    try:
        subject.build(1)
    except ConfigError:
        return
    raise FaultError(
        "has conditional = False, and accepts label_dim=1", "Raise stargan_fw.errors.ConfigError if label_dim > 0."
    )


def label_axes_say_where_labels_are(subject: NetworkSubject) -> None:
    if not subject.labels:
        return
    few, many = subject.build(), subject.build(LABELS + 2)
    axes = few.label_axes()  # type: ignore[operator]
    if axes is None:
        return
    shapes = {name: value.shape for name, value in many.state_dict().items()}
    for name, value in few.state_dict().items():
        grown = list(value.shape)
        if name in axes:
            grown[axes[name][0]] += 2
        if list(shapes.get(name, ())) != grown:
            raise FaultError(
                f"has '{name}' of shape {tuple(value.shape)} with {LABELS} labels and {tuple(shapes.get(name, ()))} with "
                f"{LABELS + 2}, other than label_axes() says",
                "List there each parameter that grows with the labels, with its axis and the first label's index.",
            )


def other_sizes_work_if_it_says_so(subject: NetworkSubject) -> None:
    multiple = subject.kind.size_multiple
    if not multiple:
        return
    images = subject.images(size=subject.size + multiple)
    try:
        shape = subject.apply(subject.build(), images).shape
    except RuntimeError as error:
        raise FaultError(
            f"has size_multiple = {multiple}, and fails at {images.shape[-1]} pixels: {error}", "Set it to None."
        ) from error
    if shape != images.shape:
        raise FaultError(
            f"has size_multiple = {multiple}, and makes {shape[-1]} of {images.shape[-1]} pixels", "Set it to None."
        )


_BOTH: tuple[Check, ...] = (
    evaluation_leaves_its_state_alone,
    each_image_is_computed_for_itself,
    gradients_reach_every_parameter,
    it_works_without_labels,
    label_axes_say_where_labels_are,
)
GENERATOR_CHECKS: tuple[Check, ...] = (
    it_is_built_from_image_size_and_label_dim,
    it_keeps_the_shape,
    it_stays_in_range,
    *_BOTH,
    every_label_changes_the_image,
    labels_are_refused_if_it_cannot_follow_them,
    other_sizes_work_if_it_says_so,
)
DISCRIMINATOR_CHECKS: tuple[Check, ...] = (it_is_built_from_image_size_and_label_dim, it_scores_patches, *_BOTH)
