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


def automatic(device: torch.device) -> dict[str, str]:
    """Returns what "auto" means on a device for each key of `[training]` that says how a step is computed.

    It is what was measured to be faster on such a device. Where nobody measured, it is the plain way: eager, in torch's own
    layout. `training.tune` tries the rest on the machine at hand. Layers are not decided here: each accelerator says where it
    was measured (`Accelerator.suits`).

    docs/performance.md has the figures. bf16 is for CUDA, because a GPU that multiplies it in hardware is several times as fast.
    """
    processor = device.type == "cpu"
    return {
        "precision": "bf16" if device.type == "cuda" and has_bf16(device) else "fp32",
        "channels_last": "keep" if processor else "off",
        "compile": "off",
        "graphs": "off",
    }


def resolve(setting: str, choice: str, device: torch.device) -> str:
    """Returns the value of a setting that `automatic` knows."""
    return automatic(device)[setting] if choice == "auto" else choice


def wait_for(device: torch.device) -> None:
    """Waits until the device has finished its work."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def copy_to(device: torch.device, tensor: torch.Tensor) -> torch.Tensor:
    """Returns a tensor's copy on the device, or the tensor itself if it is there.

    A copy from pinned memory to CUDA does not wait for the device's earlier work.
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
    """Returns whether translating in bf16 without a compiler was measured to be faster channels last: on AMX, not on AVX-512."""
    return device.type == "cpu" and "amx_bf16" in _processor_flags()


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
        """Returns the named precision; `automatic` says what "auto" is."""
        return cls(device, {"fp32": torch.float32, "bf16": torch.bfloat16}[resolve("precision", name, device)])

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


def accelerate_networks(
    networks: Iterable[nn.Module], plugins: PluginManager, device: torch.device, *, unmeasured: bool = False
) -> None:
    """Swaps layers of networks for those of the registered accelerators that suit the device; parameters stay.

    Args:
        networks: the networks, which are changed in place.
        plugins: have the accelerators.
        device: the device that the networks will run on.
        unmeasured: also swap in layers whose speed on such a device nobody measured.
    """
    if os.environ.get(ACCELERATE) == "0":
        return
    kinds: Sequence[type[Accelerator]] = [kind for _, kind in plugins.index("accelerator").items()]
    made = [kind() for kind in kinds]
    suitable = [one for one in made if one.suits(device) or (unmeasured and device.type in one.unmeasured_on)]
    for network in networks:
        for accelerator in suitable:
            accelerator.accelerate(network)


def compile_networks(networks: list[nn.Module], device: torch.device, *, graphs: bool = False) -> bool:
    """Compiles networks in place.

    Args:
        networks: networks that can be compiled.
        device: the device that they run on.
        graphs: capture their kernels in CUDA graphs; the caller must then mark the beginning of each step as `Trainer` does.

    Returns:
        Whether the networks are compiled. If there is no compiler, they are not, and a log message says so.
    """
    if device.type == "cpu" and not _cpp_compiler():
        logger.warning("No C++ compiler is found: the networks run uncompiled.")
        return False
    for network in networks:
        _compile(network, "reduce-overhead" if graphs else None)
    return bool(networks)


def _compile(network: nn.Module, mode: str | None) -> None:
    """Compiles a network in place; parts that the compiler fails on run uncompiled.

    A class of networks may have 32 versions, for data types, layouts and gradients of several networks: from the ninth on torch would
    leave them uncompiled. Both are settings of the whole process, so they are set during this network's calls only, which compile.
    """
    network.compile(mode=mode)
    settings = torch._dynamo.config.patch(suppress_errors=True, recompile_limit=32)  # noqa: SLF001 - torch documents it so
    network._compiled_call_impl = settings(network._compiled_call_impl)  # noqa: SLF001 - what `compile` sets


def breaks_compiled(precision: Precision) -> bool:
    """Returns whether compiled networks end the process: torch 2.11's, in bf16 on processors, break its memory; 2.14's do not."""
    return precision.device.type == "cpu" and precision.dtype is torch.bfloat16 and torch.__version__ < "2.14"


def has_graphs(device: torch.device) -> bool:
    """Returns whether a device can replay kernels from graphs, which saves their launches."""
    return device.type == "cuda"


def choose_layout(choice: Choice, device: torch.device) -> torch.memory_format:
    """Returns the memory layout of networks and images.

    Args:
        choice: `training.channels_last`; "auto" leaves networks contiguous, and on processors the images as the store has them.
        device: the device to train on.
    """
    layouts = {"on": torch.channels_last, "off": torch.contiguous_format, "keep": torch.preserve_format}
    return layouts[resolve("channels_last", choice, device)]


def _cpp_compiler() -> str | None:
    return shutil.which(os.environ.get("CXX", "")) or shutil.which("g++") or shutil.which("clang++")
