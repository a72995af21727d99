"""Layers that compute the same as torch's with less work on every device, put in their place after a network is built."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw import Accelerator, hookimpl
from stargan_fw_plugins.networks.stargan_generator import LabelledConvolution, exact_dtype
from stargan_fw_plugins.networks.unet_generator import GrowingConvolution


def shorten(network: nn.Module) -> nn.Module:
    """Swaps layers of a network for those of this file, which keep their parameters and settings.

    Args:
        network: is changed in place.

    Returns:
        The network.
    """
    for layer in network.modules():
        for kind in (SummedLabels, SummedTaps, ConstantSlopes, SingleChannelNorm):
            if kind.replaces(layer):
                layer.__class__ = kind
    return network


class SummedLabels(LabelledConvolution):
    """A convolution over an image and constant label planes, which are never made.

    Over a constant plane with zero padding p, a convolution of 2p + 1 pixels has as many distinct rows and columns: p at
    each border and one between them, which repeats. So each label's kernel is summed over the pixels that it covers at
    those (2p + 1)² places, the labels weigh the sums, and the middle is stretched. The result is exact, and its cost
    hardly depends on the number of labels.
    """

    @staticmethod
    def replaces(layer: nn.Module) -> bool:
        """Returns whether this kind of layer can take another's place."""
        return type(layer) is LabelledConvolution

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]
        colours, side = images.shape[1], self.kernel_size[0]
        if min(images.shape[2:]) < side:
            return super().forward(images, labels)
        over_images, over_labels = self.weight[:, :colours], self.weight[:, colours:]
        exact = exact_dtype(images.device)
        sums = over_labels.to(exact).flatten(2) @ _coverage(side, over_labels.device).to(exact)
        distinct = labels.to(exact) @ sums.transpose(0, 1).flatten(1)
        rows = _stretched(distinct.to(images.dtype).view(len(labels), -1, side, side), 2, images.shape[2])
        planes = _stretched(rows, 3, images.shape[3])
        result: Tensor = self._conv_forward(images, over_images, None)
        # In bf16 the sum would round away what instance norm leaves of a label.
        return result.add_(planes) if result.dtype is planes.dtype else result + planes


def _coverage(side: int, device: torch.device) -> Tensor:
    """Tells which taps of a kernel lie on a plane of the kernel's own size: (taps, places) of 0 and 1."""
    taps, places = torch.arange(side, device=device)[:, None], torch.arange(side, device=device)
    met = (taps + places - side // 2).clamp(0, side - 1) == taps + places - side // 2
    return torch.kron(met.float(), met.float())


def _stretched(distinct: Tensor, dim: int, size: int) -> Tensor:
    """Repeats the middle of a dimension of odd length until the dimension is `size` long."""
    border = distinct.shape[dim] // 2
    first, middle, last = torch.split(distinct, [border, 1, border], dim)
    shape = [-1] * distinct.ndim
    shape[dim] = size - 2 * border
    return torch.cat([first, middle.expand(shape), last], dim)


class SummedTaps(GrowingConvolution):
    """A 3×3 convolution of repeated pixels, computed as a transposed 4×4 convolution of those that are not repeated.

    Two of three taps in a row lie on the same pixel, once it is repeated, so that their sum can weigh it: four products give a
    result instead of nine, and the large maps are never made.
    """

    @staticmethod
    def replaces(layer: nn.Module) -> bool:
        """Returns whether this kind of layer can take another's place."""
        return (
            type(layer) is GrowingConvolution
            and (layer.kernel_size, layer.stride, layer.padding, layer.dilation) == ((3, 3), (1, 1), (1, 1), (1, 1))
            and (layer.padding_mode, layer.groups) == ("zeros", 1)
        )

    def forward(self, maps: Tensor) -> Tensor:
        if maps.dim() != 4 or torch.compiler.is_exporting():
            return super().forward(maps)
        return self._transposed(maps, _summed_taps(_summed_taps(self.weight, 2), 3).transpose(0, 1))

    def _transposed(self, maps: Tensor, kernel: Tensor) -> Tensor:
        return F.conv_transpose2d(maps, kernel, self.bias, stride=2, padding=1)


def _summed_taps(kernel: Tensor, dim: int) -> Tensor:
    """Returns what three taps over repeated pixels are as four taps of a transposed convolution."""
    first, middle, last = kernel.unbind(dim)
    return torch.stack([last, middle + last, first + middle, first], dim)


class SingleChannelNorm(nn.InstanceNorm2d):
    """Instance norm, computed as group norm whose groups are single channels.

    torch's own goes by way of batch norm, which takes two to five times as long on processors.
    """

    @staticmethod
    def replaces(layer: nn.Module) -> bool:
        """Returns whether this kind of layer can take another's place: if that has no running statistics."""
        return type(layer) is nn.InstanceNorm2d and not layer.track_running_stats

    def forward(self, maps: Tensor) -> Tensor:
        if maps.dim() != 4 or maps.shape[2:].numel() == 1:
            return super().forward(maps)
        return F.group_norm(maps, self.num_features, self.weight, self.bias, self.eps)


class ConstantSlopes(nn.LeakyReLU):
    """LeakyReLU whose slopes count as constants if its gradient is differentiated, as in a gradient penalty.

    They are constants: they change only where x crosses zero. torch's own passes zeros on to x instead, with which a
    gradient penalty then computes the backward pass of every layer for nothing, a fifth of a critic's update.
    """

    @staticmethod
    def replaces(layer: nn.Module) -> bool:
        """Returns whether this kind of layer can take another's place: if its results tell which slope was taken."""
        return type(layer) is nn.LeakyReLU and layer.negative_slope >= 0 and not layer.inplace

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_compiling():  # a compiled `torch.func.grad` loses what a torch.autograd.Function has saved
            return torch.where(x > 0, x, self.negative_slope * x)
        result: Tensor = _Leak.apply(x, self.negative_slope)
        return result


class _Leak(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float) -> Tensor:
        result = F.leaky_relu(x, slope)
        ctx.save_for_backward(result)
        ctx.slope = slope
        ctx.set_materialize_grads(False)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> tuple[Tensor | None, None]:
        if gradient is None:
            return None, None
        (result,) = ctx.saved_tensors
        return torch.ops.aten.leaky_relu_backward(gradient, result.detach(), ctx.slope, True), None


class Shortcuts(Accelerator):
    """Label planes that are never made, and derivatives that are never needed."""

    name = "faster_layers"
    unmeasured_on = frozenset({"cuda", "mps"})

    def suits(self, device: torch.device) -> bool:
        return device.type == "cpu"

    def accelerate(self, network: nn.Module) -> nn.Module:
        return shorten(network)


@hookimpl
def register_accelerators(register: Callable[[type[Accelerator]], None]) -> None:
    register(Shortcuts)
