"""The files in `examples/` run as they stand."""

import json
from pathlib import Path

import pytest
from PIL import Image

from stargan_fw.plugin_manager import PluginManager

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_joint_config_trains(cli, small_data, tmp_path):
    small = (
        "--set data.image_size=32 --set generator.conv_dim=4 --set discriminator.conv_dim=4 --set training.batch_size=4"
    )
    config = EXAMPLES / "joint_celeba_rafd.toml"
    command = ["train", "--config", config, "--data", small_data, "--out", tmp_path / "run", *small.split()]

    assert cli(*command, "--max-steps", "2").code == 0
    assert "attributes" in (tmp_path / "run/config.toml").read_text()


def test_the_plugin_draws_and_trains(cli, tmp_path):
    plugin = EXAMPLES / "shapes.py"
    options = ["--images", "30", "--people", "2", "--plugin", plugin]
    assert cli("data", "sample", tmp_path / "data", *options).code == 0

    small = "--preset quickstart --set data.image_size=32 --set generator.conv_dim=4 --set discriminator.conv_dim=4"
    command = ["train", "--plugin", plugin, "--datasets", "shapes", "--data", tmp_path / "data", *small.split()]
    assert cli(*command, "--out", tmp_path / "run", "--max-steps", "2").code == 0

    picture = min((tmp_path / "data/shapes/circle").glob("*.png"))
    out = tmp_path / "square.png"
    assert cli("translate", tmp_path / "run", picture, "--to", "square,filled", "-o", out).code == 0
    assert out.exists()


def test_the_plugin_is_of_the_promised_size():
    code = (EXAMPLES / "shapes.py").read_text()
    dataset = code[code.index("class Shapes") : code.index("    @classmethod")] + code[code.index("@hookimpl") :]
    assert len([line for line in dataset.splitlines() if line.strip()]) <= 15


EMOJI = EXAMPLES / "emoji.py"


@pytest.fixture
def emoji(emoji_data):
    """Makes a dataset of the example: `emoji("google_tone")`."""
    datasets = PluginManager.discover((EMOJI,)).index("dataset")
    return lambda name: datasets.get(name)(emoji_data / name)


def test_emoji_of_google_have_tones_and_those_of_twitter_genders(emoji):
    tones, genders = (list(emoji(name).examples()) for name in ("google_tone", "twitter_gender"))
    assert (len(tones), len(genders)) == (2 * 3 * 6, 2 * 2 * 6), (
        "runners are small, and of red-haired people one is here"
    )
    assert {(one.identity, one.split) for one in tones} == {("1F33E", "test"), ("1F46E", "train")}
    found = {one.image.name: one.labels for one in tones}
    assert found["1f469-1f3ff-200d-1f33e.png"] == {"tone": "dark"}
    assert found["1f46e.png"] == {"tone": "yellow"}
    found = {one.image.name: one.labels for one in genders}
    assert found["1f469-1f3ff-200d-1f33e.png"] == {"gender": "woman"}
    assert found["1f46e-1f3fb-200d-2642-fe0f.png"] == {"gender": "man"}
    assert "1f46e.png" not in found


def test_every_edit_of_an_emoji_has_a_true_picture(emoji):
    for dataset in (emoji("google_tone"), emoji("twitter_gender")):
        example = next(one for one in dataset.examples() if one.image.name == "1f468-1f3fb-200d-1f33e.png")
        for change, name in (
            ({}, "1f468-1f3fb-200d-1f33e"),
            ({"tone": "dark"}, "1f468-1f3ff-200d-1f33e"),
            ({"gender": "woman"}, "1f469-1f3fb-200d-1f33e"),
            ({"gender": "woman", "tone": "yellow"}, "1f469-200d-1f33e"),
        ):
            with Image.open(example.image.with_name(f"{name}.png")) as picture:
                assert dataset.counterfactual_across(example, change).tobytes() == picture.tobytes()
        assert dataset.counterfactual_across(example, {"gender": "woman", "Smiling": True}) is None


def test_emoji_train_jointly_and_are_compared_with_the_truth(cli, emoji_data, tmp_path):
    small = "--preset quickstart --set data.image_size=32 --set generator.conv_dim=4 --set discriminator.conv_dim=4"
    command = ["train", "--plugin", EMOJI, "--datasets", "google_tone,twitter_gender", "--data", emoji_data]
    assert cli(*command, *small.split(), "--out", tmp_path / "run", "--max-steps", "2").code == 0
    both = ("--to", "google_tone.dark,twitter_gender.woman")
    outcome = cli("evaluate", tmp_path / "run", "--plugin", EMOJI, "--classifier-steps", "2", "--json", *both)
    assert outcome.code == 0, outcome.err
    compared = {row["target"] for row in json.loads(outcome.out)[0]["rows"] if row["metric"] == "psnr_gain"}
    assert compared == {f"{both[1]} on {name}" for name in ("google_tone", "twitter_gender")}
    names = json.loads((tmp_path / "run/splits.json").read_text())["google_tone"]["test"]
    assert "img/google/64/1f468-200d-1f33e.png" in names, "the packages may lie elsewhere later"


def test_a_missing_package_is_named_with_the_command_that_fetches_it(cli, tmp_path):
    outcome = cli("data", "check", "--plugin", EMOJI, "--datasets", "google_tone", "--data", tmp_path)
    assert outcome.code == 2
    assert f'npm install --no-save --prefix "{tmp_path}" emoji-datasource-google@16.0.0' in outcome.err
