"""A small set of plugins that draws its own data and trains in a moment: what core is tested with.

Two datasets with labels of every kind, a generator, a discriminator, a loss, a method, a tracker and a preset.
"""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw import (
    AdversarialLoss,
    CriticLoss,
    Dataset,
    Discriminator,
    Example,
    Generator,
    Losses,
    Method,
    Phase,
    Tracker,
    hookimpl,
)
from stargan_fw.errors import DataError
from stargan_fw.interfaces import OptimizerSpec, Scored
from stargan_fw_registry import Binary, Categorical, Exclusive

SIDE = 24


class Drawn(Dataset):
    """Pictures that are drawn of a number and labels, which their names say: `010007-person3-disc-inverted.png`."""

    def examples(self):
        if not self.root.is_dir():
            raise DataError(f"'{self.root}' is missing. Name the folder of the dataset '{self.name}'.")
        for path in sorted(self.root.glob("*.png")):
            _, person, *words = path.stem.split("-")
            yield Example(path, self.labels(words), identity=person)

    def counterfactual(self, example, labels):
        number = example.image.stem.partition("-")[0]
        return self.draw(np.random.default_rng(int(number)), **{**example.labels, **labels})

    @classmethod
    def draw_stand_in(cls, root, *, images, people, seed):
        for number in range(images):
            drawn, words = 10000 * seed + number, cls.words(number)
            name = "-".join([f"{drawn:06}", f"person{number % people}", *words])
            cls.draw(np.random.default_rng(drawn), **cls.labels(words)).save(root / f"{name}.png")


class Shapes(Drawn):
    """A disc, a square or a cross, light on dark unless inverted: a categorical label and a binary one."""

    name = "shapes"
    attributes = (Categorical("shape", ["disc", "square", "cross"]), Binary("inverted"))
    test_size = 0.25

    @staticmethod
    def words(number):
        return ["disc", "square", "cross"][number % 3], "inverted" if number // 3 % 2 else "plain"

    @staticmethod
    def labels(words):
        return {"shape": words[0], "inverted": words[1] == "inverted"}

    @staticmethod
    def draw(random, shape, inverted):
        down, across = abs(np.indices((SIDE, SIDE)) - SIDE / 2 + random.uniform(-2, 2, (2, 1, 1)))
        distance = {"disc": np.hypot, "square": np.maximum, "cross": lambda one, other: 2 * np.minimum(one, other)}
        light = (distance[shape](down, across) < 7) ^ inverted
        grey = np.where(light, random.integers(180, 256), random.integers(0, 76)).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")


