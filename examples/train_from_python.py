"""Trains from Python, without the command line; writes translated.png with a face that the model makes happy and blond.

stargan-fw data sample data/sample
python examples/train_from_python.py data/sample runs/from_python training.steps=1000
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from stargan_fw import Tracker, Translator
from stargan_fw.api import Layer, RunFolder, choose_device, configure_layers, prepare_training


class Losses(Tracker):
    """Keeps a loss in memory, by step; any object with these methods may watch a training."""

    name = "losses"

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.by_step: dict[int, float] = {}

    def log(self, step: int, dataset: str, values: Mapping[str, float]) -> None:  # noqa: ARG002
        if self.metric in values:
            self.by_step[step] = values[self.metric]


def train(data: Path, run: Path, *settings: str) -> dict[int, float]:
    """Trains a model, or continues where the training was stopped, and returns the reconstruction losses by step.

    Args:
        data: the folder that holds celeba/ and rafd/.
        run: the run folder.
        settings: as `--set` takes them, such as "training.steps=500".
    """
    layers = [Layer.from_keys("this program", {"data.path": str(data)}), Layer.from_settings(settings)]
    config, plugins = configure_layers(layers, datasets="celeba,rafd", preset="quickstart")
    training, losses = prepare_training(config, plugins, RunFolder(run)), Losses("g/rec")
    training.run(choose_device(None), Console(), observers=[losses])
    return losses.by_step


if __name__ == "__main__":
    found = train(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
    last = max(found)
    sys.stdout.write(f"The reconstruction loss is {found[last]:.3f} at step {last}.\n")
    face = min(Path(sys.argv[1]).glob("rafd/**/*.jpg"))
    Translator.from_pretrained(sys.argv[2]).translate(face, to="happy,Blond_Hair").save("translated.png")
