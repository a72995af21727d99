"""A model of a stranger's plugin: shared without the plugin, and used with it."""

import json
import shlex

import pytest
import torch
from safetensors import safe_open

from stargan_fw import Translator
from stargan_fw.errors import ModelError, PluginError
from stargan_fw_evaluate import EvaluationRequest
from stargan_fw_evaluate.candidate import Candidate, data_config

PLUGIN = """
import torch
from stargan_fw import Generator, hookimpl


class Tint(Generator):
    name = "tint"

    def __init__(self, *, image_size: int, label_dim: int, strength: float = 1.0):
        super().__init__()
        self.colour = torch.nn.Linear(label_dim, 3)
        self.strength = strength

    def forward(self, images, labels):
        return (images + self.strength * self.colour(labels)[:, :, None, None]).tanh()


@hookimpl
def register_generators(register):
    register(Tint)
"""
TINT = "--preset paper --precision fp32 --set data.image_size=32 --set training.batch_size=4 --set training.steps=2"
TINT += " --set discriminator.conv_dim=4 --set generator.name=tint"


@pytest.fixture
def plugin(tmp_path):
    (tmp_path / "tint.py").write_text(PLUGIN)
    return tmp_path / "tint.py"


@pytest.fixture
def model(train, cli, plugin, tmp_path):
    assert train("--plugin", plugin, tiny=TINT.split()).code == 0
    assert cli("export", tmp_path / "run", tmp_path / "model", "--plugin", plugin).code == 0
    return tmp_path / "model"


@pytest.fixture
def face(small_data):
    return min((small_data / "rafd").glob("*.jpg"))


def test_the_message_names_the_file_and_the_option_helps(cli, model, plugin, face, tmp_path):
    assert str(tmp_path) not in (model / "config.json").read_text()
    outcome = cli("translate", model, face, "--to", "happy", "-o", tmp_path / "out")
    assert outcome.code == 2
    assert "needs the generator 'tint'" in outcome.err
    assert "It is in the plugin file 'tint.py': name it with --plugin" in outcome.err
    assert not (tmp_path / "out").exists()

    assert cli("translate", model, face, "--to", "happy", "-o", tmp_path / "out", "--plugin", plugin).code == 0
    with pytest.raises(ModelError, match="needs the generator 'tint'"):
        Translator.from_pretrained(model)
    Translator.from_pretrained(model, plugins=[plugin])


def test_a_plugin_that_the_run_names_may_be_named_again(cli, model, plugin, face, tmp_path, monkeypatch):
    monkeypatch.chdir(plugin.parent)
    for again in (plugin, plugin.name, f"../{plugin.parent.name}/{plugin.name}"):
        outcome = cli("sheet", tmp_path / "run", "--plugin", again, "-o", tmp_path / "held-out.png")
        assert outcome.code == 0, outcome.err
        outcome = cli("sheet", tmp_path / "run", face, "--plugin", again, "-o", tmp_path / "face.png")
        assert outcome.code == 0, outcome.err
    Translator.from_pretrained(tmp_path / "run", plugins=[plugin.name])


def test_a_run_goes_on_once_its_plugin_files_are_named(train, cli, plugin, tmp_path, monkeypatch):
    (tmp_path / "tint.toml").write_text('plugins = ["tint.py"]')
    outcome = train("--config", tmp_path / "tint.toml", "--max-steps", 1, tiny=TINT.split())
    assert outcome.code == 0, outcome.err
    monkeypatch.chdir("/")

    refused = cli("train", "--resume", "--out", tmp_path / "run")

    assert refused.code == 2
    message, _, pasted = refused.err.partition(": --plugin")
    assert message.endswith(
        f"The run '{tmp_path / 'run'}' was trained with the plugin file tint.py. Files that a folder names are never run by "
        "themselves; name it if you trust it"
    )
    resumed = cli("train", "--resume", "--out", tmp_path / "run", *shlex.split(f"--plugin{pasted}"))
    assert resumed.code == 0, resumed.err
    assert "step 2 of 2" in resumed.out


