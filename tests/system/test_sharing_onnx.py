"""A model as ONNX: what torch gives, for any batch and size, without this program."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from stargan_fw import Translator
from stargan_fw_plugins.methods.stargan import StarGAN
from stargan_fw_share import export_onnx, onnx_folder

EXAMPLE = Path(__file__).parents[2] / "examples/onnx_translate.py"
HAPPY = [0.0] * 5 + [0, 0, 0, 0, 1, 0, 0, 0] + [0, 1]


@pytest.fixture(scope="module")
def converted(exported_once, tmp_path_factory):
    """The ONNX folder of the tiny model; not to be written to."""
    out = tmp_path_factory.mktemp("onnx") / "model"
    export_onnx(exported_once, out)
    return out


@pytest.fixture(scope="module")
def session(converted):
    return onnxruntime.InferenceSession(converted / "model.onnx", providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("batch, height, width", [(1, 32, 32), (3, 32, 32), (16, 32, 32), (2, 64, 40)])
def test_it_gives_what_torch_does(session, exported_once, batch, height, width):
    torch.manual_seed(batch)
    images = torch.rand(batch, 3, height, width) * 2 - 1
    translator = Translator.from_pretrained(exported_once, device="cpu")
    target = torch.tensor([HAPPY[5:13]]).expand(batch, -1)
    expected = translator._method.translate(images, "rafd", target)

    (given,) = session.run(None, {"images": images.numpy(), "labels": np.float32([HAPPY] * batch)})

    assert given.shape == (batch, 3, height, width)
    assert np.abs(given - expected.numpy()).max() < 1e-3


def test_several_mask_bits_give_what_torch_does(session, exported_once):
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    translator = Translator.from_pretrained(exported_once, device="cpu")
    expected = translator.translate(images, to="happy,Blond_Hair,Male,Young=0")

    names = json.loads(session.get_modelmeta().custom_metadata_map["labels"])
    wanted = {"rafd.happy", "celeba.Blond_Hair", "celeba.Male", "mask.rafd", "mask.celeba"}
    labels = np.float32([[name in wanted for name in names]] * 2)
    (given,) = session.run(None, {"images": images.numpy(), "labels": labels})

    assert np.abs(given - expected.numpy()).max() < 1e-3
    assert np.abs(given - translator.translate(images, to="happy").numpy()).max() > 1e-3


def test_a_method_that_takes_one_dataset_after_the_other_says_so_in_its_card(exported_once, cli, tmp_path, monkeypatch):
    def translate_in_turn(method, images, targets, sources):
        for dataset, labels in targets.items():
            images = method.translate(images, dataset, labels)
        return images

    monkeypatch.setattr(StarGAN, "translate_across", translate_in_turn)
    done = cli("export", exported_once, tmp_path / "model", "--format", "onnx")
    assert done.code == 0, done.err
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "translate to those of one dataset, and the result to those of the next." in card
    assert '"mask.celeba": 1, "mask.rafd": 1}' not in card


def test_its_metadata_names_the_labels(session, exported_once):
    about = session.get_modelmeta().custom_metadata_map
    names = json.loads(about["labels"])
    assert names[:2] == ["celeba.Black_Hair", "celeba.Blond_Hair"]
    assert names[-3:] == ["rafd.surprised", "mask.celeba", "mask.rafd"]
    assert about["image_size"] == "32"
    assert json.loads(about["label_space"]) == json.loads((exported_once / "config.json").read_text())["labels"]


def test_the_folder_has_a_card_and_no_path_of_this_machine(converted):
    assert sorted(path.name for path in converted.iterdir()) == ["README.md", "model.onnx"]
    card = (converted / "README.md").read_text()
    assert "onnxruntime.InferenceSession" in card
    assert 'wanted = {"celeba.Black_Hair": 1, "mask.celeba": 1}' in card
    assert 'wanted = {"celeba.Black_Hair": 1, "rafd.angry": 1, "mask.celeba": 1, "mask.rafd": 1}`' in card
    model = (converted / "model.onnx").read_bytes()
    assert b"site-packages" not in model
    assert b".py" not in model


def test_the_example_translates_without_torch(converted, exported_once, small_data, tmp_path):
    face = min((small_data / "rafd").glob("*.jpg"))
    program = (
        f"import sys, runpy; runpy.run_path({str(EXAMPLE)!r}); assert not {{'torch', 'stargan_fw'}} & {{*sys.modules}}"
    )
    translator = Translator.from_pretrained(exported_once, device="cpu")
    for labels, edit in (
        (["rafd.happy"], "happy"),
        (["rafd.happy", "celeba.Blond_Hair"], "happy,Blond_Hair,Male=0,Young=0"),
    ):
        command = [sys.executable, "-c", program, converted / "model.onnx", face, tmp_path / "out.png", *labels]
        subprocess.run(list(map(str, command)), check=True)

        expected = np.asarray(translator.translate(face, to=edit), int)
        given = np.asarray(Image.open(tmp_path / "out.png"), int)
        assert np.abs(given - expected).mean() < 8  # Pillow's own resize, and whole numbers cut off


def test_the_example_is_of_the_promised_size():
    lines = [line for line in EXAMPLE.read_text().splitlines()[1:] if line and not line.startswith('"""')]
    assert len(lines) <= 15


def test_a_run_is_converted_at_the_command_line(cli, trained_once, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_folder, "_convert", lambda generator, config, path: path.write_bytes(b"model"))
    monkeypatch.setattr(onnx_folder, "_difference", lambda *_: 2e-6)
    outcome = cli("export", trained_once, tmp_path / "model", "--format", "onnx")
    assert outcome.code == 0
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["README.md", "model.onnx", "sheet.png"]
    assert "at most 2e-06 apart" in (tmp_path / "model/README.md").read_text()

    monkeypatch.setattr(onnx_folder, "_difference", lambda *_: 0.1)
    assert cli("export", trained_once, tmp_path / "other", "--format", "onnx").code == 1
    assert not (tmp_path / "other").exists()


def test_without_the_extra(cli, exported_once, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    outcome = cli("export", exported_once, tmp_path / "model", "--format", "onnx")
    assert outcome.code == 2
    assert "pip install 'stargan-fw[onnx]'" in outcome.err
    assert not (tmp_path / "model").exists()
