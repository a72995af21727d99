"""Layers for the tensor cores of GPUs: the same results as torch's own, in channels-last layout and without copies.

Nobody has measured them on a GPU, so no device swaps them in by default.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw import Accelerator, hookimpl
from stargan_fw_plugins.faster_layers import SingleChannelNorm, SummedLabels
from stargan_fw_plugins.networks.attention_generator import ConditionalNorm
from stargan_fw_plugins.networks.stargan_generator import LabelledConvolution

CHANNELS = 8  # Tensor cores multiply bf16 channels by the eight.
HALVES = (torch.bfloat16, torch.float16)


def normalise(maps: Tensor, scale: Tensor | None, shift: Tensor | None, eps: float) -> Tensor:
    """Returns instance norm, computed in fp32 (fp64 for fp64 maps), with the layout and the data type of the maps.

    Subtracting the mean first keeps the digits of maps with a large mean.

    Args:
        maps: (B, channels, h, w).
        scale: broadcastable to the maps; None is 1.
        shift: broadcastable to the maps; None is 0.
        eps: is added to the variance.
    """
    values = maps if maps.dtype is torch.float64 else maps.float()
    variance, mean = torch.var_mean(values, dim=(2, 3), correction=0, keepdim=True)
    centred, factor = values - mean, torch.rsqrt(variance + eps)
    if scale is not None:
        factor = factor * scale
    result = centred * factor if shift is None else torch.addcmul(shift, centred, factor)
    return result.to(maps.dtype)


class LayoutKeepingNorm(nn.InstanceNorm2d):
    """Instance norm without a copy of channels-last maps, which torch's own makes."""

    @staticmethod
    def replaces(layer: nn.Module) -> bool:
        """Returns whether this class can replace a layer: an instance norm without running statistics."""
        return type(layer) in {nn.InstanceNorm2d, SingleChannelNorm} and not layer.track_running_stats

    def forward(self, maps: Tensor) -> Tensor:
        if maps.dim() != 4 or maps.shape[2:].numel() == 1:  # torch's own has a message for one pixel
            return super().forward(maps)
        scale, shift = (None if given is None else given[:, None, None] for given in (self.weight, self.bias))
        return normalise(maps, scale, shift, self.eps)


