"""Runs a method on any number of images, in the batch size, precision and memory layout that suit the device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor

from stargan_fw.compute.machine import Precision, prefers_channels_last
from stargan_fw.errors import ModelError
from stargan_fw.interfaces.method import read_labels, require_across

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stargan_fw.interfaces import Method

PrecisionName = Literal["auto", "fp32", "bf16"]

# A GPU needs many images at once to be busy; the caches of a processor hold few.
BATCH_SIZE, CPU_BATCH_SIZE = 32, 8


class Engine:
    """Runs a method's networks.

    Args:
        method: a method whose translating networks have their weights on the device.
        device: the device to compute on.
        precision: "fp32", "bf16", or "auto", which is bf16 on GPUs that multiply it in hardware and else fp32. In bf16 the memory
            layout is channels last if that is faster; in fp32 it stays as in training, for the same bits.
        batch_size: images per call of the networks; None chooses by the device.

    Raises:
        ModelError: the batch size is below 1, or there is no such precision.
    """

    def __init__(
        self, method: Method, device: torch.device, *, precision: PrecisionName = "auto", batch_size: int | None = None
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise ModelError(f"The batch size is {batch_size}: give 1 or more.")
        if precision not in get_args(PrecisionName):
            raise ModelError(f"precision = {precision!r}: give {' or '.join(map(repr, get_args(PrecisionName)))}.")
        self._method, self._device, self._batch_size = method, device, batch_size
        self._exact = precision == "fp32"
        self._precision = Precision.choose(precision, device)
        last = self._precision.dtype is torch.bfloat16 and prefers_channels_last(device)
        self._layout = torch.channels_last if last else torch.contiguous_format
        for name in method.translating:
            method.networks[name].to(memory_format=self._layout)

    @property
    def batch_size(self) -> int:
        """The number of images that are read together, and in bf16 also translated together.

        On a processor in fp32 the default is 1: a larger batch would be faster, but would change the last bits.
        """
        if self._batch_size is not None:
            return self._batch_size
        if self._device.type != "cpu":
            return BATCH_SIZE
        return 1 if self._exact else CPU_BATCH_SIZE

    @torch.no_grad()
    def translate(self, images: Tensor, targets: Mapping[str, Tensor], sources: Mapping[str, Tensor]) -> Tensor:
        """Translates to labels of one dataset or of several, as the method does, in parts of the batch size.

        In fp32 without an explicit batch size all images are translated at once, because the last bits of a result
        depend on the images that are translated with it.

        Args:
            images: (B, 3, H, W) in [-1, 1].
            targets: by dataset, (B, d).
            sources: by the same datasets, (B, d); NaN if unknown.

        Returns:
            (B, 3, H, W) in fp32, on the images' own device.
        """
        size = len(images) if self._exact and self._batch_size is None else self.batch_size
        labels = (*targets.values(), *(sources[dataset] for dataset in targets))
        cuts = [torch.split(tensor, size) for tensor in (images, *labels)]
        return torch.cat([self._translate_part(list(targets), list(part)) for part in zip(*cuts, strict=True)])

    @torch.no_grad()
    def read_labels(self, images: Tensor, dataset: str) -> Tensor:
        """Reads labels as the method does, always in fp32: precision must not decide which labels an edit keeps."""
        parts = torch.split(images, self._batch_size or len(images))
        found = [read_labels(self._method, part.to(self._device), dataset) for part in parts]
        return torch.cat(found).to(images.device)

    def _translate_part(self, datasets: list[str], part: list[Tensor]) -> Tensor:
        images = part[0].to(self._device, memory_format=self._layout)
        labels = [tensor.to(self._device) for tensor in part[1:]]
        with self._precision.autocast():
            if len(datasets) == 1:
                result = self._method.translate(images, datasets[0], labels[0], labels[1])
            else:  # the first half of the labels are the targets
                targets, sources = (dict(zip(datasets, labels[at:], strict=False)) for at in (0, len(datasets)))
                result = require_across(self._method, datasets).translate_across(images, targets, sources)
        return result.to(part[0].device, torch.float32).contiguous()
