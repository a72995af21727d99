"""Compares `stargan-fw translate` with a plain loop that translates one picture at a time in fp32, on the same JPEGs.

    python benchmarks/translate.py [--images 1000] [--rounds 3] [--threads 1]
    python benchmarks/translate.py --forward          # the generator alone on batches of 16

The loop's networks are the reference's formulation in plain torch, with the same weights. Both sides read, crop and resize
JPEGs of CelebA's size, read the current labels with the model's classifier, translate at 128 px with the paper's networks
(conv_dim 64, random weights) and write PNGs. They take turns, and the medians of the rounds are compared, by the clock and
by processor time. Other work on the machine changes processor time less, but with several threads it includes waiting.
"""

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from reference_step import ReferenceDiscriminator, ReferenceGenerator
from safetensors.torch import save_file
from torch import Tensor, nn

from stargan_fw.inference.translator import Translator
from stargan_fw.models.loading import TrainedModel
from stargan_fw.models.weights import StoredWeights
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.process import prepare_process
from stargan_fw_plugins.cpu import accelerate
from stargan_fw_plugins.losses.wgan_gp import WGANGP
from stargan_fw_plugins.methods.stargan import StarGAN
from stargan_fw_plugins.networks.stargan_discriminator import StarGANDiscriminator
from stargan_fw_plugins.networks.stargan_generator import StarGANGenerator
from stargan_fw_registry import Binary, Exclusive, LabelSchema, LabelSpace
from stargan_fw_translate.outputs import Pictures
from stargan_fw_translate.translate_command import _write_all

SIDE, BATCH, EDIT = 128, 16, "Blond_Hair,Male=0"  # the classifier reads the age, which the edit leaves open
SPACE = LabelSpace(
    [
        LabelSchema(
            "celeba", [Exclusive("hair", ["Black_Hair", "Blond_Hair", "Brown_Hair"]), Binary("Male"), Binary("Young")]
        )
    ]
)


class Build:
    """Builds the paper's networks."""

    def generator(self, *, image_size: int, label_dim: int) -> StarGANGenerator:
        return StarGANGenerator(image_size=image_size, label_dim=label_dim)

    def discriminator(self, *, image_size: int, label_dim: int) -> StarGANDiscriminator:
        return StarGANDiscriminator(image_size=image_size, label_dim=label_dim)

    def loss(self) -> WGANGP:
        return WGANGP()


def draw(folder: Path, count: int) -> list[Path]:
    """Writes JPEGs of CelebA's size."""
    rng = np.random.default_rng(0)
    paths = [folder / f"{number:06d}.jpg" for number in range(count)]
    for path in paths:
        coarse = Image.fromarray(rng.integers(0, 256, (14, 11, 3), dtype=np.uint8)).resize((178, 218))
        coarse.save(path, quality=90)
    return paths


