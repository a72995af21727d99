"""Runs a method over any number of images, in the batches, precision and memory layout that pay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from stargan_fw.compute.machine import Precision, compile_where_it_pays, prefers_channels_last
from stargan_fw.interfaces.method import read_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stargan_fw.interfaces import Method

PrecisionName = Literal["auto", "fp32", "bf16"]

# A GPU wants many images at once, a processor's caches hold few.
BATCH_SIZE, CPU_BATCH_SIZE = 32, 8
# Translations from which on compiling saves more seconds than it costs: about 15, for 8 ms of each 59 at 128 px on two
# AVX-512 cores. On GPUs it has not been measured, and does not happen.
WORTH_COMPILING = {"cpu": 4000}


class Engine:
    """Runs a method's networks.

    Attributes:
        precision_name: the precision that was asked for.
        given_batch_size: the batch size that was asked for; None leaves it to the device.
    """

    def __init__(
        self,
        method: Method,
        device: torch.device,
        precision: PrecisionName = "auto",
        translating: Sequence[str] = ("generator",),
    ) -> None:
        """Takes a method and the names of the networks that translate, which have their weights on the device."""
        self._method, self._device = method, device
        self._translating = {name: method.networks[name] for name in translating if name in method.networks}
        self.given_batch_size: int | None = None
        self._compiled = False
        self.set_precision(precision)

    @property
    def batch_size(self) -> int:
        """Images that are read together, and that in bf16 go through the network together.

        Of itself it is 1 on a processor that was told to compute in fp32: a larger batch is faster and changes the last
        bits.
        """
        if self.given_batch_size is not None:
            return self.given_batch_size
        if self._device.type != "cpu":
            return BATCH_SIZE
        return 1 if self._exact else CPU_BATCH_SIZE

    def set_batch_size(self, images: int) -> None:
        """Sends so many images through the network at once."""
        self.given_batch_size = images

    def set_precision(self, name: PrecisionName) -> None:
        """Computes in fp32, in bf16, or with "auto" in what is fastest: bf16 where the processor has it.

        In bf16 the networks are laid out channels last where that pays; in fp32 they stay as training had them, so that
        they give the same bits.
        """
        self._precision = Precision.choose(name, self._device)
        self.precision_name = name
        self._lay_out()

    def expect(self, translations: int) -> None:
        """Compiles the networks where so many translations pay for it; says so where it cannot."""
        worth = WORTH_COMPILING.get(self._device.type)
        if self._compiled or not self._bf16 or worth is None or translations < worth:
            return
        networks = [network for name, network in self._translating.items() if name in self._method.compilable]
        self._compiled = bool(networks) and compile_where_it_pays(networks, "on", self._precision, translations)
        self._lay_out()

    @torch.no_grad()
    def translate(self, images: Tensor, dataset: str, target: Tensor, source: Tensor) -> Tensor:
        """Translates as `Method.translate` does.

        A batch that is larger than the batch size is cut, but where fp32 was asked for only if that was set: the last bits
        of a result depend on what goes through the network with it.

        Returns:
            (B, 3, H, W) in fp32, on the images' own device.
        """
        whole = self._exact and self.given_batch_size is None
        size = len(images) if whole else self.batch_size
        cuts = [torch.split(tensor, size) for tensor in (images, target, source)]
        return torch.cat([self._translated(dataset, *part) for part in zip(*cuts, strict=True)])

    @torch.no_grad()
    def read_labels(self, images: Tensor, dataset: str) -> Tensor:
        """Reads labels as the method does, in fp32: precision must not decide what an edit keeps."""
        parts = torch.split(images, self.given_batch_size or len(images))
        found = [read_labels(self._method, part.to(self._device), dataset) for part in parts]
        return torch.cat(found).to(images.device)

    @property
    def _exact(self) -> bool:
        return self.precision_name == "fp32"

    @property
    def _bf16(self) -> bool:
        return self._precision.dtype is torch.bfloat16

    def _translated(self, dataset: str, images: Tensor, target: Tensor, source: Tensor) -> Tensor:
        count = len(images)
        if self._compiled and count < self.batch_size:  # another size would be compiled again
            images, target, source = (_filled(tensor, self.batch_size) for tensor in (images, target, source))
        on_device = images.to(self._device, memory_format=self._layout)
        with self._precision.autocast():
            result = self._method.translate(on_device, dataset, target.to(self._device), source.to(self._device))
        return result[:count].to(images.device, torch.float32).contiguous()

    def _lay_out(self) -> None:
        pays = self._bf16 and (self._compiled or prefers_channels_last(self._device))
        self._layout = torch.channels_last if pays else torch.contiguous_format
        for network in self._translating.values():
            network.to(memory_format=self._layout)


def _filled(tensor: Tensor, count: int) -> Tensor:
    return torch.cat([tensor, tensor[-1:].expand(count - len(tensor), *tensor.shape[1:])])
