"""Reads checkpoints of the reference implementation (yunjey/stargan): `200000-G.ckpt`, `200000-D.ckpt`."""

import re
from collections.abc import Callable, Mapping
from typing import TypeGuard

from torch import Tensor

from stargan_fw import hookimpl
from stargan_fw_import import ImportedNetwork, Importer

# Running statistics of InstanceNorm2d. The reference never leaves training mode, so it never uses them.
RUNNING = re.compile(r"\.(running_mean|running_var|num_batches_tracked)$")
PARALLEL = re.compile(r"^module\.")  # DataParallel's prefix of every name
HEADS = {"main": "trunk", "conv1": "src", "conv2": "cls"}
BLOCK = re.compile(r"main\.\d+\.main\.0\.weight")
TRUNK = re.compile(r"main\.\d+\.weight")


class StarGANReference(Importer):
    """Reads generators of the appendix's Table 4 and discriminators of its Table 5."""

    name = "yunjey/stargan"
    method = "stargan"

    def read_generator(self, weights: Mapping[str, Tensor]) -> ImportedNetwork | None:
        parameters = _select_parameters(weights)
        first = parameters.get("main.0.weight")
        if not _is_kernel(first, 7) or first.shape[1] <= 3 or "conv2.weight" in parameters:
            return None
        options = {"conv_dim": first.shape[0], "repeat_num": sum(1 for name in parameters if BLOCK.fullmatch(name))}
        return ImportedNetwork("stargan", options, first.shape[1] - 3, parameters)

    def read_discriminator(self, weights: Mapping[str, Tensor]) -> ImportedNetwork | None:
        parameters = _select_parameters(weights)
        first, head = parameters.get("main.0.weight"), parameters.get("conv2.weight")
        if not _is_kernel(first, 4) or head is None or head.ndim != 4:
            return None
        depth = sum(1 for name in parameters if TRUNK.fullmatch(name))
        options = {"conv_dim": first.shape[0], "repeat_num": depth}
        return ImportedNetwork(
            "stargan", options, head.shape[0], _rename_heads(parameters), image_size=head.shape[2] * 2**depth
        )


def _select_parameters(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns the parameters without running statistics and prefixes."""
    return {PARALLEL.sub("", name): value for name, value in weights.items() if not RUNNING.search(name)}


def _rename_heads(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    parts = {name: name.partition(".") for name in weights}
    return {f"{HEADS.get(head, head)}.{rest}": weights[name] for name, (head, _, rest) in parts.items()}


def _is_kernel(weight: Tensor | None, side: int) -> TypeGuard[Tensor]:
    return weight is not None and weight.ndim == 4 and weight.shape[2:] == (side, side)


@hookimpl
def register_importers(register: Callable[[type[Importer]], None]) -> None:
    register(StarGANReference)
