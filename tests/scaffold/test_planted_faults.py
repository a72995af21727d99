"""Faults that were planted in components: the contract suite finds each with one message that says what to change."""

import pytest

from stargan_fw.errors import PluginError
from stargan_fw_scaffold.component_templates import COMPONENTS
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
LOSS, METHOD, TRACKER, COMMAND = (
    COMPONENTS[kind].replace("@NAME@", "planted").replace("@CLASS@", "Planted")
    for kind in ("loss", "method", "tracker", "command")
)
METHOD = METHOD.replace("wgan_gp", "lsgan")  # takes half of the time
YIELD_D = '        yield "d", self._discriminator_losses(batch, fake)\n'
LEAVES_OUT = "classification_loss(self.space.schema(dataset), own, labels)"
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
    "a loss with the sign turned": (LOSS, "return -scores.mean()", "return scores.mean()", "a higher loss for higher scores. Turn the sign"),
    "a sum instead of a mean": (LOSS, "return -scores.mean()", "return -scores.sum()", "no mean over its images"),
    "a critic without gradients": (LOSS, "CriticLoss(total,", "CriticLoss(total.detach(),", "a total without gradients"),
    "a loss that rewards confusion": (LOSS, "(1 - real.scores).relu().mean() + (1 + fake", "(1 + real.scores).relu().mean() + (1 - fake", "Turn the sign: high scores mean real"),
    "a context that is open at a yield": (METHOD, YIELD_D, "        with torch.no_grad():\n    " + YIELD_D, "yields phase 'd' inside of torch.no_grad()"),
    "a phase twice": (METHOD, YIELD_D, YIELD_D * 2, "yields phase 'd' again after its last losses"),
    "a phase that is not due": (METHOD, 'if "g" in due:', "if True:", "at a step at which it is not due"),
    "a network that no phase trains": (METHOD, "self.networks = {", 'self.networks = {"extra": torch.nn.Linear(1, 1), ', "has the network 'extra', which no phase trains"),
    "a parameter that no loss needs": (METHOD, "        self.networks =", "        self.generator.idle = torch.nn.Parameter(torch.ones(1))\n        self.networks =", "never moves the parameter 'idle'"),
    "unknown labels in a loss": (METHOD, LEAVES_OUT, "(own - labels).square().mean()", "not finite if labels are unknown"),
    "unknown labels as zeros": (METHOD, LEAVES_OUT, "(own - labels.nan_to_num()).square().mean()", "learns labels that nobody knows"),
    "a count that no checkpoint has": (METHOD, "        target =", "        self.count = getattr(self, 'count', 0) + 1\n        self.loss.lambda_rec = self.count\n        target =", "goes on otherwise after its state is saved"),
    "a mask that has to be there": (METHOD, "        self.generator =", "        assert space.mask_dim\n        self.generator =", "fails if there is one dataset"),
    "gradients in translate": (METHOD, "    @torch.no_grad()\n    def translate", "    def translate", "keeps gradients in translate()"),
    "a loss of no number": (METHOD, "total = adv + ", "total = adv / 0 + ", "and not one finite number"),
    "labels that are read as numbers": (METHOD, "self.space.decode(dataset, logits)", "logits[:, self.space.slice(dataset)]", "that are not all 0, 1 or NaN"),
    "a tracker that needs a package": (TRACKER, "        self.path =", "        import no_such_package\n        self.path =", "if a package is missing"),
    "a tracker that changes the metrics": (TRACKER, 'planted.tsv"', 'metrics.jsonl"', "changes RUN/metrics.jsonl"),
    "a tracker that closes what is not open": (TRACKER, "    def log(", "    def start(self, step, last): self.file = 1\n    def close(self): del self.file\n\n    def log(", "if a training ends before start()"),
    "a command that imports torch": (COMMAND, "from pathlib", "import torch\nfrom pathlib", "Import torch, and what imports it"),
    "a command without a line of help": (COMMAND, '"""Print how many images a folder has."""', "", "has no line in --help"),
    "a command of what nobody can type": (COMMAND, "folder: Path)", 'folder: "Nothing")', "cannot be built by typer"),
}  # fmt: skip


STALE = {  # changes of `examples` alone, after which it no longer reads what draw_stand_in draws
    "a list is missing": (
        "        paths =",
        "        raise DataError(f\"There is no '{self.root}/list.csv'.\")\n        paths =",
    ),
    "a list is opened": ("        paths =", '        (self.root / "list.csv").read_text()\n        paths ='),
    "other names": ('glob("*.png")', 'glob("*.jpg")'),
    "other labels": ('"dog")[', '"hare")['),
    "other files": ("yield Example(path", 'yield Example(path.with_suffix(".jpg")'),
}


