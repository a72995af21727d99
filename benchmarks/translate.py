"""`stargan-fw translate` against a plain loop that translates one picture at a time in fp32, over the same JPEGs.

    python benchmarks/translate.py [--images 1000] [--rounds 3] [--threads 1] [--compile]

Both read, crop and resize JPEGs of CelebA's size, read the current labels with the model's classifier, translate at
128 px with the paper's networks (conv_dim 64, random weights) and write PNGs. They take turns; the medians of the rounds
are compared, by the clock and by processor time, which other work on the machine changes less; with more than one thread
it also counts threads that wait. Compiling, where it happens, is part of `translate`.
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
from safetensors.torch import save_file
from torch import Tensor, nn

from stargan_fw import Method
from stargan_fw.cli.outputs import Pictures
from stargan_fw.cli.translate import _write_all
from stargan_fw.inference import engine
from stargan_fw.inference.translator import Translator
from stargan_fw.sharing.weights import StoredWeights
from stargan_fw_plugins.losses.wgan_gp import WGANGP
from stargan_fw_plugins.methods.stargan import StarGAN
from stargan_fw_plugins.networks.stargan_discriminator import StarGANDiscriminator
from stargan_fw_plugins.networks.stargan_generator import StarGANGenerator
from stargan_fw_registry import Binary, Exclusive, LabelSchema, LabelSpace

SIDE, EDIT = 128, "Blond_Hair,Male=0"  # leaves the age to be read
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
        """Builds G."""
        return StarGANGenerator(image_size=image_size, label_dim=label_dim)

    def discriminator(self, *, image_size: int, label_dim: int) -> StarGANDiscriminator:
        """Builds D."""
        return StarGANDiscriminator(image_size=image_size, label_dim=label_dim)

    def loss(self) -> WGANGP:
        """Builds what is not used."""
        return WGANGP()


def draw(folder: Path, count: int) -> list[Path]:
    """Writes JPEGs of CelebA's size."""
    rng = np.random.default_rng(0)
    paths = [folder / f"{number:06d}.jpg" for number in range(count)]
    for path in paths:
        coarse = Image.fromarray(rng.integers(0, 256, (14, 11, 3), dtype=np.uint8)).resize((178, 218))
        coarse.save(path, quality=90)
    return paths


def plain(method: Method, paths: list[Path], out: Path) -> None:
    """Runs the loop that anybody would write."""
    out.mkdir()
    with torch.no_grad():
        for path in paths:
            with Image.open(path) as picture:
                square = picture.convert("RGB").crop((0, 20, 178, 198)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
            image = torch.from_numpy(np.array(square)).permute(2, 0, 1)[None].float() / 127.5 - 1
            labels = SPACE.edit("celeba", method.read_labels(image, "celeba"), EDIT)
            result: Tensor = method.networks["generator"](image, SPACE.join("celeba", labels))
            pixels = ((result[0] + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
            Image.fromarray(pixels).save(out / f"{path.stem}.png")


def ours(translator: Translator, paths: list[Path], out: Path) -> None:
    """Runs the command, but for its start."""
    output = Pictures([EDIT], out, 1.0, "model")
    with redirect_stdout(io.StringIO()):  # the files' names
        _write_all(translator, output, output.plan([(path, Path(path.name)) for path in paths]))


def timed(run: Callable[[], None]) -> tuple[float, float]:
    """Returns the seconds that it takes, by the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - clock, time.process_time() - processor


def model(folder: Path) -> dict[str, StoredWeights]:
    """Writes random weights of both networks."""
    torch.manual_seed(0)
    networks: dict[str, nn.Module] = StarGAN(SPACE, SIDE, Build()).networks
    for name, network in networks.items():
        save_file(network.state_dict(), folder / f"{name}.safetensors")
    return {name: StoredWeights(folder / f"{name}.safetensors") for name in networks}


def opened(weights: dict[str, StoredWeights]) -> Translator:
    """Returns a translator of them on the processor."""
    with torch.device("meta"):
        method = StarGAN(SPACE, SIDE, Build())
    return Translator(method, weights, torch.device("cpu"))


def main() -> None:
    """Prints both speeds and their ratio."""
    parser = argparse.ArgumentParser(description="Speed of translating.")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=None)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--compile", action="store_true", help="whatever the number of images")
    arguments = parser.parse_args()
    if arguments.compile:
        engine.WORTH_COMPILING["cpu"] = 1
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    seconds: dict[str, list[tuple[float, float]]] = {"translate": [], "plain": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths, weights = draw(folder, arguments.images), model(folder)
        exact = opened(weights).configure(precision="fp32")
        exact.translate(paths[0], EDIT)  # reads both networks
        for number in range(arguments.rounds):
            fast = opened(weights).configure(batch_size=arguments.batch_size)
            seconds["translate"].append(timed(partial(ours, fast, paths, folder / f"ours {number}")))
            seconds["plain"].append(timed(partial(plain, exact._method, paths, folder / f"plain {number}")))  # noqa: SLF001
            print(", ".join(f"{name} {values[-1][0]:.1f} s" for name, values in seconds.items()), flush=True)
    for kind, what in enumerate(("by the clock", "of processor time")):
        fast_time, slow = (statistics.median(pair[kind] for pair in values) for values in seconds.values())
        count = arguments.images
        print(
            f"{what}: translate {count / fast_time:.2f} images/s, plain {count / slow:.2f}; ratio {slow / fast_time:.2f}"
        )


if __name__ == "__main__":
    main()
