"""A working component of each kind, to begin from."""

DATASET = '''\
"""The dataset '@NAME@'."""

from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image
from stargan_fw import Dataset, Example, hookimpl
from stargan_fw_registry import Categorical


class @CLASS@(Dataset):
    """Images in `root/<species>/<number>.png`."""

    name = "@NAME@"
    attributes = (Categorical("species", ["cat", "dog"]),)

    def examples(self) -> Iterator[Example]:
        for path in sorted(self.root.glob("*/*.png")):
            yield Example(path, labels={"species": path.parent.name})

    @classmethod
    def draw_stand_in(cls, root: Path, *, images: int, people: int, seed: int) -> None:
        """Draws images for the tests, which `examples` reads. Change both, or delete this one."""
        for number in range(images):
            path = root / ("cat", "dog")[number % 2] / f"{number:04d}.png"
            path.parent.mkdir(exist_ok=True)
            Image.new("RGB", (64, 64), (number % 256, seed % 256, 128 * (number % 2))).save(path)


@hookimpl
def register_datasets(register: Callable[[type[Dataset]], None]) -> None:
    register(@CLASS@)
'''
GENERATOR = '''\
"""The generator '@NAME@'."""

from collections.abc import Callable

import torch
from stargan_fw import Generator, hookimpl
from torch import Tensor, nn


class @CLASS@(Generator):
    """Two convolutions; the labels are further channels."""

    name = "@NAME@"
    size_multiple = 1

    def __init__(self, *, image_size: int, label_dim: int, width: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv2d(3 + label_dim, width, 3, padding=1)
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        maps = labels[:, :, None, None].expand(-1, -1, *images.shape[2:])
        hidden = self.first(torch.cat([images, maps], dim=1)).relu()
        result: Tensor = self.last(hidden).tanh()
        return result


@hookimpl
def register_generators(register: Callable[[type[Generator]], None]) -> None:
    register(@CLASS@)
'''
DISCRIMINATOR = '''\
"""The discriminator '@NAME@'."""

from collections.abc import Callable

from stargan_fw import Discriminator, hookimpl
from stargan_fw_plugins.networks.classifying_discriminator import ClassifyingDiscriminator
from torch import Tensor, nn


class @CLASS@(ClassifyingDiscriminator):
    """Scores patches of 8 x 8 pixels, and reads labels from the mean over patches."""

    name = "@NAME@"

    def __init__(self, *, image_size: int, label_dim: int, width: int = 32) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, width, 4, stride=4),
            nn.LeakyReLU(0.01),
            nn.Conv2d(width, 2 * width, 2, stride=2),
            nn.LeakyReLU(0.01),
        )
        self.src = nn.Conv2d(2 * width, 1, 1)
        self.cls = nn.Linear(2 * width, label_dim) if label_dim else None

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(images)
        means = features.mean(dim=(2, 3))
        logits = means[:, :0] if self.cls is None else self.cls(means)
        return self.src(features), logits


@hookimpl
def register_discriminators(register: Callable[[type[Discriminator]], None]) -> None:
    register(@CLASS@)
'''
LOSS = '''\
"""The adversarial loss '@NAME@'."""

from collections.abc import Callable

from stargan_fw import CriticLoss, hookimpl
from stargan_fw.interfaces import Scored
from stargan_fw_plugins.losses.weighted_loss import WeightedLoss
from torch import Tensor


class @CLASS@(WeightedLoss):
    """The hinge loss; `WeightedLoss` has the weights that the methods stargan and cyclegan read."""

    name = "@NAME@"

    def discriminator(
        self, real: Scored, fake: Scored, critic: Callable[[Tensor], Tensor]
    ) -> CriticLoss:
        total = (1 - real.scores).relu().mean() + (1 + fake.scores).relu().mean()
        return CriticLoss(total, {"adv": total})

    def generator(self, scores: Tensor) -> Tensor:
        return -scores.mean()


@hookimpl
def register_losses(register: Callable[[type[WeightedLoss]], None]) -> None:
    register(@CLASS@)
'''
METHOD = '''\
"""The method '@NAME@'."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import ClassVar

import torch
from stargan_fw import Batch, Losses, Method, Phase, hookimpl
from stargan_fw.interfaces import ComponentBuilder
from stargan_fw.interfaces.loss import score_together
from stargan_fw_plugins.losses.classification import classification_loss
from stargan_fw_plugins.losses.weighted_loss import require_weights
from stargan_fw_plugins.networks.classifying_discriminator import require_classifier
from stargan_fw_registry import LabelSpace
from torch import Tensor


class @CLASS@(Method):
    """StarGAN's objectives (Eqs. 5 and 6), as plainly as they can be written."""

    name = "@NAME@"
    components: ClassVar[Mapping[str, str]] = {
        "generator": "stargan",
        "discriminator": "stargan",
        "loss": "wgan_gp",
    }
    phases = (Phase("d", ("discriminator",)), Phase("g", ("generator",), interval="n_critic"))
    reading = ("discriminator",)

    def __init__(self, space: LabelSpace, image_size: int, build: ComponentBuilder) -> None:
        super().__init__(space, image_size, build)
        self.generator = build.generator(image_size=image_size, label_dim=space.dim)
        discriminator = build.discriminator(image_size=image_size, label_dim=space.label_dim)
        self.discriminator = require_classifier(discriminator)
        self.loss = require_weights(build.loss())
        self.networks = {"generator": self.generator, "discriminator": self.discriminator}

    def losses(self, batch: Batch, due: Collection[str]) -> Iterator[tuple[str, Losses]]:
        target = batch.shuffled_labels()
        with torch.no_grad():  # ends before the yield
            fake = self._translate(batch.images, batch.dataset, target)
        yield "d", self._discriminator_losses(batch, fake)
        if "g" in due:
            yield "g", self._generator_losses(batch, target)

    def _discriminator_losses(self, batch: Batch, fake: Tensor) -> Losses:
        critic = self.discriminator.score_images
        adversarial = self.loss.discriminator(*score_together(critic, batch.images, fake), critic)
        cls = self._classification(batch.images, batch.dataset, batch.labels)
        total = adversarial.total + self.loss.lambda_cls * cls
        return Losses(total, {**adversarial.terms, "cls": cls})

    def _generator_losses(self, batch: Batch, target: Tensor) -> Losses:
        fake = self._translate(batch.images, batch.dataset, target)
        adv = self.loss.generator(self.discriminator.score_images(fake))
        cls = self._classification(fake, batch.dataset, target)
        rec = (batch.images - self._translate(fake, batch.dataset, batch.labels)).abs().mean()
        total = adv + self.loss.lambda_cls * cls + self.loss.lambda_rec * rec
        return Losses(total, {"adv": adv, "cls": cls, "rec": rec})

    def _classification(self, images: Tensor, dataset: str, labels: Tensor) -> Tensor:
        _, logits = self.discriminator(images)
        own = logits[:, self.space.slice(dataset)]
        return classification_loss(self.space.schema(dataset), own, labels)  # no unknown ones

    def _translate(self, images: Tensor, dataset: str, labels: Tensor) -> Tensor:
        result: Tensor = self.generator(images, self.space.join(dataset, labels))
        return result

    @torch.no_grad()
    def translate(
        self, images: Tensor, dataset: str, target: Tensor, source: Tensor | None = None
    ) -> Tensor:
        return self._translate(images, dataset, target)

    @torch.no_grad()
    def read_labels(self, images: Tensor, dataset: str) -> Tensor:
        _, logits = self.discriminator(images)
        return self.space.decode(dataset, logits)


@hookimpl
def register_methods(register: Callable[[type[Method]], None]) -> None:
    register(@CLASS@)
'''
TRACKER = '''\
"""The tracker '@NAME@'."""

from collections.abc import Callable, Mapping
from pathlib import Path

from stargan_fw import Tracker, hookimpl


class @CLASS@(Tracker):
    """Writes a line per metric to `RUN/@NAME@.tsv`."""

    name = "@NAME@"

    def __init__(self, run: Path) -> None:
        self.path = run / "@NAME@.tsv"

    def log(self, step: int, dataset: str, values: Mapping[str, float]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            for name, value in values.items():
                file.write(f"{step}\\t{dataset}\\t{name}\\t{value}\\n")


@hookimpl
def register_trackers(register: Callable[[type[Tracker]], None]) -> None:
    register(@CLASS@)
'''
COMMAND = '''\
"""The command `stargan-fw @NAME@`.

Every start of the program imports this module, so import torch inside of the function.
"""

from collections.abc import Callable
from pathlib import Path

from stargan_fw import Command, hookimpl


def run(folder: Path) -> None:
    """Print how many images a folder has."""
    print(sum(path.suffix in {".jpg", ".png"} for path in folder.rglob("*")))


@hookimpl
def register_commands(register: Callable[[Command], None]) -> None:
    register(Command("@NAME@", run))
'''
COMPONENTS = {
    "dataset": DATASET,
    "generator": GENERATOR,
    "discriminator": DISCRIMINATOR,
    "loss": LOSS,
    "method": METHOD,
    "tracker": TRACKER,
    "command": COMMAND,
}
