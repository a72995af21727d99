"""The files in `examples/` run as they stand."""

import csv
import io
import json
import runpy
import shutil
import sys
import tomllib
from pathlib import Path

import datasets as huggingface_datasets
import pytest
from PIL import Image

from stargan_fw.plugin_manager import PluginManager
from stargan_fw_scaffold.contract import check_plugin

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL = "data.image_size=32 discriminator.conv_dim=4 training.batch_size=4 training.n_critic=1"


def test_every_example_is_listed_in_the_docs():
    page = (EXAMPLES.parent / "docs" / "examples.md").read_text(encoding="utf-8")

    assert [
        path.name for path in EXAMPLES.iterdir() if path.name != "__pycache__" and f"examples/{path.name}" not in page
    ] == []


def test_a_generator_a_loss_and_a_tracker_train_together_and_go_on(cli, small_data, tmp_path):
    plugins = [EXAMPLES / f"{name}.py" for name in ("dilated_generator", "hinge_loss", "csv_tracker")]
    named = [text for plugin in plugins for text in ("--plugin", plugin)]
    chosen = f"{SMALL} generator.name=dilated generator.width=4 loss.name=hinge_r1 loss.interval=2"
    chosen += ' training.trackers=["csv"] training.log_every=1 training.sample_every=2'
    settings = [text for setting in chosen.split() for text in ("--set", setting)]
    command = ["train", *named, "--datasets", "celeba,rafd", "--data", small_data, "--preset", "stargan_64", *settings]
    run = tmp_path / "run"

    outcome = cli(*command, "--out", run, "--max-steps", 6)

    assert outcome.code == 0, outcome.err
    logged = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    penalised = [row["step"] for row in logged if any(name.endswith("penalty") for name in row)]
    assert penalised == [step for step in range(1, 7) if step in penalised]
    assert 0 < len(penalised) < 6, "the penalty is due at every second update of a dataset"
    with Image.open(run / "latest.png") as latest, Image.open(next((run / "samples").iterdir())) as sheet:
        assert latest.size == sheet.size

    with (run / "metrics.csv").open("a") as file:
        file.write("8,celeba,d/adv,1.5\n")  # of a step after the checkpoint
    assert cli("train", *named, "--out", run, "--resume", "--max-steps", 7).code == 0
    rows = list(csv.DictReader(io.StringIO((run / "metrics.csv").read_text())))
    assert sorted({int(row["step"]) for row in rows}) == [1, 2, 3, 4, 5, 6, 7]
    assert {(int(row["step"]), row["metric"]) for row in rows} >= {(row["step"], "d/adv") for row in logged}


@pytest.mark.parametrize("name", ["dilated_generator", "hinge_loss", "csv_tracker", "shapes"])
def test_the_plugins_pass_the_contract_suite(name):
    outcomes = list(check_plugin(str(EXAMPLES / f"{name}.py")))

    assert outcomes
    assert [fault for outcome in outcomes for fault in outcome.faults] == []


@pytest.fixture
def album(tmp_path, monkeypatch):
    """Installs the command as pip does: the module on the path, and beside it what `pyproject.toml` says of it."""
    package = EXAMPLES / "album_command"
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    installed = tmp_path / "site" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = [
        line
        for group, points in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {module}" for name, module in points.items()))
    ]
    (installed / "entry_points.txt").write_text("\n".join(lines))
    shutil.copy(package / "album.py", installed.parent)
    monkeypatch.syspath_prepend(str(installed.parent))
    yield
    sys.modules.pop("album", None)


@pytest.mark.usefixtures("album")
def test_the_command_writes_a_page(cli, trained_once, small_data, tmp_path):
    page = tmp_path / "page.html"
    outcome = cli("album", trained_once, small_data / "rafd", "--to", "happy", "--first", 2, "-o", page)

    assert outcome.code == 0, outcome.err
    assert outcome.out == f"{page}: 2 pictures\n"
    assert page.read_text().count('<img src="data:image/webp;base64,') == 2
    empty = cli("album", trained_once, tmp_path / "site", "--to", "happy")
    assert (empty.code, "holds no pictures" in empty.err) == (2, True)


def test_training_from_python(small_data, tmp_path, monkeypatch, capsys):
    small = [*SMALL.split(), "generator.conv_dim=4", "training.steps=2", "training.log_every=1", "training.trackers=[]"]
    monkeypatch.setattr(sys, "argv", ["train_from_python.py", str(small_data), str(tmp_path / "run"), *small])
    monkeypatch.chdir(tmp_path)

    runpy.run_path(str(EXAMPLES / "train_from_python.py"), run_name="__main__")

    assert " at step 2.\n" in capsys.readouterr().out
    with Image.open(tmp_path / "translated.png") as translated:
        assert translated.size == (32, 32)


@pytest.fixture
def fairface(tmp_path, monkeypatch):
    """A folder with the columns, configurations and splits of the dataset on the Hub, and with 24 grey images."""
    monkeypatch.setattr(huggingface_datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(huggingface_datasets.config, "HF_HUB_OFFLINE", True)
    ages = ["0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70"]
    classes = {"age": ages, "gender": ["Male", "Female"], "race": ["East Asian", "Indian", "Black", "White"]}
    features = {name: huggingface_datasets.ClassLabel(names=names) for name, names in classes.items()}
    features |= {"image": huggingface_datasets.Image(), "service_test": huggingface_datasets.Value("bool")}
    grey = io.BytesIO()
    Image.new("L", (40, 40), 128).save(grey, "JPEG")
    columns = {name: [row % len(names) for row in range(24)] for name, names in classes.items()}
    columns |= {"image": [{"bytes": grey.getvalue(), "path": None}] * 24, "service_test": [True, False] * 12}
    rows = huggingface_datasets.Dataset.from_dict(columns, features=huggingface_datasets.Features(features))
    configs = "configs:\n"
    for margin in ("0.25", "1.25"):
        configs += f"- config_name: '{margin}'\n  data_files:\n"
        for split in ("train", "validation"):
            rows.to_parquet(tmp_path / "FairFace" / margin / f"{split}-00000-of-00001.parquet")
            configs += f"  - split: {split}\n    path: {margin}/{split}-*\n"
    (tmp_path / "FairFace" / "README.md").write_text(f"---\n{configs}---\n")
    return tmp_path / "FairFace"


def test_a_dataset_of_the_hub_trains_by_configuration(cli, fairface, tmp_path):
    here = f"datasets.fairface.location={fairface} {SMALL} generator.conv_dim=4 training.trackers=[]"
    settings = [text for setting in here.split() for text in ("--set", setting)]
    outcome = cli(
        "train", "--config", EXAMPLES / "fairface.toml", *settings, "--out", tmp_path / "run", "--max-steps", 1
    )

    assert outcome.code == 0, outcome.err
    labels = json.loads((tmp_path / "run/labels.json").read_text())
    assert "more than 70" in json.dumps(labels)
    assert "East Asian" not in json.dumps(labels)
    splits = json.loads((tmp_path / "run/splits.json").read_text())["fairface"]
    assert (splits["training"], len(splits["test"])) == (24, 24)
    face, older = tmp_path / "face.png", tmp_path / "older.png"
    Image.new("RGB", (40, 40), "#884422").save(face)
    outcome = cli("translate", tmp_path / "run", face, "--to", "60-69", "-o", older)
    assert (outcome.code, older.exists()) == (0, True), outcome.err


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
