"""Compares layers for GPUs with those that they replace: milliseconds forward and backward, in turns, medians.

    python benchmarks/layers.py [--device cuda] [--only upsampling] [--batch 16] [--rounds 7] [--size 128] [--eager] [--json FILE]

On a processor it counts the processor time of one thread, so that other programs disturb little. The sizes are those of the
paper's networks. The penalty is compared on a critic, the compiled one with the one that autograd takes apart.
"""

import argparse
import copy
import itertools
import json
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from stargan_fw import Accelerator
from stargan_fw.compute.machine import choose_device, wait_for
from stargan_fw_plugins.faster_layers import SingleChannelNorm, shorten
from stargan_fw_plugins.gpu_layers import LayoutKeepingNorms, PaddedChannels, SubpixelConvolutions
from stargan_fw_plugins.losses.wgan_gp import UnitSlope
from stargan_fw_plugins.networks.attention_generator import ConditionalNorm
from stargan_fw_plugins.networks.stargan_discriminator import StarGANDiscriminator
from stargan_fw_plugins.networks.stargan_generator import LabelledConvolution

Step = Callable[[], None]
LABELS = 8
CALLS_ON_A_GPU = 10  # a training seldom waits for the device either
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
LAYOUTS = {"rows": torch.contiguous_format, "channels last": torch.channels_last}


def cases(size: int) -> Iterator[tuple[str, nn.Module, type[Accelerator], tuple[int, ...]]]:
    """Yields a name, a layer, its accelerator, and the shape of an input without the batch."""
    yield "instance norm", nn.InstanceNorm2d(64, affine=True), LayoutKeepingNorms, (64, size, size)
    yield "group norm of channels", _as_group_norm(), LayoutKeepingNorms, (64, size, size)
    yield "conditional norm", ConditionalNorm(128, LABELS), LayoutKeepingNorms, (128, size // 2, size // 2)
    first = LabelledConvolution(3 + LABELS, 64, 7, padding=3, bias=False)
    yield "first, label planes", first, PaddedChannels, (3, size, size)
    yield "first, label sums", shorten(copy.deepcopy(first)), PaddedChannels, (3, size, size)
    yield "last", nn.Conv2d(64, 3, 7, padding=3, bias=False), PaddedChannels, (64, size, size)
    yield "critic's first", nn.Conv2d(3, 64, 4, stride=2, padding=1), PaddedChannels, (3, size, size)
    for channels, side in ((256, size // 4), (128, size // 2)):
        layer = nn.ConvTranspose2d(channels, channels // 2, 4, stride=2, padding=1, bias=False)
        yield f"upsampling of {channels}", layer, SubpixelConvolutions, (channels, side, side)


def _as_group_norm() -> nn.Module:
    layer = nn.InstanceNorm2d(64, affine=True)
    layer.__class__ = SingleChannelNorm
    return layer


def pass_through(layer: nn.Module, images: Tensor, dtype: torch.dtype) -> Step:
    """Returns a forward and backward pass, of the kind of autocast that training uses."""
    labelled = isinstance(layer, LabelledConvolution | ConditionalNorm)
    more = (torch.rand(len(images), LABELS, device=images.device),) if labelled else ()
    parameters = [*layer.parameters()]
    slopes: list[Tensor] = []

    def step() -> None:
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
            result = layer(images, *more)
        if not slopes:
            slopes.append(torch.rand_like(result))
        torch.autograd.grad(result, [images, *parameters], slopes[0])

    return step


def compare(sides: dict[str, Step], rounds: int, device: torch.device) -> dict[str, float]:
    """Returns the median milliseconds of each side; the sides take turns."""
    spent: dict[str, list[float]] = {name: [] for name in sides}
    for number, (name, step) in itertools.product(range(rounds + 1), sides.items()):
        wait_for(device)
        start, calls = _now(device), 1 if device.type == "cpu" or not number else CALLS_ON_A_GPU
        for _ in range(calls):
            step()
        wait_for(device)
        if number:  # the first round warms up and compiles
            spent[name].append(1000 * (_now(device) - start) / calls)
    return {name: round(statistics.median(times), 3) for name, times in spent.items()}


def _now(device: torch.device) -> float:
    return time.process_time() if device.type == "cpu" else time.perf_counter()


def layer_rows(options: argparse.Namespace, device: torch.device) -> Iterator[dict[str, object]]:
    """Yields the comparisons of layers."""
    for name, plain, accelerator, shape in cases(options.size):
        if options.only and options.only not in name:
            continue
        for (layout_name, layout), (dtype_name, dtype) in itertools.product(LAYOUTS.items(), DTYPES.items()):
            layer = plain.to(device, memory_format=layout)
            swapped = accelerator().accelerate(copy.deepcopy(layer))
            # A convolution to bf16 comes before a norm; the first layers read images.
            norm = not isinstance(layer, nn.Conv2d)
            images = torch.rand(options.batch, *shape, device=device, dtype=dtype if norm else torch.float32)
            images = images.to(memory_format=layout).requires_grad_()
            sides = {"plain": pass_through(layer, images, dtype), "swapped": pass_through(swapped, images, dtype)}
            if not options.eager:
                torch.compiler.reset()
                for kind, one in (("plain", layer), ("swapped", swapped)):
                    compiled = copy.deepcopy(one)
                    compiled.compile()
                    sides[f"{kind} compiled"] = pass_through(compiled, images, dtype)
            times = compare(sides, options.rounds, device)
            yield {"case": name, "layout": layout_name, "precision": dtype_name, **times}


def penalty_row(options: argparse.Namespace, device: torch.device) -> dict[str, object]:
    """Compares the compiled penalty with the eager one, with the layers that the device has for critics."""
    critic = shorten(StarGANDiscriminator(image_size=options.size, label_dim=0, conv_dim=64)).to(device)
    images = torch.rand(options.batch, 3, options.size, options.size, device=device) * 2 - 1
    eager, compiled = UnitSlope(), UnitSlope()
    compiled.compile()
    given = [parameter for name, parameter in critic.named_parameters() if name.endswith("weight")]

    def differentiated(penalty: UnitSlope) -> Step:
        return lambda: torch.autograd.grad(penalty.penalise(critic.score_images, images), given) and None

    sides = {"plain": differentiated(eager), "swapped compiled": differentiated(compiled)}
    return {"case": "penalty", "layout": "rows", "precision": "fp32", **compare(sides, options.rounds, device)}


def main() -> None:
    """Prints a row per comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device")
    parser.add_argument("--only", default="")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--eager", action="store_true", help="compile nothing")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # of torch's compiler
    device = choose_device(options.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    rows = []
    for row in itertools.chain(layer_rows(options, device), _penalty_rows(options, device)):
        rows.append(row)
        print(
            *(f"{key} {value}" if isinstance(value, float) else value for key, value in row.items()),
            sep=" | ",
            flush=True,
        )
        if options.json:
            options.json.write_text(json.dumps(rows, indent=1))


def _penalty_rows(options: argparse.Namespace, device: torch.device) -> Iterator[dict[str, object]]:
    if options.only in "penalty" and not options.eager:
        yield penalty_row(options, device)


if __name__ == "__main__":
    main()
