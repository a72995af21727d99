"""A convolution that computes small maps as a matrix product."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw_plugins.networks.gradients import asked_for
from stargan_fw_plugins.networks.native import LINE, available
from stargan_fw_plugins.networks.products import fp32_here, multiply
from stargan_fw_plugins.networks.winograd import HALVED, Form, convolve, pays

SMALL_MAP = 16  # pixels of the result, and fewer: above, a processor's convolutions are the faster


class PatchConvolution(nn.Conv2d):
    """A strided convolution, as a product of patches and weights where the result is a few pixels on a processor.

    Kernels for convolutions are made for large maps and few channels: with 1,024 to 2,048 channels on 4×4 pixels a
    matrix product takes a third of their time, in training a quarter in bf16. GPUs choose such kernels themselves.

    Square kernels without dilation or groups; (B, c, h, w) in and out as of `nn.Conv2d`.
    """

    def forward(self, images: Tensor) -> Tensor:
        kernel, stride, padding = self.kernel_size[0], self.stride[0], int(self.padding[0])
        height, width = ((side + 2 * padding - kernel) // stride + 1 for side in images.shape[2:])
        if images.device.type != "cpu" or height * width > SMALL_MAP or torch.compiler.is_exporting():
            return self._of_large_maps(images)
        patches = F.unfold(images, kernel, padding=padding, stride=stride).transpose(1, 2)
        if torch.is_autocast_enabled("cpu"):
            result = F.linear(patches, self.weight.flatten(1), self.bias)
        else:
            result = _Multiply.apply(patches.flatten(0, 1), self.weight, False)
            result = (result if self.bias is None else result + self.bias).unflatten(0, (len(images), height * width))
        return result.transpose(1, 2).view(len(images), self.out_channels, height, width)

    def _of_large_maps(self, images: Tensor) -> Tensor:
        form = Form(self.kernel_size[0], self.stride[0])
        if form != HALVED or self.padding[0] != 1 or not pays(images, self.weight, form):
            return super().forward(images)
        result = convolve(images, self.weight, form)
        return result if self.bias is None else result.add_(self.bias[:, None, None])


class _Multiply(torch.autograd.Function):
    """`rows · Wᵀ`, or `rows · W` which is its adjoint, as torch has them but for the kernel's gradient.

    A kernel of 2,048 by 1,024 channels has 134 MB. Its gradients from the images and from the penalty are added in place
    if each is a tensor of its own, but into a third one if they are views.
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
        asked = asked_for(ctx, (0, 1))
        return (
            _Multiply.apply(gradient, kernel, not ctx.adjoint) if 0 in asked else None,
            _outer(results, patches, kernel) if 1 in asked else None,
            None,
        )


def _outer(results: Tensor, patches: Tensor, kernel: Tensor) -> Tensor:
    """Returns a kernel's gradient, a tensor of its own unless it is to be differentiated."""
    if torch.is_grad_enabled():
        return (results.T @ patches).view_as(kernel)
    result = kernel.new_empty(kernel.shape)  # consecutive, whatever the kernel's layout
    _product(results.T, patches, result.view(len(kernel), -1))
    return result


def _product(first: Tensor, second: Tensor, result: Tensor) -> Tensor:
    fast = not torch.compiler.is_compiling() and all(fp32_here(matrix) for matrix in (first, second, result))
    fitting = first.shape[1] == second.shape[0] and second.shape[1] % LINE == 0
    if fast and fitting and available():
        return multiply(first[None], second[None], result[None])[0]
    return torch.mm(first, second, out=result)