class Colours(Drawn):
    """A field of one colour, or of grey: a group of labels of which one at most is set. It is divided by person."""

    name = "colours"
    attributes = (Exclusive("colour", ["red", "green", "blue"]),)
    test_split = "person"
    test_size = 1

    @staticmethod
    def words(number):
        return (["red", "green", "blue", "grey"][number // 3 % 4],)

    @staticmethod
    def labels(words):
        return {name: name == words[0] for name in ("red", "green", "blue")}

    @staticmethod
    def draw(random, red, green, blue):
        dark = int(random.integers(60, 120))
        return Image.new("RGB", (SIDE, SIDE), tuple(220 if bright else dark for bright in (red, green, blue)))


class Mixer(Generator):
    """Two convolutions; labels enter as planes."""

    name = "mixer"
    size_multiple = 1

    def __init__(self, *, image_size, label_dim, width: int = 4):
        super().__init__()
        self.first = nn.Conv2d(3 + label_dim, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, images, labels):
        planes = labels[:, :, None, None].expand(-1, -1, *images.shape[2:])
        hidden = torch.relu(self.norm(self.first(torch.cat([images, planes], 1))))
        return torch.tanh(images + self.last(hidden))

    def label_axes(self):
        return {"first.weight": (1, 3)}


class Critic(Discriminator):
    """A convolution, then a score of each patch and logits of the picture."""

    name = "critic"

    def __init__(self, *, image_size, label_dim, width: int = 4):
        super().__init__()
        self.body = nn.Conv2d(3, width, 4, stride=2, padding=1)
        self.score = nn.Conv2d(width, 1, 3, padding=1)
        self.labels = nn.Linear(width, label_dim)

    def forward(self, images):
        hidden = F.leaky_relu(self.body(images), 0.1)
        return self.score(hidden), self.labels(hidden.mean((2, 3)))

    def score_images(self, images):
        return self(images)[0]

    def label_axes(self):
        return {"labels.weight": (0, 0), "labels.bias": (0, 0)}


class Hinge(AdversarialLoss):
    """The hinge loss."""

    name = "hinge"

    def __init__(self, *, margin: float = 1.0):
        super().__init__()
        self.margin = margin

    def discriminator(self, real, fake, critic):
        loss = F.relu(self.margin - real.scores).mean() + F.relu(self.margin + fake.scores).mean()
        return CriticLoss(loss, {"adv": loss})

    def generator(self, scores):
        return -scores.mean()


class Swap(Method):
    """Gives images the labels of others, in phases of three intervals: every step, every fourth, every `n_critic`-th."""

    name = "swap"
    components = {"generator": "mixer", "discriminator": "critic", "loss": "hinge"}  # noqa: RUF012
    compilable = ("generator",)
    min_batch_size = 2
    min_batch_reason = "one image has no other to swap with"
    reading = ("discriminator",)
    phases = (
        Phase("d", ("discriminator",)),
        Phase("r", ("discriminator",), interval=4, optimizer="d"),
        Phase("g", ("generator",), interval="n_critic", optimizer=OptimizerSpec(rate=0.5)),
    )

    def __init__(self, space, image_size, build, *, keep: float = 1.0):
        super().__init__(space, image_size, build)
        self.keep, self.loss = keep, build.loss()
        self.generator = build.generator(image_size=image_size, label_dim=space.dim)
        self.discriminator = build.discriminator(image_size=image_size, label_dim=space.label_dim)
        self.networks = {"generator": self.generator, "discriminator": self.discriminator}

    def losses(self, batch, due):
        target = batch.labels[torch.randperm(len(batch.labels))]
        fake = self.generator(batch.images, self.space.join(batch.dataset, target))
        (real_scores, logits), (fake_scores, _) = self.discriminator(batch.images), self.discriminator(fake.detach())
        real, drawn = Scored(batch.images, real_scores), Scored(fake.detach(), fake_scores)
        critic = self.loss.discriminator(real, drawn, self.discriminator.score_images)
        labels = self._label_loss(batch.dataset, logits, batch.labels)
        yield "d", Losses(critic.total + labels, {**critic.terms, "labels": labels})
        if "r" in due:
            far = self.discriminator.score_images(batch.images).square().mean()
            yield "r", Losses(far, {"far": far})
        if "g" in due:
            scores, logits = self.discriminator(fake)
            adversarial, kept = self.loss.generator(scores), (batch.images - fake).abs().mean()
            labels = self._label_loss(batch.dataset, logits, target)
            yield "g", Losses(adversarial + labels + self.keep * kept, {"adv": adversarial, "kept": kept})

    def _label_loss(self, dataset, logits, labels):
        return F.binary_cross_entropy_with_logits(logits[:, self.space.slice(dataset)], labels)

    @torch.no_grad()
    def translate(self, images, dataset, target, source=None):
        return self.generator(images, self.space.join(dataset, target))

    @torch.no_grad()
    def read_labels(self, images, dataset):
        return self.space.decode(dataset, self.discriminator(images)[1])


class Diary(Tracker):
    """Writes down what it is told, a JSON list per line, in `diary.jsonl` of the run folder."""

    name = "diary"

    def __init__(self, run):
        self.file = run / "diary.jsonl"

    def _write(self, *told):
        with self.file.open("a") as file:
            file.write(json.dumps(told) + "\n")

    def start(self, step, last):
        self._write("start", step, last)

    def advance(self, step):
        self._write("advance", step)

    def log(self, step, dataset, values):
        self._write("log", step, dataset, sorted(values))

    def log_image(self, step, name, image):
        self._write("image", step, name, image.size)

    def close(self):
        self._write("close")


def registering(*items, **options):
    """Returns the implementation of a hook that registers these."""

    def implementation(register):
        for item in items:
            register(item, **options)

    return hookimpl(implementation)


register_datasets = registering(Shapes, Colours)
register_generators = registering(Mixer)
register_discriminators = registering(Critic)
register_losses = registering(Hinge)
register_methods = registering(Swap)
register_trackers = registering(Diary)
register_presets = registering(Path(__file__).with_name("small.toml"), default=True)
