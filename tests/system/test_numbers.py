"""A label that is a number, from a table through training to every command that uses the model."""

import csv
import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stargan_fw import Translator
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw_registry import Continuous

IMAGES = 40


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with a table of grey squares, their brightness as a number, and whether they have a frame."""
    folder = tmp_path_factory.mktemp("numbers")
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "framed", "light"])
        for number in range(IMAGES):
            light = 100 * number / (IMAGES - 1)
            picture = np.full((16, 16, 3), int(2 * light) + 20, np.uint8)
            picture[[0, -1]], picture[:, :4] = 255 * (number % 2), 120
            Image.fromarray(picture).save(folder / f"{number}.png")
            writer.writerow([f"{number}.png", ["no", "yes"][number % 2], "" if number == 1 else light])
    return folder


@pytest.fixture(scope="module")
def run(data, tiny, tmp_path_factory):
    """A tiny run on that table, with the range of the data."""
    out = tmp_path_factory.mktemp("numbers-run") / "run"
    alone = type(tiny)(f"squares=table:{data / 'labels.csv'}", tiny.options)
    alone.run(data, out, "--set", 'datasets.squares.continuous={"light" = "data"}', "--max-steps", 2)
    return out


def test_the_range_of_the_data_is_recorded(run, data, cli):
    assert RunFolder(run).config().datasets["squares"].options["continuous"] == {"light": [0, 100]}
    assert RunFolder(run).labels().schemas[0].attributes[1] == Continuous("light", 0, 100)
    assert sum(json.loads((run / "splits.json").read_text())["squares"]["label_counts"]["light"]) in range(30, IMAGES)
    resumed = cli(
        "train", "--out", run, "--resume", "--set", "datasets.squares.continuous.light=data", "--device", "cpu"
    )
    assert resumed.code == 2
    assert "continuous = {'light': 'data'} of --set (was {'light': [0.0, 100.0]})" in resumed.err


def test_the_data_is_checked(data, cli):
    options = [
        "--datasets",
        f"squares=table:{data / 'labels.csv'}",
        "--set",
        "datasets.squares.continuous.light=[0,100]",
    ]
    checked = cli("data", "check", *options, "--sheet", data / "sheet.png")
    assert checked.code == 0, checked.err
    assert "median" in checked.out
    assert "warning" not in checked.out


def test_an_edit_gives_a_number_or_adds_to_it(run, data, cli, tmp_path):
    edits = [part for edit in ("light=60", "light+20", "squares.light-10,framed=0.5") for part in ("--to", edit)]
    done = cli("translate", run, data / "3.png", *edits, "--grid", "--out", tmp_path)
    assert done.code == 0, done.err
    done = cli(
        "translate", run, data / "3.png", "--to", "light+20", "--current", "light=30", "--gif", "--out", tmp_path
    )
    assert done.code == 0, done.err
    refused = cli("translate", run, data / "3.png", "--to", "light=120", "--out", tmp_path)
    assert (refused.code, refused.err) == (2, "Error: 'light' cannot be '120': give a number from 0 to 100\n")
    refused = cli("translate", run, data / "3.png", "--to", "light=1", "--current", "light+5", "--out", tmp_path)
    assert "'light+5' changes 'light', and does not say what it is" in refused.err


def test_what_is_added_is_added_to_the_current_number(run, data):
    translator = Translator.from_pretrained(run, device="cpu")
    picture = data / "8.png"
    known = "light=30,framed=0"
    added = translator.translate(picture, to="light+20,framed", current=known)
    given = translator.translate(picture, to="light=50,framed", current=known)
    assert added.tobytes() == given.tobytes()
    half = translator.translate(picture, to="light=50", strength=0.5, current=known)
    assert half.tobytes() == translator.translate(picture, to="light=40", current=known).tobytes()


def test_a_sheet_shows_numbers_spread_over_the_range(run, data, cli, tmp_path):
    done = cli("sheet", run, "--out", tmp_path / "sheet.png")
    assert done.code == 0, done.err
    cli("sheet", run, data / "3.png", "--to", "light=10", "--to", "framed", "--out", tmp_path / "two.png")
    with Image.open(tmp_path / "sheet.png") as whole, Image.open(tmp_path / "two.png") as two:
        assert whole.width > 2 * two.width  # an input, five numbers and a flip


def test_the_error_is_measured_in_the_numbers_own_unit(run, cli):
    done = cli("evaluate", run, "--classifier-steps", 3, "--device", "cpu", "--json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)[0]["rows"]
    errors = {row["target"]: row["value"] for row in rows if row["metric"] == "regression_error"}
    assert list(errors) == ["squares.light", *(f"squares.light={number}" for number in (10, 30, 50, 70, 90))]
    assert all(0 <= error <= 100 for error in errors.values())
    assert max(errors.values()) > 1, "not a share of the range"
    real = [row["target"] for row in rows if row["metric"] == "real_regression_error"]
    assert real == ["squares.light"]
    assert [row["target"] for row in rows if row["metric"] == "classification_error"][:1] == ["squares"]
    done = cli("evaluate", run, "--to", "light=61.5", "--source", "framed", "--classifier-steps", 3, "--json")
    assert "squares.light=61.5" in done.out
    assert cli("evaluate", run, "--to", "light+5").err.startswith("Error: 'light+5' is not one label to set or clear")


def test_the_card_says_what_the_range_is(run, cli, tmp_path):
    done = cli("export", run, tmp_path / "model")
    assert done.code == 0, done.err
    card = (tmp_path / "model" / "README.md").read_text()
    assert "| squares | light | continuous | light from 0 to 100 |" in card
    assert "A continuous label is given a number (`light=50`), or more or less than it is now (`light+10`)." in card
    labels = Translator.from_pretrained(tmp_path / "model", device="cpu").labels
    assert labels == RunFolder(run).labels()


def test_onnx_gives_numbers_what_torch_does_as_its_card_says(data, tiny, cli, tmp_path, monkeypatch):
    """Of one dataset and of several at once, by the code of the card."""
    alone = type(tiny)(f"squares=table:{data / 'labels.csv'},frames=table:{data / 'labels.csv'}", tiny.options)
    columns = ['datasets.squares.continuous={"light" = [0, 100]}', 'datasets.frames.labels=["framed"]']
    alone.run(data, tmp_path / "run", *(part for key in columns for part in ("--set", key)), "--max-steps", 2)
    done = cli("export", tmp_path / "run", tmp_path / "model", "--format", "onnx")
    assert done.code == 0, done.err
    monkeypatch.chdir(tmp_path / "model")
    card = Path("README.md").read_text(encoding="utf-8")
    assert (
        '`squares.light` is a number from 0 to 100, given as a share of this range: `"squares.light": 0.5` for 50.'
        in card
    )
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    (across,) = re.findall(r"`wanted = ({.*?})`", card)
    assert across == '{"squares.framed": 1, "frames.framed": 1, "mask.squares": 1, "mask.frames": 1}'

    translator = Translator.from_pretrained(tmp_path / "run", device="cpu", precision="fp32")
    image, results = torch.zeros(1, 3, 32, 32), []
    for wanted, edit in {
        '{"squares.light": 0.6, "mask.squares": 1}': "squares.framed=0,light=60",
        '{"squares.light": 0.25, "squares.framed": 1, "mask.squares": 1}': "squares.framed,light=25",
        across.replace("{", '{"squares.light": 0.6, '): "squares.framed,light=60,frames.framed",
    }.items():
        given = {}
        exec(re.sub("wanted = .*", f"wanted = {wanted}", code), given)  # noqa: S102
        expected = translator.translate(image, to=edit)
        assert np.abs(given["translated"] - expected.numpy()).max() < 1e-4
        results.append(expected)
    assert min((one - other).abs().max() for one, other in pairwise(results)) > 1e-3


def test_a_model_goes_on_only_with_numbers_on_its_own_scale(run, data, cli, tmp_path):
    datasets = f"squares=table:{data / 'labels.csv'}"
    options = ["--datasets", datasets, "--from", run, "--out", tmp_path / "on", "--max-steps", 1, "--device", "cpu"]
    refused = cli("train", *options, "--set", "datasets.squares.continuous.light=[0,200]")
    assert refused.code == 2
    assert "'squares.light' goes from 0 to 100 in the model and from 0 to 200 in the data" in refused.err


@pytest.mark.parametrize("method", ["cyclegan", "diat"])
def test_methods_of_pairs_refuse_numbers(method, data, cli, tmp_path):
    options = ["--preset", f"{method}_64", "--set", "datasets.squares.continuous.light=[0,100]", "--dry-run"]
    datasets = f"squares=table:{data / 'labels.csv'}"
    refused = cli("train", "--datasets", datasets, "--out", tmp_path / "run", *options)
    assert refused.code == 2
    assert "The label 'squares.light' is a number, and this method trains a model for each two values" in refused.err


def test_a_number_can_be_learned(data):
    """The logistic reading of a logit reaches the number by its own gradient."""
    from stargan_fw_plugins.losses.classification import classification_loss
    from stargan_fw_registry import LabelSchema

    schema = LabelSchema("squares", [Continuous("light", 0, 100)])
    logits = torch.zeros(3, 1, requires_grad=True)
    labels = torch.tensor([[0.1], [0.5], [0.9]])
    adam = torch.optim.Adam([logits], 0.1)
    for _ in range(200):
        adam.zero_grad()
        classification_loss(schema, logits, labels).backward()
        adam.step()
    torch.testing.assert_close(schema.decode(logits.detach()), labels, atol=1e-2, rtol=0)