def write(tmp_path, source):
    path = tmp_path / "planted.py"
    path.write_text(source, encoding="utf-8")
    return str(path)


def faults(target):
    return [fault for outcome in check_plugin(target) for fault in outcome.faults]


@pytest.mark.parametrize(
    "source",
    [DATASET, GENERATOR, DISCRIMINATOR, LOSS, METHOD, TRACKER, COMMAND],
    ids=["dataset", "generator", "discriminator", "loss", "method", "tracker", "command"],
)
def test_a_component_without_fault_passes(tmp_path, source):
    assert faults(write(tmp_path, source)) == []


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_has_one_message(tmp_path, monkeypatch, name):
    monkeypatch.setattr("stargan_fw_scaffold.method_subject.PROGRESS", (0.0,))  # one stage is enough for these
    source, right, wrong, message = FAULTS[name]
    assert right in source
    found = faults(write(tmp_path, source.replace(right, wrong)))
    assert len(found) == 1, found
    assert message in found[0]
    assert "\n" not in found[0]


@pytest.mark.parametrize("name", STALE)
def test_data_that_the_dataset_drew_itself_is_named_as_the_reason(tmp_path, name):
    source = DATASET.replace(
        "from stargan_fw_registry", "from stargan_fw.errors import DataError\nfrom stargan_fw_registry"
    )
    plugin = write(tmp_path, source.replace(*STALE[name]))
    assert "Let draw_stand_in draw what examples() reads; or delete it" in faults(plugin)[0]
    assert "draw_stand_in" not in "".join(next(check_plugin(plugin, data=tmp_path)).faults)


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ('name = "pets"', 'name = "celeba"', "the dataset 'celeba' is already registered by"),
        ("def register_datasets", "def register_dataset", "'register_dataset' is no hook: did you mean"),
        ('name = "pets"', 'name = "rafd"', "give it another name"),
        ("@hookimpl\n", "", "registers nothing. Write a function such as register_datasets"),
        ("import random", "import rändom", "Install what is missing, or mend planted.py, line 2."),
        ("import random", "1 / 0", "ZeroDivisionError: division by zero. Mend planted.py, line 2."),
        ("import random", "import (", r"SyntaxError: .* \(planted.py, line 2\). Mend that line."),
        ("import random", "raise SystemExit", "SystemExit. Mend planted.py, line 2."),
        ("    register(Pets)", "    register(Pets.nothing)", "Mend planted.py, line 24."),
        ('Binary("young")]', 'Binary("")]', "Mend planted.py, line 9."),
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


def test_what_is_no_plugin_is_named(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = cli("plugins", "check", "stargan_fw_plugins.datasets.celebra")
    assert found.code == 2
    assert "did you mean 'stargan_fw_plugins.datasets.celeba'?" in found.err
    for name in ("", ".", "no such", "os.path.join", "-"):
        found = cli("plugins", "check", "--", name)
        assert (found.code, "there is no such module" in found.err) == (2, True), found


def test_a_package_that_is_not_installed_is_told_from_a_module(cli, tmp_path, monkeypatch):
    (tmp_path / "my pets").mkdir()
    (tmp_path / "my pets/pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    found = cli("plugins", "check", "my pets")
    assert (found.code, found.err.count("\n")) == (2, 1)
    assert "Install its package, and name that: pip install -e 'my pets'" in found.err


@pytest.mark.parametrize(
    ("source", "message"),
    [("import no_such_package", "or mend __init__.py, line 1."), ("1 / 0", "zero. Mend __init__.py, line 1.")],
)
def test_a_module_whose_package_fails_is_told_from_one_that_is_missing(cli, tmp_path, monkeypatch, source, message):
    package = tmp_path / f"failing_{len(source)}"
    package.mkdir()
    (package / "__init__.py").write_text(source)
    (package / "plugin.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    found = cli("plugins", "check", f"{package.name}.plugin")
    assert (found.code, message in found.err) == (2, True), found.err


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


@pytest.mark.parametrize(
    "module", ["losses.wgan_gp", "losses.vanilla", "losses.lsgan", "losses.r1", "trackers.tensorboard"]
)
def test_built_in_losses_and_trackers_keep_the_contract(module):
    for case in contract_cases(f"stargan_fw_plugins.{module}"):
        case.run()


def test_a_command_whose_name_is_taken_is_refused(tmp_path):
    with pytest.raises(PluginError, match="the command 'translate' is already registered by"):
        contract_cases(write(tmp_path, COMMAND.replace('"planted"', '"translate"')))
