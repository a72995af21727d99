"""LeakyReLU for networks whose gradient is differentiated too."""

from typing import Any

import torch
from torch import Tensor, nn


class LeakyReLU(nn.Module):
    """`max(x, slope · x)`, whose slopes count as constants where its gradient is differentiated (any shape).

    They are: they change only where x crosses zero. torch's own passes zeros on to x instead, with which a gradient penalty
    then computes the backward pass of every layer for nothing, a fifth of a critic's update.

    Args:
        slope: below zero; not negative.

    Raises:
        ValueError: it is.
    """

    def __init__(self, slope: float) -> None:
        super().__init__()
        if slope < 0:
            raise ValueError(f"slope = {slope}: the slope of LeakyReLU below zero cannot be negative.")
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = _Leak.apply(x, self.slope)
        return result

    def extra_repr(self) -> str:
        return f"slope={self.slope}"


class _Leak(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float) -> Tensor:
        result = torch.nn.functional.leaky_relu(x, slope)
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
