"""What the machine offers a network: device, precision, layout, compiler, graphs."""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from stargan_fw.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from stargan_fw.config import Choice
    from stargan_fw.interfaces import Accelerator
    from stargan_fw.plugin_manager import PluginManager

logger = logging.getLogger(__name__)

# In shorter runs, compiling costs more seconds than it saves. In fp32 on processors it never pays: the accelerators convolve
# with fewer multiplications, which saves more and which the compiler cannot do.
STEPS_WORTH_COMPILING = {("cuda", torch.float32): 1000, ("cuda", torch.bfloat16): 1000, ("cpu", torch.bfloat16): 5000}

ACCELERATE = "STARGAN_FW_ACCELERATE"  # 0 keeps networks as they are built

# Fastest on processors with networks of common widths: the feature maps still fit in the caches, and fewer take longer.
MICRO_BATCH_PIXELS = 3 * 128**2


def choose_device(name: str | None) -> torch.device:
    """Returns the device of that name, or the GPU if the name is None and there is one; ConfigError if it is unusable."""
    if name is None:
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        return accelerator or torch.device("cpu")
    try:
        device = torch.device(name)
        if device.type == "meta":
            raise RuntimeError("it has shapes and no numbers.")  # noqa: TRY301 - one message for all reasons
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ImportError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"--device {name} cannot be used here: {reason} Leave it out, or use cpu.") from None
    return device


def wait_for(device: torch.device) -> None:
    """Waits until the device has finished its work."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def copy_to(device: torch.device, tensor: torch.Tensor) -> torch.Tensor:
    """Returns a tensor's copy on the device, or the tensor itself if it is there.

    A copy to CUDA does not wait for the device's earlier work. Only copies from pinned memory can do without.
    """
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def has_bf16(device: torch.device) -> bool:
    """Returns whether the device multiplies bf16 matrices in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and not {"amx_bf16", "avx512_bf16"}.isdisjoint(_processor_flags())


def prefers_channels_last(device: torch.device) -> bool:
    """Returns whether convolutions in bf16 that are not compiled are faster channels last.

    They are on tile units (AMX, tensor cores). AVX-512 took 133 ms per image, and 118 in the layout of training.
    """
    return device.type == "cuda" or (device.type == "cpu" and "amx_bf16" in _processor_flags())


def _processor_flags() -> set[str]:
    flags = Path("/proc/cpuinfo")
    return set(flags.read_text().split()) if flags.exists() else set()


@dataclass(frozen=True, slots=True)
class Precision:
    """The device of networks and the data type of their convolutions and matrix products; the rest stays in fp32."""

    device: torch.device
    dtype: torch.dtype

    @classmethod
    def choose(cls, name: Literal["auto", "fp32", "bf16"], device: torch.device) -> Precision:
        """Returns the named precision; "auto" is bf16 if the device multiplies it in hardware."""
        bf16 = name == "bf16" or (name == "auto" and has_bf16(device))
        return cls(device, torch.bfloat16 if bf16 else torch.float32)

    def autocast(self) -> AbstractContextManager[object]:
        """Returns the context to run networks in."""
        if self.dtype is torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    def __str__(self) -> str:
        return {torch.float32: "fp32", torch.bfloat16: "bf16"}[self.dtype]


def choose_micro_batch(choice: int | Literal["auto"], precision: Precision, image_size: int) -> int | None:
    """Returns the number of images per micro-batch, or None for the whole batch.

    Args:
        choice: `training.micro_batch_size`; "auto" cuts batches in fp32 on processors, which saves memory and time there.
        precision: the data type and device of the networks.
        image_size: side in pixels.
    """
    if choice != "auto":
        return choice
    if precision.device.type != "cpu" or precision.dtype is not torch.float32:
        return None
    return max(1, MICRO_BATCH_PIXELS // image_size**2)


def accelerate_networks(networks: Iterable[nn.Module], plugins: PluginManager, device: torch.device) -> None:
    """Swaps layers of networks for those of the registered accelerators that suit the device; parameters stay.

    Args:
        networks: the networks, which are changed in place.
        plugins: have the accelerators.
        device: the device that the networks will run on.
    """
    if os.environ.get(ACCELERATE) == "0":
        return
    kinds: Sequence[type[Accelerator]] = [kind for _, kind in plugins.index("accelerator").items()]
    suitable = [accelerator for accelerator in (kind() for kind in kinds) if accelerator.suits(device)]
    for network in networks:
        for accelerator in suitable:
            accelerator.accelerate(network)


def steps_worth_compiling(precision: Precision) -> int | None:
    """Returns the number of steps from which on compiling pays; None if it never does."""
    return STEPS_WORTH_COMPILING.get((precision.device.type, precision.dtype))


def compile_where_it_pays(
    networks: list[nn.Module], choice: Choice, precision: Precision, steps: int, *, graphs: bool = False
) -> bool:
    """Compiles networks in place if the configuration says so or if it pays.

    Args:
        networks: networks that can be compiled.
        choice: `training.compile`.
        precision: the data type and device of the networks.
        steps: the length of their training.
        graphs: capture their kernels in CUDA graphs; the caller must then mark the beginning of each step as `Trainer` does.

    Returns:
        Whether the networks are compiled. If there is no compiler, they are not, and a log message says so.
    """
    worth = steps_worth_compiling(precision)
    if choice == "off" or (choice == "auto" and (worth is None or steps < worth)):
        return False
    if precision.device.type == "cpu" and not _cpp_compiler():
        logger.warning("No C++ compiler is found: the networks run uncompiled.")
        return False
    for network in networks:
        _compile(network, "reduce-overhead" if graphs else None)
    return True


def _compile(network: nn.Module, mode: str | None) -> None:
    """Compiles a network in place; parts that the compiler fails on run uncompiled.

    That is a setting of the whole process, so it is set during this network's calls only, the first of which compile.
    """
    network.compile(mode=mode)
    uncompiled_if_it_fails = torch._dynamo.config.patch(suppress_errors=True)  # noqa: SLF001 - torch documents it so
    network._compiled_call_impl = uncompiled_if_it_fails(network._compiled_call_impl)  # noqa: SLF001 - what `compile` sets


def captures_graphs(choice: Choice, device: torch.device) -> bool:
    """Returns whether compiled networks replay their kernels from CUDA graphs, which saves the launches.

    Args:
        choice: `training.graphs`; "auto" does so on CUDA. On other devices, "on" logs a warning.
        device: the device to train on.
    """
    if device.type == "cuda":
        return choice != "off"
    if choice == "on":
        logger.warning("training.graphs = on: only CUDA has graphs, and kernels are launched one by one on %s.", device)
    return False


def choose_layout(choice: Choice, precision: Precision) -> torch.memory_format:
    """Returns the memory layout of networks and images.

    Args:
        choice: `training.channels_last`; "auto" is channels last in bf16 on CUDA, for the tensor cores, and elsewhere leaves
            networks contiguous and images as the store has them.
        precision: the data type and device of the networks.
    """
    if choice == "auto":
        wanted = precision.device.type == "cuda" and precision.dtype is torch.bfloat16
        return torch.channels_last if wanted else torch.preserve_format
    return torch.channels_last if choice == "on" else torch.contiguous_format


def _cpp_compiler() -> str | None:
    return shutil.which(os.environ.get("CXX", "")) or shutil.which("g++") or shutil.which("clang++")
