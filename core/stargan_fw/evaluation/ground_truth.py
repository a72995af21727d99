"""Translations against the true picture, where the dataset can draw it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from stargan_fw.data.images import prepare
from stargan_fw.errors import PluginError
from stargan_fw.evaluation.distances import can_measure
from stargan_fw.interfaces import Counterfactual
from stargan_fw.rendering.pictures import to_tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from stargan_fw.data.source import Source
    from stargan_fw.data.store import Store
    from stargan_fw.evaluation.targets import Target

CHANGED = 16 / 255  # of the range of a channel, above which a pixel of the true picture counts as changed
SMALLEST_ERROR = 1e-10  # 100 dB


@dataclass(frozen=True)
class GroundTruth:
    """The true pictures of one dataset.

    Attributes:
        source: the dataset with its examples.
        dataset: draws them.
        image_size: side in pixels.
    """

    source: Source
    dataset: Counterfactual
    image_size: int

    @classmethod
    def of(cls, source: Source, store: Store) -> tuple[GroundTruth | None, str]:
        """Returns them if the dataset has them, which it shows by drawing a test example as it is on disk.

        Returns:
            The true pictures or None, and why there are none where that is a surprise, or "".
        """
        dataset, index = source.dataset, source.test[0]
        if not isinstance(dataset, Counterfactual):
            return None, ""
        truth = cls(source, dataset, store.image_size)
        try:
            again = dataset.counterfactual(source.examples[index], {})
        except PluginError as error:
            return None, f"The true pictures of '{source.alias}' are left out: {error}"
        if again is None:
            return None, ""
        if not np.array_equal(np.asarray(truth._prepared(again)), store.read([index])[0]):
            return None, (
                f"The true pictures of '{source.alias}' are left out: '{source.name_of(index)}' is drawn otherwise now. "
                "Draw the data again."
            )
        return truth, ""

    def pictures(self, indices: Sequence[int], target: Target) -> list[Tensor | None]:
        """Returns the true picture (3, H, W) in [-1, 1] of each example; None where nobody can say what it is."""
        drawn = [self.dataset.counterfactual(self.source.examples[index], target.change) for index in indices]
        return [None if image is None else to_tensor([self._prepared(image)])[0] for image in drawn]

    def _prepared(self, image: Image.Image) -> Image.Image:
        return prepare(image, self.image_size, self.source.dataset.crop_size)


def compare(images: Tensor, inputs: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """Measures translations against the true pictures.

    Args:
        images: translations, (B, 3, H, W) in [-1, 1].
        inputs: what they were translated from, likewise.
        truth: the true pictures, likewise.

    Returns:
        By name, (B,): `psnr` in dB and `ssim`, of the translation; `psnr_of_input`, what leaving the input as it is
        would give; `identity_error`; see the functions. Without torchmetrics there is no `ssim`.
    """
    images, inputs, truth = ((batch.float().clamp(-1, 1) + 1) / 2 for batch in (images, inputs, truth))
    found = {
        "psnr": psnr(images, truth),
        "psnr_of_input": psnr(inputs, truth),
        "identity_error": identity_error(images, inputs, truth),
    }
    return {**found, "ssim": ssim(images, truth)} if can_measure() else found


def psnr(images: Tensor, truth: Tensor) -> Tensor:
    """Returns `−10 log₁₀ MSE` of each image in dB, at most 100; (B, 3, H, W) in [0, 1] to (B,)."""
    squared = (images - truth).square().flatten(1).mean(1)
    return -10 * squared.clamp(min=SMALLEST_ERROR).log10()


def ssim(images: Tensor, truth: Tensor) -> Tensor:
    """Returns the structural similarity of each image (Wang et al., 2004); (B, 3, H, W) in [0, 1] to (B,)."""
    from torchmetrics.functional.image import structural_similarity_index_measure  # noqa: PLC0415 - optional, slow

    # In single precision the variance of a flat wall drowns in what is cancelled.
    both = images.double(), truth.double()
    values = structural_similarity_index_measure(*both, data_range=1.0, reduction="none")
    return torch.as_tensor(values).float().reshape(len(images))


def identity_error(images: Tensor, inputs: Tensor, truth: Tensor) -> Tensor:
    """Returns how much of the person was changed that should have stayed.

    The mean absolute difference between translation and input, over the pixels at which the true picture is the input:
    where no channel differs by more than 16 of 255, which compression alone may do.

    Args:
        images: translations, (B, 3, H, W) in [0, 1].
        inputs: what they were translated from, likewise.
        truth: the true pictures, likewise.

    Returns:
        (B,), 0 to 1; NaN where every pixel should change.
    """
    stays = ((truth - inputs).abs() <= CHANGED).all(dim=1, keepdim=True).expand_as(images).float()
    return ((images - inputs).abs() * stays).flatten(1).sum(1) / stays.flatten(1).sum(1)
