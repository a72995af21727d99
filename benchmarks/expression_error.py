"""Measures how often an expression is not read from a translated face, as in the paper's Table 3.

A small classifier is trained on the real training split; unseen neutral people are translated to every other
expression; the error is the share of translations that the classifier does not read as the target.

    python benchmarks/expression_error.py runs/quickstart
"""

import argparse
import json
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from stargan_fw import Translator
from stargan_fw.data.source import decode
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw.runs.split_record import recorded_sources

EPOCHS, BATCH, MOST_ERROR, TRIES = 12, 32, 0.01, 3


class Classifier(nn.Sequential):
    """Four strided convolutions and a linear layer; (B, 3, H, W) in [-1, 1] to (B, classes)."""

    def __init__(self, classes: int) -> None:
        widths = (3, 32, 64, 128, 128)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Dropout(0.3), nn.LazyLinear(classes))


def fit(images: Tensor, targets: Tensor, classes: int, seed: int) -> Classifier:
    """Trains the classifier with random flips and shifts of up to three pixels."""
    torch.manual_seed(seed)
    model = Classifier(classes)
    model(images[:2])
    steps = EPOCHS * (len(images) // BATCH)
    adam = torch.optim.Adam(model.parameters())
    decay = torch.optim.lr_scheduler.OneCycleLR(adam, 3e-3, total_steps=steps)
    for _ in range(steps):
        chosen = torch.randint(len(images), (BATCH,))
        batch = images[chosen].roll(tuple(torch.randint(-3, 4, (2,)).tolist()), dims=(2, 3))
        batch = batch.flip(3) if torch.rand(()) < 0.5 else batch
        F.cross_entropy(model(batch), targets[chosen]).backward()
        adam.step()
        adam.zero_grad()
        decay.step()
    return model.eval()


@torch.no_grad()
def read(model: nn.Module, images: Tensor) -> Tensor:
    """Returns the classes that the classifier reads, (B,)."""
    return torch.cat([model(part).argmax(1) for part in images.split(128)])


def main() -> int:
    """Prints the errors, as text or as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--dataset", default="rafd")
    parser.add_argument("--source", default="neutral", help="the expression to translate from")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    run = RunFolder(arguments.run)
    config = run.config()
    sources = recorded_sources(run, PluginManager.discover())
    source = next(source for source in sources if source.alias == arguments.dataset)
    store = decode(config, [source])[arguments.dataset]
    images = torch.from_numpy(store.read(np.arange(len(store)))).permute(0, 3, 1, 2).float() / 127.5 - 1
    targets = torch.from_numpy(source.labels).argmax(1)
    train, test = list(source.train), list(source.test)

    started = time.time()
    for seed in range(TRIES):  # a classifier that errs on real images cannot measure
        classifier = fit(images[train], targets[train], source.schema.dim, seed)
        real_error = (read(classifier, images[test]) != targets[test]).float().mean().item()
        if real_error <= MOST_ERROR:
            break

    translator = Translator.from_pretrained(arguments.run, accelerate=True)
    names = source.schema.names
    unseen = [index for index in test if names[targets[index]] == arguments.source]
    errors = {}
    for number, name in enumerate(names):
        if name != arguments.source:
            translated = translator.translate(images[unseen], to=f"{arguments.dataset}.{name}")
            errors[name] = (read(classifier, translated) != number).float().mean().item()
    result = {
        "run": str(arguments.run),
        "real_error": real_error,
        "unseen_images": len(unseen),
        "unseen_people": len({source.examples[index].identity for index in unseen}),
        "errors": errors,
        "error": sum(errors.values()) / len(errors),
        "seconds": round(time.time() - started, 1),
    }
    if arguments.json:
        print(json.dumps(result, indent=1))
    else:
        print(f"classifier on {len(test)} real test images: {real_error:.2%} wrong")
        print(f"{len(unseen)} unseen {arguments.source} images of {result['unseen_people']} people, each to:")
        for name, error in errors.items():
            print(f"  {name:14s}{error:7.1%} not read as the target")
        print(f"expression error: {result['error']:.1%}")
    if real_error > MOST_ERROR:
        print(f"The classifier itself errs by more than {MOST_ERROR:.0%}: do not trust its readings.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