def test_an_evaluation_opens_a_run_with_plugin_files_that_are_named(train, plugin, tmp_path):
    assert train("--plugin", plugin, tiny=TINT.split()).code == 0
    run, device = tmp_path / "run", torch.device("cpu")
    with pytest.raises(PluginError, match="tint.py"):
        Candidate.open(run, EvaluationRequest(), device)
    assert Candidate.open(run, EvaluationRequest(plugins=(plugin,)), device).labels.datasets == ("celeba", "rafd")


def test_the_cache_that_a_run_names_is_used_if_it_is_one(train, tmp_path):
    cache = tmp_path / "cache"
    assert train("--cache", cache, "--max-steps", 1).code == 0
    request = EvaluationRequest()
    candidate = Candidate.open(tmp_path / "run", request, torch.device("cpu"))
    assert data_config([candidate], ["rafd"], request).data.cache == str(cache)
    for store in cache.iterdir():
        store.unlink()
    assert data_config([candidate], ["rafd"], request).data.cache is None


def test_an_installed_plugin_is_named_by_its_distribution(cli, model, face, tmp_path):
    config = json.loads((model / "config.json").read_text())
    assert [need["file"] for need in config["plugins"]] == [None, "tint.py"]
    config["plugins"][1] |= {"file": None, "distribution": "stargan-tint", "version": "2.0"}
    (model / "config.json").write_text(json.dumps(config))
    outcome = cli("translate", model, face, "--to", "happy", "-o", tmp_path / "out")
    assert outcome.code == 2
    assert "pip install stargan-tint (the model was made with 2.0)" in outcome.err


TWO = """
import copy

import torch
from stargan_fw import hookimpl
from stargan_fw_plugins.methods.stargan import StarGAN


class Two(StarGAN):
    name = "two"
    translating = ("generator", "second")
    reading = ()

    def __init__(self, space, image_size, build):
        super().__init__(space, image_size, build)
        self.second = build.generator(image_size=image_size, label_dim=space.dim)
        self.networks = {**self.networks, "second": self.second}

    @torch.no_grad()
    def translate(self, images, dataset, target, source=None):
        return self.second(super().translate(images, dataset, target), self.space.join(dataset, target))


@hookimpl
def register_methods(register):
    register(Two)
"""


def test_a_method_of_several_translating_networks_shares_them_all(train, cli, tmp_path):
    (tmp_path / "two.py").write_text(TWO)
    options = ["--plugin", tmp_path / "two.py", "--set", "method.name=two", "--set", "training.steps=2"]
    assert train(*options, "--set", "generator.name=attention", "--set", "discriminator.conv_dim=4").code == 0
    assert cli("export", tmp_path / "run", tmp_path / "model", "--plugin", tmp_path / "two.py").code == 0

    assert not (tmp_path / "model/classifier.safetensors").exists()
    with safe_open(tmp_path / "model/model.safetensors", framework="pt") as file:
        assert {name.partition(".")[0] for name in file.keys()} == {"generator", "second"}  # noqa: SIM118 - no mapping
    images = torch.zeros(2, 3, 32, 32)
    ours, runs = (
        Translator.from_pretrained(tmp_path / name, device="cpu", plugins=[tmp_path / "two.py"]).translate(
            images, "happy"
        )
        for name in ("model", "run")
    )
    assert torch.equal(ours, runs)


def test_an_argument_that_no_file_can_have_is_refused_at_export(train, cli, plugin, tmp_path):
    plugin.write_text(PLUGIN.replace("strength: float = 1.0", "strength: int = 1"))
    assert train("--plugin", plugin, "--set", "generator.strength=2000000", tiny=TINT.split()).code == 0
    outcome = cli("export", tmp_path / "run", tmp_path / "other", "--plugin", plugin)
    assert outcome.code == 2
    assert "cannot be shared: arguments: a number is larger than" in outcome.err
    assert not (tmp_path / "other").exists()