class LayoutKeepingConditionalNorm(ConditionalNorm):
    """A conditional norm without a copy of channels-last maps."""

    @staticmethod
    def replaces(layer: nn.Module) -> bool:
        """Returns whether this class can replace a layer."""
        return type(layer) is ConditionalNorm

    def _normalise(self, maps: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        if maps.shape[2:].numel() == 1:
            return super()._normalise(maps, scale, shift)
        return normalise(maps, scale[:, :, None, None], shift[:, :, None, None], 1e-5)


class _Padded(nn.Conv2d):
    """A convolution that pads channels with zeros to a multiple of eight in bf16 and fp16, and leaves out their results."""

    def _conv_forward(self, images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        kind = images.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else images.dtype
        if dtype not in HALVES or images.dim() != 4:
            plain: Tensor = super()._conv_forward(images, weight, bias)
            return plain
        before, after = (-channels % CHANNELS for channels in (weight.shape[1], weight.shape[0]))
        result: Tensor = F.conv2d(
            F.pad(images.to(dtype), (0, 0, 0, 0, 0, before)),
            F.pad(weight.to(dtype), (0, 0, 0, 0, 0, before, 0, after)),
            None if bias is None else F.pad(bias.to(dtype), (0, after)),
            self.stride,
            self.padding,
            self.dilation,
        )
        return result[:, : len(weight)]


class PaddedConvolution(_Padded):
    """A convolution from or to few channels, such as colours, padded in bf16 and fp16."""

    @staticmethod
    def replaces(layer: nn.Module) -> bool:
        """Returns whether this class can replace a layer."""
        return type(layer) is nn.Conv2d and _can_be_padded(layer)


class PaddedLabels(_Padded, LabelledConvolution):
    """A convolution over an image and constant label planes, padded in bf16 and fp16."""

    @staticmethod
    def replaces(layer: nn.Module) -> bool:
        """Returns whether this class can replace a layer."""
        return type(layer) is LabelledConvolution and _can_be_padded(layer)


class PaddedSums(_Padded, SummedLabels):
    """A convolution over an image alone, padded in bf16 and fp16; the labels are added without planes."""

    @staticmethod
    def replaces(layer: nn.Module) -> bool:
        """Returns whether this class can replace a layer."""
        return type(layer) is SummedLabels


def _can_be_padded(layer: nn.Conv2d) -> bool:
    uneven = layer.in_channels % CHANNELS or layer.out_channels % CHANNELS
    return bool(uneven) and layer.groups == 1 and layer.padding_mode == "zeros"


class SubpixelUpsampling(nn.ConvTranspose2d):
    """A 4×4 transposed convolution that doubles the size, as a 2×2 convolution to four times the channels.

    Each result depends on 2×2 pixels of the input, with the weights that its row and its column, even or odd, select. So a
    convolution over all 2×2 pixels gives four results each, which are then put in their places (sub-pixel convolution, Shi
    et al., 2016). It has the products of the transposed convolution and no others.
    """

    @staticmethod
    def replaces(layer: nn.Module) -> bool:
        """Returns whether this class can replace a layer."""
        return (
            type(layer) is nn.ConvTranspose2d
            and (layer.kernel_size, layer.stride, layer.padding) == ((4, 4), (2, 2), (1, 1))
            and (layer.output_padding, layer.dilation, layer.groups) == ((0, 0), (1, 1), 1)
        )

    def forward(self, maps: Tensor, output_size: list[int] | None = None) -> Tensor:
        if output_size is not None or maps.dim() != 4:
            return super().forward(maps, output_size)
        # Of a window, the first pixel meets the kernel's places 2 and 3 and the second one 0 and 1; each pair is an odd place
        # of the result, then the even one after it.
        kernel = self.weight.reshape(self.in_channels, -1, 2, 2, 2, 2).flip(2, 4)
        kernel = kernel.permute(3, 5, 1, 0, 2, 4).flatten(0, 2)
        bias = None if self.bias is None else self.bias.repeat(4)
        return _in_places(F.conv2d(maps, kernel, bias, padding=1), self.out_channels)


def _in_places(results: Tensor, channels: int) -> Tensor:
    """Puts (B, 2 · 2 · channels, h + 1, w + 1) into rows and columns and cuts off the border: (B, channels, 2h, 2w)."""
    count, _, rows, columns = results.shape
    parts = results.view(count, 2, 2, channels, rows, columns)
    if results.is_contiguous():
        whole = parts.permute(0, 3, 4, 1, 5, 2).reshape(count, channels, 2 * rows, 2 * columns)
    else:
        whole = parts.permute(0, 4, 1, 5, 2, 3).reshape(count, 2 * rows, 2 * columns, channels).permute(0, 3, 1, 2)
    return whole[:, :, 1:-1, 1:-1]


class _ForGPUs(Accelerator):
    """Swaps the layers that one of some kinds replaces."""

    kinds: ClassVar[tuple[Any, ...]]
    unmeasured_on: ClassVar[frozenset[str]] = frozenset({"cuda", "mps"})

    def suits(self, device: torch.device) -> bool:  # noqa: ARG002 - not measured on any
        return False

    def accelerate(self, network: nn.Module) -> nn.Module:
        for layer in network.modules():
            for kind in self.kinds:
                if kind.replaces(layer):
                    layer.__class__ = kind
        return network


class LayoutKeepingNorms(_ForGPUs):
    """Instance norms and conditional norms that copy no channels-last maps."""

    name = "gpu_norms"
    kinds = (LayoutKeepingNorm, LayoutKeepingConditionalNorm)


class PaddedChannels(_ForGPUs):
    """Convolutions from and to few channels, such as colours, with eights of channels in bf16."""

    name = "gpu_channels"
    kinds = (PaddedConvolution, PaddedLabels, PaddedSums)


class SubpixelConvolutions(_ForGPUs):
    """Transposed convolutions as ordinary ones."""

    name = "gpu_upsampling"
    kinds = (SubpixelUpsampling,)


@hookimpl
def register_accelerators(register: Callable[[type[Accelerator]], None]) -> None:
    for accelerator in (LayoutKeepingNorms, PaddedChannels, SubpixelConvolutions):
        register(accelerator)
