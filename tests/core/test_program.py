"""Every command of core, as a user calls it, with nothing but the fakes: what a layer does in detail is tested beside this."""

import json
import tomllib

import numpy as np
import pytest
import torch

from stargan_fw import Translator
from stargan_fw.inference.figures import FigureRow, draw_figure
from stargan_fw.plugin_manager import PluginManager

EDITS = ["square", "inverted=flip", "red"]
NOT_SPEED = "images_per_second"


@pytest.fixture
def pictures(small_data):
    """Three pictures of the dataset of shapes."""
    return sorted((small_data / "shapes").glob("*.png"))[:3]


def told(run):
    return [json.loads(line) for line in (run / "diary.jsonl").read_text().splitlines()]


def test_train_writes_a_run(train, tmp_path, metrics):
    outcome = train("--max-steps", "4", "--set", "training.sample_every=3")
    run = tmp_path / "run"

    assert outcome.code == 0, outcome.err
    assert f"{run}: step 4 of 12" in outcome.out
    assert {path.name for path in run.iterdir() if path.name != ".lock"} == {
        *("config.toml", "labels.json", "splits.json", "metrics.jsonl", "samples", "checkpoints", "diary.jsonl")
    }
    assert [(row["step"], row["dataset"]) for row in metrics(run)] == [
        *((1, "shapes"), (2, "colours"), (3, "shapes"), (4, "colours")),
    ]
    assert set(metrics(run)[-1]) == {"step", "dataset", "lr", "d/adv", "d/labels", "g/adv", "g/kept"}
    assert sorted(path.stem for path in (run / "samples").iterdir()) == ["step-00000003", "step-00000004"]
    names = {path.name for path in (run / "checkpoints/step-00000004").iterdir()}
    assert names == {
        *("state.json", "SHA256SUMS"),
        *(f"{stem}.safetensors" for stem in ("generator", "discriminator", "optimizers", "ema")),
    }


def test_a_run_keeps_every_option_of_its_networks(trained_once):
    config = tomllib.loads((trained_once / "config.toml").read_text())

    assert list(config["datasets"]) == ["shapes", "colours"]
    assert config["method"] == {"name": "swap", "keep": 1.0}
    assert config["generator"] == {"name": "mixer", "width": 4}
    assert config["discriminator"] == {"name": "critic", "width": 4}
    assert config["datasets"]["shapes"] == {"plugin": "shapes", "on_bad_image": "error"}


def test_a_tracker_is_told_what_happens_in_its_order(trained_once):
    events = told(trained_once)

    assert events[0] == ["start", 0, 4]
    assert [event[1] for event in events if event[0] == "advance"] == [1, 2, 3, 4]
    assert [event[1:3] for event in events if event[0] == "log"] == [
        [1, "shapes"],
        [2, "colours"],
        [3, "shapes"],
        [4, "colours"],
    ]
    assert [event[:3] for event in events if event[0] == "image"] == [["image", 4, "samples"]]
    assert events[-1] == ["close"]


def test_continuing_gives_the_bits_of_an_uninterrupted_run(train, tmp_path, metrics, tensors):
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    options = ("--set", "training.log_every=5", "--set", "training.sample_every=100")

    assert train(*options, out=straight).code == 0
    assert train(*options, "--max-steps", "7", out=stopped).code == 0
    assert train("--resume", out=stopped).code == 0

    assert metrics(stopped) == metrics(straight)
    expected, found = tensors(straight, 12), tensors(stopped, 12)
    assert found.keys() == expected.keys()
    assert [name for name, value in expected.items() if not torch.equal(found[name], value)] == []
    state = "checkpoints/step-00000012/state.json"
    assert (stopped / state).read_text() == (straight / state).read_text()


def test_a_model_begins_with_the_weights_of_another(train, exported_once, tmp_path, tensors):
    outcome = train("--from", exported_once, "--max-steps", "1", "--set", "training.learning_rate=1e-12")

    assert outcome.code == 0, outcome.err
    assert "labels kept" in outcome.out
    model = Translator.from_pretrained(exported_once, device="cpu")
    weight = tensors(tmp_path / "run", 1)["generator/first.weight"]
    torch.testing.assert_close(weight, model._method.networks["generator"].first.weight.detach(), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "generator.name=mixr"], "did you mean 'mixer'"),
        (["--set", "generator.wdth=3"], "Unknown key 'generator.wdth': did you mean 'width'?"),
        (["--set", "method.keep=much"], "method.keep = 'much' should be a valid number"),
        (["--preset", "smal"], "did you mean 'small'"),
        (["--set", "training.trackers=['dairy']"], "did you mean 'diary'"),
    ],
)
def test_a_wrong_request_exits_with_2_and_writes_nothing(train, tmp_path, options, message):
    outcome = train(*options)

    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / "run").exists()


def test_without_a_default_preset_those_there_are_are_named(train, monkeypatch, tmp_path):
    plugins = PluginManager.discover()
    plugins.index("preset").default = None
    monkeypatch.setattr(PluginManager, "discover", lambda *_: plugins)
    outcome = train()

    assert outcome.code == 2
    assert "No preset is the default. Name one with --preset; there are: small." in outcome.err
    assert not (tmp_path / "run").exists()


def test_a_figure_has_a_row_per_picture_and_a_column_per_domain(trained_once, pictures):
    row = FigureRow(Translator.from_pretrained(trained_once, device="cpu", precision="fp32"))
    three, one = draw_figure([row], pictures), draw_figure([row], pictures[:1], EDITS)

    assert three.width > 7 * 16  # the input, four shapes and three colours
    assert three.height > 2 * one.height
    assert three.width > one.width


def test_a_model_folder_gives_the_bits_of_its_run(exported_once, trained_once):
    images = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    run, model = (
        Translator.from_pretrained(path, device="cpu", precision="fp32") for path in (trained_once, exported_once)
    )
    for edit in EDITS:
        assert torch.equal(model.translate(images, to=edit), run.translate(images, to=edit))


def test_the_translator_takes_arrays(exported_once):
    translator = Translator.from_pretrained(exported_once, device="cpu")
    array = np.zeros((24, 24, 3), np.uint8)

    assert translator.labels.datasets == ("shapes", "colours")
    assert translator.translate(array, to="disc").shape == (16, 16, 3)
