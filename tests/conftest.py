"""What all tests share: stand-in data drawn once, a tiny trained run, and the command line as a user calls it."""

import shutil
import sys
from dataclasses import dataclass

import pytest
import torch

from stargan_fw.cli.main import main
from stargan_fw.models.export import export_run
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw_plugins.datasets.celeba import CelebA
from stargan_fw_plugins.datasets.rafd import RaFD

# Networks this small run no faster on two threads, and two test processes that spin for threads stand in each other's way.
torch.set_num_threads(1)

TINY = [
    "--preset",
    "quickstart",
    "--precision",
    "fp32",
    "--set",
    "data.image_size=32",
    "--set",
    "training.batch_size=4",
    "--set",
    "training.steps=40",
    "--set",
    "training.n_critic=1",
    "--set",
    "generator.conv_dim=4",
    "--set",
    "generator.repeat_num=1",
    "--set",
    "discriminator.conv_dim=4",
]


@dataclass
class Outcome:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def small_data(tmp_path_factory):
    """A folder with celeba/ (30 images) and rafd/ (5 people, 120 images); not to be written to, but for its cache."""
    root = tmp_path_factory.mktemp("small")
    for dataset in (CelebA, RaFD):
        (root / dataset.name).mkdir()
        dataset.draw_stand_in(root / dataset.name, images=30, people=5, seed=1)
    return root


@pytest.fixture
def cli(monkeypatch, capsys):
    """Runs the program in this process: `cli("train", "--datasets", "celeba") -> Outcome`."""

    def run(*arguments) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["stargan-fw", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def train(cli, small_data, tmp_path):
    """Trains a tiny model: `train("--max-steps", 4) -> Outcome`, by default on both datasets, in `tmp_path / "run"`."""

    def run(*options, datasets="celeba,rafd", data=small_data, out=tmp_path / "run", tiny=TINY) -> Outcome:
        return cli("train", "--datasets", datasets, "--data", data, "--out", out, *tiny, *options)

    return run


@pytest.fixture(scope="session")
def trained_once(small_data, tmp_path_factory):
    """The folder of a tiny run of 4 steps on both datasets; not to be written to."""
    out = tmp_path_factory.mktemp("trained") / "run"
    with pytest.MonkeyPatch.context() as patch:
        command = ["train", "--datasets", "celeba,rafd", "--data", str(small_data), "--out", str(out), *TINY]
        patch.setattr(sys, "argv", ["stargan-fw", *command, "--max-steps", "4"])
        with pytest.raises(SystemExit, match="0"):
            main()
    return out


@pytest.fixture
def trained(trained_once, tmp_path):
    """A copy of that run to change."""
    return shutil.copytree(trained_once, tmp_path / "trained")


@pytest.fixture(scope="session")
def exported_once(trained_once, tmp_path_factory):
    """The model folder of that run; not to be written to."""
    out = tmp_path_factory.mktemp("exported") / "model"
    export_run(RunFolder(trained_once), out)
    return out


@pytest.fixture
def exported(exported_once, tmp_path):
    """A copy of that model folder to change."""
    return shutil.copytree(exported_once, tmp_path / "exported")
