"""Convolutions on CPUs: the same results as torch's, by the method that is fastest for the sizes at hand."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw_plugins.cpu import winograd
from stargan_fw_plugins.cpu.kernels import LINE, is_fp32_on_cpu, multiply
from stargan_fw_plugins.cpu.winograd import HALVED, SAME, Form, needed_gradients
from stargan_fw_plugins.faster_layers import SummedTaps

SMALL_MAP = 16  # pixels of the result; for larger maps torch's convolutions are faster
# Measured for the convolution to colours with 7×7 kernels, from 64 channels to 3.
COLOUR_KERNEL, COLOUR_CHANNELS, MOST_COLOURS = 7, 32, 4
ROWS, COLUMNS = 2, 4  # size of the block of pixels that is computed as channels


class FastConvolution(nn.Conv2d):
    """A convolution with square kernels, computed in one of four ways.

    - If the result has few pixels, a matrix product of patches and weights. Torch's kernels are made for large maps and few
      channels: with 1,024 to 2,048 channels on 4×4 pixels a matrix product takes a third of their time, and a quarter in
      bf16 training.
    - In fp32, for 3×3 kernels that keep the size and 4×4 kernels that halve it, Winograd's method (`winograd`).
    - In fp32, for large kernels from many channels to colours, 2×4 neighbouring pixels as channels, with shifted copies of
      the kernel inside a larger kernel of zeros. A CPU computes eight or sixteen channels at once, so three channels leave
      most units idle. At 128 pixels this takes half the time with AVX-512, and 0.9 of the time with AVX2.
    - In all other cases, torch's convolution.
    """

    @staticmethod
    def replaces(layer: nn.Module) -> bool:
        """Returns whether this class can replace a layer."""
        return (
            type(layer) is nn.Conv2d
            and _is_plain(layer)
            and all(len(set(sides)) == 1 for sides in (layer.kernel_size, layer.stride, layer.padding))
        )

    def forward(self, images: Tensor) -> Tensor:
        expected = images.dim() == 4 and images.shape[1] == self.in_channels
        if not expected or images.device.type != "cpu" or torch.compiler.is_exporting():
            return super().forward(images)
        kernel, stride, padding = self.kernel_size[0], self.stride[0], int(self.padding[0])
        height, width = ((side + 2 * padding - kernel) // stride + 1 for side in images.shape[2:])
        if min(height, width) > 0 and height * width <= SMALL_MAP:
            return self._of_patches(images, height, width)
        form = Form(kernel, stride)
        if form in (SAME, HALVED) and padding == 1 and winograd.pays(images, self.weight, form):
            return _with_bias(winograd.convolve(images, self.weight, form), self.bias)
        if self._makes_colours() and _fits_colours(images):
            return _with_bias(self._of_neighbours(images), self.bias)
        return super().forward(images)

    def _of_patches(self, images: Tensor, height: int, width: int) -> Tensor:
        kernel, stride, padding = self.kernel_size[0], self.stride[0], int(self.padding[0])
        patches = F.unfold(images, kernel, padding=padding, stride=stride).transpose(1, 2)
        if torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling():
            result = F.linear(patches, self.weight.flatten(1), self.bias)
        else:
            result = _Multiply.apply(patches.flatten(0, 1), self.weight, False)
            result = (result if self.bias is None else result + self.bias).unflatten(0, (len(images), height * width))
        return result.transpose(1, 2).view(len(images), self.out_channels, height, width)

    def _makes_colours(self) -> bool:
        return (
            self.kernel_size[0] == COLOUR_KERNEL
            and (self.stride[0], self.padding[0]) == (1, COLOUR_KERNEL // 2)
            and self.out_channels <= MOST_COLOURS
            and self.in_channels >= COLOUR_CHANNELS
        )

    def _of_neighbours(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        places = [(row, column) for row in range(ROWS) for column in range(COLUMNS)]
        moved = [F.pad(self.weight, (x, COLUMNS - 1 - x, y, ROWS - 1 - y)) for y, x in places]
        together = torch.stack(moved, dim=1).flatten(0, 1)
        result = F.conv2d(images, together, stride=(ROWS, COLUMNS), padding=self.padding)
        pixels = result.view(len(images), -1, ROWS, COLUMNS, height // ROWS, width // COLUMNS)
        return pixels.permute(0, 1, 4, 2, 5, 3).reshape(len(images), -1, height, width)


class FastTransposed(nn.ConvTranspose2d):
    """A 4×4 transposed convolution that doubles the size, in fp32 by Winograd's method (`winograd`)."""

    @staticmethod
    def replaces(layer: nn.Module) -> bool:
        """Returns whether this class can replace a layer."""
        return (
            type(layer) is nn.ConvTranspose2d
            and _is_plain(layer)
            and (layer.kernel_size, layer.stride) == ((HALVED.side,) * 2, (HALVED.stride,) * 2)
            and (layer.padding, layer.output_padding) == ((1, 1), (0, 0))
        )

    def forward(self, maps: Tensor, output_size: list[int] | None = None) -> Tensor:
        if output_size is not None or not winograd.pays_transposed(maps, self.weight):
            return super().forward(maps, output_size)
        return _with_bias(winograd.convolve_transposed(maps, self.weight), self.bias)


