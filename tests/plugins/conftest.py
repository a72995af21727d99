"""Small stand-in data, drawn once, layouts of empty files where only names matter, and tiny methods with batches."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from stargan_fw.interfaces import Batch
from stargan_fw_plugins.cpu import accelerate
from stargan_fw_plugins.datasets.celeba import COLUMNS, CelebA
from stargan_fw_plugins.datasets.rafd import RaFD
from stargan_fw_plugins.losses.wgan_gp import WGANGP
from stargan_fw_plugins.methods.stargan import StarGAN
from stargan_fw_plugins.networks.stargan_discriminator import StarGANDiscriminator
from stargan_fw_plugins.networks.stargan_generator import StarGANGenerator
from stargan_fw_registry import Binary, Categorical, Exclusive, LabelSchema, LabelSpace

EXPRESSIONS = ["angry", "contemptuous", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"]
HAIR = Exclusive("hair", ["Black_Hair", "Blond_Hair", "Brown_Hair"])
SCHEMAS = {
    "celeba": LabelSchema("celeba", [HAIR, Binary("Male"), Binary("Young")]),
    "rafd": LabelSchema("rafd", [Categorical("expression", EXPRESSIONS)]),
}


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """A folder with celeba/ (20 images) and rafd/ (2 people, 48 images), seed 0; not to be written to."""
    root = tmp_path_factory.mktemp("drawn")
    for dataset in (CelebA, RaFD):
        (root / dataset.name).mkdir()
        dataset.draw_stand_in(root / dataset.name, images=20, people=2, seed=0)
    return root


@pytest.fixture
def write_celeba(tmp_path):
    """Writes CelebA's layout with empty images: `write_celeba({"000001.jpg": {"Male"}}) -> root`."""

    def write(images: dict[str, set[str]], columns=COLUMNS, count=None) -> Path:
        root = tmp_path / "celeba"
        (root / "img_align_celeba").mkdir(parents=True)
        lines = [str(len(images) if count is None else count), " ".join(columns) + " "]
        for name, present in images.items():
            (root / "img_align_celeba" / name).write_text(name)
            lines.append(f"{name} " + " ".join("1" if column in present else "-1" for column in columns))
        (root / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")
        return root

    return write


@pytest.fixture
def touch(tmp_path):
    """Writes empty files below a fresh folder: `touch("train/angry/a.jpg", …) -> root`."""

    def write(*names: str) -> Path:
        root = tmp_path / "rafd"
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
        return root

    return write


@dataclass
class TinyComponents:
    """The `ComponentBuilder` of the paper's networks, a few channels wide."""

    loss_options: dict = field(default_factory=dict)
    conv_dim: int = 4

    def generator(self, *, image_size, label_dim):
        return StarGANGenerator(image_size=image_size, label_dim=label_dim, conv_dim=self.conv_dim)

    def discriminator(self, *, image_size, label_dim):
        return StarGANDiscriminator(image_size=image_size, label_dim=label_dim, conv_dim=self.conv_dim)

    def loss(self):
        return WGANGP(**self.loss_options)


@pytest.fixture
def tiny_stargan():
    """Builds StarGAN at 32 px, seeded and accelerated: `tiny_stargan("celeba", "rafd", lambda_rec=5.0)`.

    Options are the loss's. `accelerated=False` leaves the networks as they are built.
    """

    def build(*datasets, accelerated=True, **loss_options) -> StarGAN:
        torch.manual_seed(0)
        space = LabelSpace([SCHEMAS[name] for name in datasets])
        method = StarGAN(space, 32, TinyComponents(loss_options))
        for network in method.networks.values() if accelerated else ():
            accelerate(network)
        return method

    return build


@pytest.fixture
def draw_batch():
    """Draws four random images at 32 px with random labels, none unknown: `draw_batch("celeba", seed=1)`."""

    def draw(dataset, seed, size=4) -> Batch:
        random = torch.Generator().manual_seed(seed)
        images = torch.rand(size, 3, 32, 32, generator=random) * 2 - 1
        if dataset == "rafd":
            labels = torch.eye(8)[torch.randint(8, (size,), generator=random)]
        else:
            hair = torch.eye(4)[torch.randint(4, (size,), generator=random), :3]  # the fourth is none of them
            labels = torch.cat([hair, torch.randint(2, (size, 2), generator=random).float()], dim=1)
        return Batch(images, labels, dataset)

    return draw


@pytest.fixture
def double_precision(monkeypatch):
    """Computes in fp64, also where the project keeps to fp32 by `.float()`, so that rounding hides or moves nothing."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