class Plain:
    """The loop that anybody would write, with the networks in the reference's formulation."""

    def __init__(self, weights: dict[str, StoredWeights]) -> None:
        method = StarGAN(SPACE, SIDE, Build())
        for name, stored in weights.items():
            stored.load_into(method.networks[name])
        self.generator = ReferenceGenerator(SPACE.dim)
        self.discriminator = ReferenceDiscriminator(SIDE, SPACE.label_dim)
        # Strict but for the running statistics, which the reference has and does not use.
        missing = self.generator.load_state_dict(method.generator.state_dict(), strict=False).missing_keys
        if not all("running" in name or "batches" in name for name in missing):
            raise RuntimeError(f"The reference's generator lacks {missing}.")
        trunk = {name.replace("trunk.", "main."): value for name, value in method.discriminator.state_dict().items()}
        self.discriminator.load_state_dict(trunk)

    @torch.no_grad()
    def run(self, paths: list[Path], out: Path) -> None:
        out.mkdir()
        for path in paths:
            with Image.open(path) as picture:
                square = picture.convert("RGB").crop((0, 20, 178, 198)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
            image = torch.from_numpy(np.array(square)).permute(2, 0, 1)[None].float() / 127.5 - 1
            labels = SPACE.edit("celeba", SPACE.decode("celeba", self.discriminator(image)[1]), EDIT)
            result: Tensor = self.generator(image, SPACE.join("celeba", labels))
            pixels = ((result[0] + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
            Image.fromarray(pixels).save(out / f"{path.stem}.png")


def ours(translator: Translator, paths: list[Path], out: Path) -> None:
    """Runs the command without its start."""
    output = Pictures([EDIT], out, 1.0, "model")
    with redirect_stdout(io.StringIO()):  # the files' names
        _write_all(translator, output, output.plan([(path, Path(path.name)) for path in paths]), None, [])


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Returns the seconds that a call takes, by the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - clock, time.process_time() - processor


def write_weights(folder: Path) -> dict[str, StoredWeights]:
    """Writes random weights of both networks."""
    torch.manual_seed(0)
    networks: dict[str, nn.Module] = StarGAN(SPACE, SIDE, Build()).networks
    for name, network in networks.items():
        save_file(network.state_dict(), folder / f"{name}.safetensors")
    return {name: StoredWeights(folder / f"{name}.safetensors") for name in networks}


def open_translator(weights: dict[str, StoredWeights], batch_size: int | None = None) -> Translator:
    """Returns a translator with these weights on the processor, accelerated as by the command."""
    with torch.device("meta"):
        method = StarGAN(SPACE, SIDE, Build())
    for network in method.networks.values():
        accelerate(network)
    trained = TrainedModel(Path(), method, weights, PluginManager(), settings={})
    return Translator(trained, torch.device("cpu"), batch_size=batch_size)


def main() -> None:
    """Prints both speeds and their ratio."""
    parser = argparse.ArgumentParser(description="Speed of translating.")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=None)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--forward", action="store_true", help="the generator alone")
    arguments = parser.parse_args()
    prepare_process()  # as the command line does, before a tensor is made
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths, weights = draw(folder, arguments.images), write_weights(folder)
        if arguments.forward:
            compare_forward(weights, arguments.rounds)
        else:
            compare_loops(weights, paths, folder, arguments)


def compare_loops(
    weights: dict[str, StoredWeights], paths: list[Path], folder: Path, arguments: argparse.Namespace
) -> None:
    """Prints the speed from files to files."""
    seconds: dict[str, list[tuple[float, float]]] = {"translate": [], "plain": []}
    slow_loop = Plain(weights)
    slow_loop.run(paths[:1], folder / "warm")
    for number in range(arguments.rounds):
        fast = open_translator(weights, arguments.batch_size)
        seconds["translate"].append(timed(partial(ours, fast, paths, folder / f"ours {number}")))
        seconds["plain"].append(timed(partial(slow_loop.run, paths, folder / f"plain {number}")))
        print(", ".join(f"{name} {values[-1][0]:.1f} s" for name, values in seconds.items()), flush=True)
    for kind, what in enumerate(("by the clock", "of processor time")):
        fast_time, slow = (statistics.median(pair[kind] for pair in values) for values in seconds.values())
        count = len(paths)
        print(
            f"{what}: translate {count / fast_time:.2f} images/s, plain {count / slow:.2f}; ratio {slow / fast_time:.2f}"
        )


@torch.no_grad()
def compare_forward(weights: dict[str, StoredWeights], rounds: int) -> None:
    """Prints the speed of the generators alone."""
    images = torch.rand(BATCH, 3, SIDE, SIDE) * 2 - 1
    labels = SPACE.join("celeba", torch.randint(2, (BATCH, SPACE.label_dim)).float())
    slow, fast = Plain(weights).generator, open_translator(weights)
    work: dict[str, Callable[[], object]] = {
        "ours": lambda: fast.method.translate(images, "celeba", labels[:, : SPACE.label_dim]),
        "reference": lambda: slow(images, labels),
    }
    rates: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds + 1):
        for name, run in work.items():
            rates[name].append(BATCH / timed(run)[0])
    first, second = (statistics.median(values[1:]) for values in rates.values())
    print(
        f"forward, batches of {BATCH}: ours {first:.2f} images/s, the reference's {second:.2f}; ratio {first / second:.2f}"
    )


if __name__ == "__main__":
    main()
