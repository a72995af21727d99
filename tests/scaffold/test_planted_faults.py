"""Faults that were planted in components: the contract suite finds each with one message that says what to change."""

import pytest

from stargan_fw.errors import PluginError
from stargan_fw_scaffold.contract import check_plugin, contract_cases

DATASET = """
import random
from PIL import Image
from stargan_fw import Dataset, Example, Square, hookimpl
from stargan_fw_registry import Binary, Categorical

class Pets(Dataset):
    name = "pets"
    attributes = [Categorical("species", ["cat", "dog"]), Binary("young")]
    calls = 0

    def examples(self):
        paths = sorted(self.root.glob("*.png"))
        for number, path in enumerate(paths):
            yield Example(path, {"species": ("cat", "dog")[number % 2], "young": number % 3 == 0})

    @classmethod
    def draw_stand_in(cls, root, *, images, people, seed):
        for number in range(images):
            Image.new("RGB", (40, 40), (number, seed % 256, 0)).save(root / f"{number:03d}.png")

@hookimpl
def register_datasets(register):
    register(Pets)
"""
GENERATOR = """
import torch
from torch import nn
from stargan_fw import Generator, hookimpl

class Plain(Generator):
    name = "plain"

    def __init__(self, *, image_size, label_dim, width=4):
        super().__init__()
        self.first = nn.Conv2d(3 + label_dim, width, 3, padding=1)
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, images, labels):
        maps = labels[:, :, None, None].expand(-1, -1, *images.shape[2:])
        hidden = self.first(torch.cat([images, maps], dim=1))
        return self.last(hidden.relu()).tanh()

@hookimpl
def register_generators(register):
    register(Plain)
"""
DISCRIMINATOR = """
import torch
from torch import nn
from stargan_fw import Discriminator, hookimpl

class Scores(Discriminator):
    name = "scores"

    def __init__(self, *, image_size, label_dim, width=4):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, width, 4, 4), nn.LeakyReLU(), nn.Conv2d(width, 1, 1))

    def forward(self, images):
        return self.layers(images)

@hookimpl
def register_discriminators(register):
    register(Scores)
"""
# name: (the plugin, what is written there, the fault, a part of the message)
FAULTS = {
    "label outside of the schema": (DATASET, '"dog")[', '"hare")[', "a label outside of its schema"),
    "unstable order": (DATASET, "        for number, path in enumerate(paths)", "        random.shuffle(paths)\n        for number, path in enumerate(paths)", "at the next. Sort the files"),
    "missing files": (DATASET, "yield Example(path", 'yield Example(path.with_suffix(".jpg")', "which is no file. Give the path"),
    "identity of a float": (DATASET, "% 3 == 0})", "% 3 == 0}, identity=float(number))", "a float. Convert it before"),
    "unknown people are one person": (DATASET, "% 3 == 0})", '% 3 == 0}, identity=float("nan"))', "Give identity=None"),
    "a label that is never known": (DATASET, '"young": number % 3 == 0', "", "never knows the label 'young'"),
    "a split by nobody": (DATASET, "calls = 0", 'test_split = "person"', "no example names a person"),
    "an absent folder": (DATASET, 'sorted(self.root.glob("*.png"))', "sorted(self.root.iterdir())", "FileNotFoundError if its folder is missing"),
    "an error in the plugin": (DATASET, "for number, path in enumerate(paths)", "for path in paths", "raises NameError"),
    "a generator that changes the size": (GENERATOR, "nn.Conv2d(width, 3, 3, padding=1)", "nn.Conv2d(width, 3, 3)", "makes images of shape (2, 3, 30, 30)"),
    "a generator out of range": (GENERATOR, ".tanh()", " * 40", "End forward with torch.tanh"),
    "a generator that ignores labels": (GENERATOR, "images, maps]", "images, maps * 0]", "makes the same image with label 0"),
    "a generator that needs labels": (GENERATOR, "        super().__init__()", "        super().__init__()\n        assert label_dim", "label_dim=0"),
    "state that changes in evaluation": (DISCRIMINATOR, "        return self", "        self.layers[0].bias.data.add_(1e-5)\n        return self", "in evaluation mode. Change it only"),
    "a score per image": (DISCRIMINATOR, "self.layers(images)", "self.layers(images).mean(dim=(1, 2, 3))", "not (2, 1, h, w)"),
    "images that see one another": (DISCRIMINATOR, "self.layers(images)", "self.layers(images) + images.mean()", "if another image is beside it"),
    "an idle parameter": (DISCRIMINATOR, "        self.layers =", "        self.idle = nn.Linear(1, 1)\n        self.layers =", "never trains its parameter 'idle.weight'"),
    "an argument that nobody passes": (DISCRIMINATOR, "width=4", "width", "needs the argument width"),
}  # fmt: skip


def write(tmp_path, source):
    path = tmp_path / "planted.py"
    path.write_text(source, encoding="utf-8")
    return str(path)


def faults(target):
    return [fault for outcome in check_plugin(target) for fault in outcome.faults]


@pytest.mark.parametrize("source", [DATASET, GENERATOR, DISCRIMINATOR], ids=["dataset", "generator", "discriminator"])
def test_a_component_without_fault_passes(tmp_path, source):
    assert faults(write(tmp_path, source)) == []


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_has_one_message(tmp_path, name):
    source, right, wrong, message = FAULTS[name]
    assert right in source
    found = faults(write(tmp_path, source.replace(right, wrong)))
    assert len(found) == 1, found
    assert message in found[0]
    assert "\n" not in found[0]


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ('name = "pets"', 'name = "celeba"', "the dataset 'celeba' is already registered by"),
        ("def register_datasets", "def register_dataset", "'register_dataset' is no hook: did you mean"),
        ("@hookimpl\n", "", "registers nothing. Write a function such as register_datasets"),
        ("import random", "import rändom", "ModuleNotFoundError"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_refused_with_the_reason(tmp_path, right, wrong, message):
    with pytest.raises(PluginError, match=message):
        contract_cases(write(tmp_path, DATASET.replace(right, wrong)))


def test_the_program_says_it_a_line_per_fault(tmp_path, cli):
    wrong = cli("plugins", "check", write(tmp_path, GENERATOR.replace(".tanh()", " * 40")))
    assert (wrong.code, wrong.err) == (1, "")
    assert wrong.out.startswith("fault: the generator plain makes values up to ")
    right = cli("plugins", "check", write(tmp_path, GENERATOR))
    assert (right.code, right.out) == (0, "ok: generator plain (11 checks)\n")


def test_what_is_no_plugin_is_named(cli):
    found = cli("plugins", "check", "stargan_fw_plugins.datasets.celebra")
    assert found.code == 2
    assert "did you mean 'stargan_fw_plugins.datasets.celeba'?" in found.err


BUILT_IN = [
    case
    for package in ("stargan_fw_plugins.datasets.celeba", "stargan_fw_plugins.datasets.rafd", "stargan_fw_plugins.datasets.folder", "stargan_fw_plugins.datasets.table")
    for case in contract_cases(package)
]  # fmt: skip


@pytest.mark.parametrize("case", BUILT_IN, ids=str)
def test_built_in_datasets_keep_the_contract(case):
    case.run()


@pytest.mark.parametrize(
    "module", ["stargan_generator", "attention_generator", "resnet_generator", "stargan_discriminator", "patch_discriminator"]
)  # fmt: skip
def test_built_in_networks_keep_the_contract(module):
    for case in contract_cases(f"stargan_fw_plugins.networks.{module}", options={"conv_dim": 8}):
        case.run()
