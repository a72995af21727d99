"""A model of a stranger's plugin: shared without the plugin, and used with it."""

import json

import pytest

from stargan_fw import Translator
from stargan_fw.errors import ModelError

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
    assert cli("export", tmp_path / "run", tmp_path / "model").code == 0
    return tmp_path / "model"


@pytest.fixture
def face(small_data):
    return min((small_data / "rafd").glob("*.jpg"))


def test_the_message_names_the_file_and_the_option_helps(cli, model, plugin, face, tmp_path):
    assert str(tmp_path) not in (model / "config.json").read_text()
    outcome = cli("translate", model, face, "--to", "happy", "-o", tmp_path / "out")
    assert outcome.code == 2
    assert "needs the generator 'tint'" in outcome.err
    assert "--plugin tint.py" in outcome.err
    assert not (tmp_path / "out").exists()

    assert cli("translate", model, face, "--to", "happy", "-o", tmp_path / "out", "--plugin", plugin).code == 0
    with pytest.raises(ModelError, match="needs the generator 'tint'"):
        Translator.from_pretrained(model)
    Translator.from_pretrained(model, plugins=[plugin])


def test_an_installed_plugin_is_named_by_its_distribution(cli, model, face, tmp_path):
    config = json.loads((model / "config.json").read_text())
    assert [need["file"] for need in config["plugins"]] == [None, "tint.py"]
    config["plugins"][1] |= {"file": None, "distribution": "stargan-tint", "version": "2.0"}
    (model / "config.json").write_text(json.dumps(config))
    outcome = cli("translate", model, face, "--to", "happy", "-o", tmp_path / "out")
    assert outcome.code == 2
    assert "pip install stargan-tint (the model was made with 2.0)" in outcome.err
