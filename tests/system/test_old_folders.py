"""Folders that an older version wrote open, translate and continue as they did then: `tests/golden` (see its make.py).

Other processors and versions of torch round differently, so numbers may be a little apart. On the machine that made the
folders, STARGAN_FW_EXACT=1 asks for the same bits.
"""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from stargan_fw import Translator

GOLDEN = Path(__file__).parents[1] / "golden"
EXACT = os.environ.get("STARGAN_FW_EXACT") == "1"
EDITS = json.loads((GOLDEN / "expected/edits.json").read_text(encoding="utf-8"))
FINISHED = Path("checkpoints/step-00000012")
RESUME = ("train", "--resume", "--out", "run", "--device", "cpu")


@pytest.fixture(autouse=True)
def golden(tmp_path, monkeypatch):
    """A copy of the folders to work in: the run's data lies where its `config.toml` says, seen from there."""
    folder = shutil.copytree(GOLDEN, tmp_path / "golden")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("STARGAN_FW_CACHE", raising=False)
    return folder


def agree(given, expected, within):
    """Asserts that arrays are alike, or the same where the same bits are asked for."""
    given, expected = np.asarray(given), np.asarray(expected)
    assert (given.shape, given.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(given, expected, rtol=0, atol=0 if EXACT else within)


def pictures():
    return sorted(Path("input").iterdir())


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def scaled(path):
    return pixels(path).astype(np.float32).transpose(2, 0, 1) / 127.5 - 1


@pytest.mark.parametrize("model", ["run", "model"])
def test_a_run_and_a_model_folder_translate_as_they_did(model):
    translator = Translator.from_pretrained(model, device="cpu", precision="fp32")
    images = [torch.from_numpy(scaled(path)) for path in pictures()]

    columns = [translator.translate(images, edit, strength=strength) for edit, strength in EDITS]

    agree(np.stack([torch.stack(column) for column in columns], 1), np.load(f"expected/{model}.npy"), 1e-5)


@pytest.mark.parametrize("model", ["run", "model"])
def test_the_command_translates_with_them(cli, model):
    edits = [part for edit, _ in EDITS for part in ("--to", edit)]

    outcome = cli("translate", model, "input", *edits, "--out", "out", "--precision", "fp32", "--device", "cpu")

    assert outcome.code == 0, outcome.err
    expected = sorted(Path("expected/translate").iterdir())
    assert [path.name for path in sorted(Path("out").iterdir())] == [path.name for path in expected]
    for path in expected:
        agree(pixels(Path("out") / path.name).astype(int), pixels(path).astype(int), 1)


def test_an_onnx_folder_translates_as_it_did():
    session = onnxruntime.InferenceSession("onnx/model.onnx", providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    names, side = json.loads(about["labels"]), int(about["image_size"])
    images = np.stack([scaled(path)[:, :side, :side] for path in pictures()])
    columns = []

    for edit, strength in EDITS:
        (label,) = [name for name in names if name.endswith(edit)]
        wanted = {label: strength, f"mask.{label.partition('.')[0]}": 1}
        labels = np.float32([[wanted.get(name, 0) for name in names]] * len(images))
        columns.append(session.run(None, {"images": images, "labels": labels})[0])

    agree(np.stack(columns, 1), np.load("expected/onnx.npy"), 1e-4)


def test_a_run_resumes_and_finishes_as_it_did(cli, metrics):
    outcome = cli(*RESUME)

    assert outcome.code == 0, outcome.err
    assert state(Path("run") / FINISHED) == state(Path("expected/finished"))
    for file in ("generator", "discriminator", "ema", "optimizers"):
        tensors_agree(file, 1e-4)
    rows, expected = metrics(Path("run")), metrics(Path("expected"))
    assert [list(row) for row in rows] == [list(row) for row in expected]
    for row, then in zip(rows, expected, strict=True):
        assert row == (then if EXACT else pytest.approx(then, abs=1e-3))
    assert Path("run/samples/step-00000012.png").exists()


def state(checkpoint):
    """Returns what `state.json` says of the run, without what it says of itself."""
    values = json.loads((checkpoint / "state.json").read_text(encoding="utf-8"))
    return {name: value for name, value in values.items() if name not in {"format", "made_with"}}


def tensors_agree(stem, within):
    given = load_file(Path("run") / FINISHED / f"{stem}.safetensors")
    expected = load_file(Path("expected/finished") / f"{stem}.safetensors")
    assert list(given) == list(expected)
    for name, value in expected.items():
        agree(given[name], value, within)


@pytest.mark.parametrize("model", ["run", "model"])
def test_labels_are_read(model):
    translator = Translator.from_pretrained(model, device="cpu")
    assert translator.labels.names == ("a.dark", "a.light", "b.dotted", "b.plain", "b.striped")
    assert translator.image_size == 32


def test_a_run_is_held_to_its_configuration(cli):
    outcome = cli(*RESUME, "--set", "training.batch_size=2")
    assert (outcome.code, "training.batch_size" in outcome.err) == (2, True)


def test_a_run_is_held_to_its_labels(cli):
    Path("data/a/light").rename("data/a/bright")
    outcome = cli(*RESUME)
    assert (outcome.code, "labels" in outcome.err) == (2, True)


def test_a_run_is_held_to_its_split(cli):
    test = json.loads(Path("run/splits.json").read_text(encoding="utf-8"))["a"]["test"]
    Path("data/a", test[0]).unlink()
    outcome = cli(*RESUME)
    assert (outcome.code, "dataset 'a'" in outcome.err) == (2, True)
