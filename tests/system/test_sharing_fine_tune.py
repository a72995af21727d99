"""`train --from`: goes on from a trained model, also with other labels."""

import re
import shutil
import tomllib

import pytest
import tomli_w
import torch
from safetensors.torch import load_file

from stargan_fw import Translator
from stargan_fw.runs.run_folder import RunFolder

SMALL = [
    "--precision",
    "fp32",
    "--set",
    "training.batch_size=4",
    "--set",
    "training.steps=40",
    "--set",
    "training.n_critic=1",
]
STILL = ["--set", "training.learning_rate=1e-30"]  # a rate too small to move a weight


@pytest.fixture
def tune(train, exported_once):
    """Fine-tunes the tiny model of both datasets: `tune("--max-steps", 2, datasets="rafd") -> Outcome`."""

    def run(*options, model=exported_once, **places):
        return train("--from", model, *options, tiny=SMALL, **places)

    return run


@pytest.fixture
def images():
    torch.manual_seed(7)
    return torch.rand(2, 3, 32, 32) * 2 - 1


def translations(model, images, *edits):
    translator = Translator.from_pretrained(model, device="cpu")
    return [translator.translate(images, to=edit) for edit in edits]


def test_it_begins_where_the_model_is_and_moves_on(tune, exported_once, images, tmp_path):
    outcome = tune("--max-steps", 2, *STILL, out=tmp_path / "still")
    assert outcome.code == 0
    assert "15 labels kept" in outcome.out
    assert "new:" not in outcome.out
    assert tune("--max-steps", 2, out=tmp_path / "moved").code == 0

    edits = ["happy", "Male"]
    before = translations(exported_once, images, *edits)
    still = translations(tmp_path / "still", images, *edits)
    moved = translations(tmp_path / "moved", images, *edits)
    assert all(torch.equal(a, b) for a, b in zip(before, still, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(before, moved, strict=True))


def test_the_networks_are_the_models_and_the_run_repeats(tune, cli, exported_once, tmp_path):
    assert tune("--max-steps", 2).code == 0
    config = (tmp_path / "run/config.toml").read_text()
    assert 'name = "attention"' in config
    assert "image_size = 32" in config
    assert f'start = "{exported_once}"' in config

    assert (
        cli("train", "--config", tmp_path / "run/config.toml", "--out", tmp_path / "again", "--max-steps", 2).code == 0
    )
    first, again = (
        load_file(tmp_path / name / "checkpoints/step-00000002/generator.safetensors") for name in ("run", "again")
    )
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_a_resumed_run_needs_the_model_no_more(tune, train, exported, tmp_path):
    assert tune("--max-steps", 2, model=exported).code == 0
    shutil.rmtree(exported)
    assert train("--resume", "--max-steps", 3, tiny=SMALL).code == 0
    outcome = tune("--resume", "--max-steps", 4)
    assert outcome.code == 2
    assert "training.start" in outcome.err


def test_a_changed_attribute_list_is_matched_by_name(tune, exported_once, images, tmp_path):
    attributes = '["Male","Eyeglasses","Black_Hair","Blond_Hair","Brown_Hair"]'
    outcome = tune("--max-steps", 2, *STILL, "--set", f"datasets.celeba.attributes={attributes}")
    assert outcome.code == 0, outcome.err
    assert "14 labels kept; new: celeba.Eyeglasses; dropped: celeba.Young" in outcome.out

    (before,) = translations(exported_once, images, "Blond_Hair,Male=0,Young=0")
    without, glasses = translations(
        tmp_path / "run", images, "Blond_Hair,Male=0,Eyeglasses=0", "Blond_Hair,Male=0,Eyeglasses"
    )
    torch.testing.assert_close(without, before, rtol=0, atol=1e-5)
    torch.testing.assert_close(glasses, before, rtol=0, atol=1e-5)


def test_new_labels_are_learned(cli, train, tune, exported_once, small_data, images, tmp_path):
    model = tmp_path / "extended"
    third = f"again=rafd:{small_data / 'rafd'}"
    assert cli("extend", exported_once, "-o", model, "--datasets", f"celeba,rafd,{third}").code == 0
    assert tune("--max-steps", 6, model=model, datasets=f"celeba,rafd,{third}").code == 0
    happy, sad = translations(tmp_path / "run", images, "again.happy", "again.sad")
    assert not torch.equal(happy, sad)


def test_a_dry_run_says_what_becomes_of_the_labels(tune, tmp_path):
    outcome = tune("--dry-run", datasets="rafd")
    assert outcome.code == 0
    assert "8 labels kept; dropped: celeba.Black_Hair" in outcome.out
    assert not (tmp_path / "run").exists()


def test_without_the_classifier_the_discriminator_begins_anew(tune, exported):
    (exported / "classifier.safetensors").unlink()
    outcome = tune("--dry-run", model=exported)
    assert outcome.code == 0
    assert "15 labels kept; from the beginning: discriminator" in outcome.out


REFUSED = {
    "another size": (["--set", "generator.conv_dim=8"], "other sizes than those asked for"),
    "another network": (["--set", "generator.name=stargan"], "generator of .* is another network"),
    "another image size": (["--set", "data.image_size=64"], "other sizes than those asked for"),
}


@pytest.mark.parametrize("options, message", REFUSED.values(), ids=REFUSED)
def test_other_networks_are_refused(tune, tmp_path, options, message):
    outcome = tune(*options)
    assert outcome.code == 2
    assert re.search(message, outcome.err), outcome.err
    assert not (tmp_path / "run").exists()


def test_no_model_to_begin_with(tune, tmp_path):
    outcome = tune(model=tmp_path / "nowhere")
    assert outcome.code == 2
    assert "holds no run and no model" in outcome.err
    assert not (tmp_path / "run").exists()


def test_the_models_datasets_are_those_of_a_run_that_names_none(cli, trained_once, exported_once, small_data, tmp_path):
    glasses = 'datasets.celeba.attributes=["Male","Eyeglasses"]'
    command = ("train", "--from", trained_once, "--set", glasses, *SMALL, "--max-steps", 1)
    outcome = cli(*command, "--out", tmp_path / "of a run")
    assert outcome.code == 0, outcome.err
    assert "celeba.Eyeglasses" in outcome.out
    assert list(RunFolder(tmp_path / "of a run").config().datasets) == ["celeba", "rafd"]

    command = ("train", "--from", exported_once, *SMALL, "--max-steps", 1, "--data", small_data)
    assert cli(*command, "--out", tmp_path / "of a folder").code == 0
    assert RunFolder(tmp_path / "of a folder").labels().to_dict() == RunFolder(trained_once).labels().to_dict()


def test_datasets_that_no_plugin_has_must_be_named(cli, exported, tmp_path):
    config = exported / "config.json"
    config.write_text(config.read_text().replace('"celeba"', '"people"'))
    outcome = cli("train", "--from", exported, "--out", tmp_path / "run")
    assert outcome.code == 2
    assert "no plugin is called 'people'" in outcome.err
    assert "people=plugin:location" in outcome.err


def test_datasets_that_are_named_need_no_plugin_file_of_the_run(cli, trained, small_data, tmp_path):
    path = trained / "config.toml"
    config = tomllib.loads(path.read_text())
    config["plugins"], config["datasets"]["rafd"]["plugin"] = ["/gone/people.py"], "people"
    path.write_text(tomli_w.dumps(config))
    command = ("train", "--from", trained, *SMALL, "--max-steps", 1, "--out", tmp_path / "run")
    assert "--plugin /gone/people.py" in cli(*command).err
    assert cli(*command, "--datasets", "celeba,rafd", "--data", small_data).code == 0
