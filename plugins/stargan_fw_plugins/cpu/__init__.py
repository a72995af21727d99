"""Convolutions that compute the same faster on processors, put in the place of torch's after a network is built."""

from collections.abc import Callable

import torch
from torch import nn

from stargan_fw import Accelerator, hookimpl
from stargan_fw_plugins.cpu.convolution import FastConvolution, FastTransposed
from stargan_fw_plugins.shortcuts import shorten

__all__ = ["accelerate"]


def accelerate(network: nn.Module) -> nn.Module:
    """Swaps layers of a network for ones that compute the same faster on processors.

    The swapped layers keep their parameters and settings, so optimisers and checkpoints notice nothing. Each decides anew
    whenever it runs whether its faster way applies to what it is given, and else computes as torch does.

    Args:
        network: is changed in place.

    Returns:
        The network.
    """
    for layer in shorten(network).modules():
        for kind in (FastConvolution, FastTransposed):
            if kind.replaces(layer):
                layer.__class__ = kind
    return network


class ProcessorLayers(Accelerator):
    """Fewer and faster products in convolutions, mostly in fp32."""

    name = "cpu"

    def suits(self, device: torch.device) -> bool:
        return device.type == "cpu"

    def accelerate(self, network: nn.Module) -> nn.Module:
        return accelerate(network)


@hookimpl
def register_accelerators(register: Callable[[type[Accelerator]], None]) -> None:
    register(ProcessorLayers)