class FastGrowing(SummedTaps):
    """A 3×3 convolution of repeated pixels, in fp32 by Winograd's method (`winograd`)."""

    @staticmethod
    def replaces(layer: nn.Module) -> bool:
        """Returns whether this class can replace a layer."""
        return type(layer) is SummedTaps

    def _transposed(self, maps: Tensor, kernel: Tensor) -> Tensor:
        if not winograd.pays_transposed(maps, kernel):
            return super()._transposed(maps, kernel)
        return _with_bias(winograd.convolve_transposed(maps, kernel), self.bias)


def _is_plain(layer: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    """Returns whether a convolution has zero padding, one group and no dilation."""
    zeros = layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return zeros and layer.groups == 1 and set(layer.dilation) == {1}


def _fits_colours(images: Tensor) -> bool:
    plain = torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling()
    return images.dtype is torch.float32 and not plain and not images.shape[2] % ROWS and not images.shape[3] % COLUMNS


def _with_bias(result: Tensor, bias: Tensor | None) -> Tensor:
    return result if bias is None else result.add_(bias[:, None, None])


class _Multiply(torch.autograd.Function):
    """`rows · Wᵀ`, or its adjoint `rows · W`, with a gradient of the kernel that saves memory.

    A kernel of 2,048 by 1,024 channels has 134 MB. Torch adds its gradients from the images and from the penalty in place if
    each is a tensor of its own; it needs a third tensor if they are views.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, kernel: Tensor, adjoint: bool) -> Tensor:
        ctx.save_for_backward(rows, kernel)
        ctx.adjoint = adjoint
        matrix = kernel.flatten(1)
        return _product(rows, matrix if adjoint else matrix.T, rows.new_empty(len(rows), matrix.shape[adjoint]))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        rows, kernel = ctx.saved_tensors
        results, patches = (rows, gradient) if ctx.adjoint else (gradient, rows)
        needed = needed_gradients(ctx, (0, 1))
        return (
            _Multiply.apply(gradient, kernel, not ctx.adjoint) if 0 in needed else None,
            _outer(results, patches, kernel) if 1 in needed else None,
            None,
        )


def _outer(results: Tensor, patches: Tensor, kernel: Tensor) -> Tensor:
    """Returns a kernel's gradient: a new tensor, not a view, unless the gradient itself is to be differentiated."""
    if torch.is_grad_enabled():
        return (results.T @ patches).view_as(kernel)
    result = kernel.new_empty(kernel.shape)  # consecutive, whatever the kernel's layout
    _product(results.T, patches, result.view(len(kernel), -1))
    return result


def _product(first: Tensor, second: Tensor, result: Tensor) -> Tensor:
    fast = all(is_fp32_on_cpu(matrix) for matrix in (first, second, result))
    fitting = first.shape[1] == second.shape[0] and second.shape[1] % LINE == 0
    if fast and fitting and winograd.kernels_work():
        return multiply(first[None], second[None], result[None])[0]
    return torch.mm(first, second, out=result)
