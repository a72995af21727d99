"""Batch norm over the images of all ranks. torch's own `SyncBatchNorm` runs on GPUs only."""

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from stargan_fw import ranks
from stargan_fw.errors import ConfigError


class _OverRanks(nn.modules.batchnorm._BatchNorm):  # noqa: SLF001 - the base of all batch norms
    """Computes a batch norm's mean and variance over all ranks in training. Its backward passes cross the ranks too."""

    def forward(self, images: Tensor) -> Tensor:
        if not self.training:  # rank 0 alone draws sheets
            return super().forward(images)
        dims = [0, *range(2, images.dim())]
        shape = (1, -1, *[1] * (images.dim() - 2))
        values = images.float() if images.dtype in {torch.float16, torch.bfloat16} else images
        mean = _average(values.mean(dims))
        centred = values - mean.view(shape)
        variance = _average(centred.square().mean(dims))
        self._track(mean.detach(), variance.detach(), ranks.world_size() * values.numel() // values.shape[1])
        result = centred * (variance + self.eps).rsqrt().view(shape)
        if self.weight is not None and self.bias is not None:
            result = result * self.weight.view(shape) + self.bias.view(shape)
        return result.to(images.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * count / (count - 1), share)  # unbiased, as torch's


class _BatchNorm1d(_OverRanks, nn.BatchNorm1d):
    pass


class _BatchNorm2d(_OverRanks, nn.BatchNorm2d):
    pass


class _BatchNorm3d(_OverRanks, nn.BatchNorm3d):
    pass


CLASSES: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: _BatchNorm1d,
    nn.BatchNorm2d: _BatchNorm2d,
    nn.BatchNorm3d: _BatchNorm3d,
}


def norm_over_ranks(networks: Iterable[nn.Module]) -> None:
    """Lets the batch norms of networks compare the images of all ranks, in place; with one rank it does nothing.

    Raises:
        ConfigError: a network has a batch norm of another class, which compares the images of one rank only.
    """
    if ranks.world_size() == 1:
        return
    for module in (module for network in networks for module in network.modules()):
        over_ranks = CLASSES.get(type(module))
        if over_ranks:
            module.__class__ = over_ranks
        elif isinstance(module, nn.modules.batchnorm._BatchNorm | nn.modules.batchnorm._LazyNormBase):  # noqa: SLF001
            raise ConfigError(
                f"A network has a {type(module).__name__}, which would compare the images of each process alone. Train "
                "with one process, or use nn.BatchNorm2d."
            )


class _Sum(torch.autograd.Function):
    """Adds up tensors over the ranks. Its derivative is the sum of the ranks' gradients, which is again such a sum."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:  # noqa: ARG004
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        total: Tensor = _Sum.apply(*gradients)
        return total


def _average(values: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(values)
    return total / ranks.world_size()
