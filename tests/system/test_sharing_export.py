"""Export, load, translate: a model folder is all that anyone needs, and is written whole or not at all."""

import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import version

import pytest
import torch
from safetensors import safe_open

from stargan_fw import Translator
from stargan_fw.inference.translator import EXTRAPOLATES
from stargan_fw.models.loading import open_model
from stargan_fw_evaluate import Evaluation, Row
from stargan_fw_plugins.methods.stargan import StarGAN
from stargan_fw_registry import Binary, Categorical, Continuous, Exclusive, LabelSchema, LabelSpace, quote_name
from stargan_fw_share import model_folder
from stargan_fw_share.card import Facts, render, with_repo_name, write_card
from stargan_fw_share.model_description import describe_trained
from stargan_fw_share.model_folder import write_model

EDITS = ["happy", "Blond_Hair,Male=0", "rafd.neutral", "Young"]
FILES = ["README.md", "classifier.safetensors", "config.json", "model.safetensors", "sheet.png"]


@pytest.fixture
def images():
    torch.manual_seed(3)
    return torch.rand(3, 3, 32, 32) * 2 - 1


def test_the_folder_holds_what_it_should(exported_once, trained_once):
    assert sorted(path.name for path in exported_once.iterdir()) == FILES
    with safe_open(exported_once / "model.safetensors", framework="pt") as file:
        assert file.metadata()["stargan_fw_format"] == "1"
    config = json.loads((exported_once / "config.json").read_text())
    assert config["format"] == 1
    assert config["image_size"] == 32
    assert config["labels"] == json.loads((trained_once / "labels.json").read_text())
    assert config["crops"] == {"celeba": 178, "rafd": None}
    assert list(config["own_crops"]) == ["rafd"]
    assert "a square of 0.85 of its width around the head" in config["own_crops"]["rafd"]
    assert config["components"]["generator"] == {"name": "attention", "arguments": {"conv_dim": 4, "repeat_num": 1}}
    (need,) = config["plugins"]
    assert (need["distribution"], need["version"]) == ("stargan-fw", version("stargan-fw"))
    named = {"method": config["method"], **config["components"]}
    assert need["provides"] == [f"{kind} {component['name']}" for kind, component in named.items()]


def test_others_may_read_it(exported_once):
    assert [path.stat().st_mode & 0o777 for path in (exported_once, *exported_once.iterdir())] == [0o755] + [0o644] * 5


def test_no_path_of_this_machine_is_shared(exported_once, trained_once, small_data):
    for name in ("README.md", "config.json"):
        text = (exported_once / name).read_text()
        assert str(trained_once) not in text
        assert str(small_data) not in text


@pytest.mark.parametrize("edit", EDITS)
def test_the_folder_translates_as_the_run_to_the_bit(exported_once, trained_once, images, edit):
    ours = Translator.from_pretrained(exported_once, device="cpu").translate(images, to=edit)
    runs = Translator.from_pretrained(trained_once, device="cpu").translate(images, to=edit)
    assert torch.equal(ours, runs)


PROGRAM = """
import sys, torch
from stargan_fw import Translator
images = torch.load(sys.argv[2], weights_only=True)
translator = Translator.from_pretrained(sys.argv[1], device="cpu")
torch.set_num_threads(1)
torch.save(torch.cat([translator.translate(images, to=edit) for edit in sys.argv[4:]]), sys.argv[3])
"""


def test_the_folder_alone_is_enough_in_a_fresh_process(cli, train, small_data, tmp_path, images):
    data, run = shutil.copytree(small_data, tmp_path / "data"), tmp_path / "run"
    assert train("--max-steps", "2", data=data).code == 0
    expected = [Translator.from_pretrained(run, device="cpu").translate(images, to=edit) for edit in EDITS]
    assert cli("export", run, tmp_path / "made").code == 0
    shutil.rmtree(run)
    shutil.rmtree(data)
    folder = (tmp_path / "made").rename(tmp_path / "moved")
    torch.save(images, tmp_path / "images.pt")

    command = [sys.executable, "-c", PROGRAM, folder, tmp_path / "images.pt", tmp_path / "out.pt", *EDITS]
    subprocess.run(list(map(str, command)), check=True, cwd=tmp_path)

    assert torch.equal(torch.load(tmp_path / "out.pt", weights_only=True), torch.cat(expected))


def test_every_edit_of_a_card_can_be_read_although_datasets_have_labels_of_one_name(exported_once, tmp_path):
    trained = open_model(exported_once)
    faces = [Continuous("age", 0, 100), Exclusive("hair", ["black", "blond"]), Binary("old")]
    space = LabelSpace(
        [LabelSchema("faces", faces), LabelSchema("pets", [*faces, Categorical("kind", ["cat", "dog"])])]
    )
    crops = dict.fromkeys(space.datasets)
    config = describe_trained(trained).model_copy(update={"labels": space.to_dict(), "crops": crops, "own_crops": {}})
    write_card(tmp_path, config, trained.method, Facts("model", "Of a test."), reads_labels=True)

    card = (tmp_path / "README.md").read_text()
    (usage,) = re.findall(r"^A binary label is .*", card, re.MULTILINE)
    edits = re.findall("`([^`]+)`", usage)
    assert len(edits) == 6
    for edit in [*edits, *re.findall(r"--to (\S+) -o", card)]:
        assert space.resolve(edit), edit


def test_the_onnx_card_writes_names_as_the_file_does():
    space = LabelSpace([LabelSchema("faces", [Continuous("height, cm", 0, 250)]), LabelSchema("pets", [Binary("cat")])])
    values = dict.fromkeys(("file", "image_size", "multiple", "batches", "across", "passes"), 0)
    usage = render(
        "onnx_usage.md", space=space, quote=quote_name, difference=0, example={}, **values | {"batches": [1]}
    )
    (name,) = re.findall(r'`("[^`]*"): 0\.5` for 125', usage)
    assert json.loads(name) == space.unified_names[0]


def test_a_card_says_whether_the_method_takes_labels_of_several_datasets_and_was_trained_with_them(
    exported_once, tmp_path, monkeypatch
):
    trained = open_model(exported_once)
    trained.load(*trained.weights)

    def card(name):
        write_model(tmp_path / name, describe_trained(trained), trained.method, [], Facts(name, "Of a test."))
        return (tmp_path / name / "README.md").read_text()

    monkeypatch.setattr(StarGAN, "trained_across", True)
    assert (
        "(`celeba.Black_Hair,rafd.angry`): the method gives images labels of other datasets in training, too."
        in card("trained")
    )
    assert "was trained with labels of one dataset at a time" not in card("trained_too")
    monkeypatch.setattr(StarGAN, "translate_across", None)
    assert "For labels of several, translate to those of one dataset, and the results" in card("alone")


def test_the_card(cli, trained, tmp_path):
    Evaluation(
        str(trained), "step-00000004", {}, [Row("classification_error", "rafd", 0.0212, 0.019, 0.024, n=500)]
    ).write()
    assert cli("export", trained, tmp_path / "model").code == 0
    card = (tmp_path / "model/README.md").read_text()

    header = card.split("---")[1]
    assert "library_name: stargan-fw" in header
    assert "pipeline_tag: image-to-image" in header
    assert "- stargan\n" in header
    assert "license" not in header
    assert "| crop of celeba | the middle 178 px |" in card
    assert "around the head, at 0.47 to 0.53 of the width and 0.41 of the height; of other pictures the middle" in card
    assert "| celeba | hair | exclusive | Black_Hair, Blond_Hair, Brown_Hair |" in card
    assert "| classification error | rafd | 500 | 2.12% [1.90%, 2.40%] |" in card
    assert "| dataset rafd | plugin rafd: 96 training images, 24 held out |" in card
    assert "stargan-fw translate model face.jpg --to Black_Hair" in card
    assert "![Held-out images, then each domain.](sheet.png)" in card
    assert f"(`celeba.Black_Hair,rafd.angry`). The model {EXTRAPOLATES}" in card
    assert "## Limits and intended use" in card


def test_a_licence_is_the_hubs(cli, trained_once, tmp_path):
    assert cli("export", trained_once, tmp_path / "model", "--license", "cc-by-nc-4.0").code == 0
    assert "\nlicense: cc-by-nc-4.0\n" in (tmp_path / "model/README.md").read_text()
    outcome = cli("export", trained_once, tmp_path / "other", "--license", "GPL, or so")
    assert outcome.code == 2
    assert "such as mit or cc-by-nc-4.0" in outcome.err
    assert not (tmp_path / "other").exists()


def test_a_published_card_names_the_repository(cli, trained_once, tmp_path):
    assert cli("export", trained_once, tmp_path / "my model").code == 0
    card = (tmp_path / "my model/README.md").read_text()
    assert "stargan-fw translate 'my model' face.jpg --to Black_Hair" in card
    assert "`my model` is this folder" in card
    published = with_repo_name(card, "me/x")
    assert "stargan-fw translate me/x face.jpg --to Black_Hair" in published
    assert 'from_pretrained("me/x")' in published
    assert published.count("my model") == 1, "its heading"


def test_the_sheet_shows_what_the_run_held_out_whatever_became_of_the_data(cli, train, small_data, tmp_path):
    data = shutil.copytree(small_data, tmp_path / "data")
    assert train("--max-steps", "1", data=data, datasets="rafd").code == 0
    assert cli("export", tmp_path / "run", tmp_path / "before").code == 0
    for image in sorted((data / "rafd").rglob("*_frontal.jpg")):
        person = image.name.split("_")[1]
        shutil.copy(image, image.with_name(image.name.replace(f"_{person}_", f"_{int(person) + 20}_")))
    assert cli("export", tmp_path / "run", tmp_path / "after").code == 0
    assert (tmp_path / "after/sheet.png").read_bytes() == (tmp_path / "before/sheet.png").read_bytes()


def test_without_the_data_the_newest_sample_is_the_sheet(cli, trained, tmp_path):
    config = trained / "config.toml"
    config.write_text(config.read_text().replace('path = "', f'path = "{tmp_path}/gone'))
    assert cli("export", trained, tmp_path / "model").code == 0
    assert "at step 00000004.](sheet.png)" in (tmp_path / "model/README.md").read_text()


def test_without_data_and_samples_there_is_no_sheet(cli, trained, tmp_path):
    config = trained / "config.toml"
    config.write_text(config.read_text().replace('path = "', f'path = "{tmp_path}/gone'))
    shutil.rmtree(trained / "samples")
    assert cli("export", trained, tmp_path / "model").code == 0
    assert "sheet.png" not in (tmp_path / "model/README.md").read_text()


def test_export_refuses_what_it_would_overwrite_and_what_is_no_run(cli, trained_once, exported_once, tmp_path):
    (tmp_path / "file").touch()
    wrong = {
        (trained_once, exported_once): "is not empty. Name another",
        (trained_once, tmp_path / "file"): "is a file",
        (tmp_path / "nowhere", tmp_path / "new"): "holds no run",
        (exported_once, tmp_path / "new"): "holds no run",
    }
    for (run, target), message in wrong.items():
        outcome = cli("export", run, target)
        assert outcome.code == 2
        assert message in outcome.err
    assert not (tmp_path / "new").exists()


def test_a_broken_evaluation_is_named(cli, trained, tmp_path):
    (trained / "evaluation.json").write_text('[{"metric": "x"}]')
    outcome = cli("export", trained, tmp_path / "model")
    assert outcome.code == 2
    assert "evaluation.json' cannot be read" in outcome.err
    assert not (tmp_path / "model").exists()


def test_an_evaluation_of_a_newer_format_is_refused(cli, trained, tmp_path):
    (trained / "evaluation.json").write_text('{"format": 2}')
    outcome = cli("export", trained, tmp_path / "model")
    assert outcome.code == 2
    assert (
        "evaluation.json' has format 2, which a newer stargan-fw wrote; this one reads up to format 1." in outcome.err
    )


def test_an_export_that_fails_leaves_nothing(cli, trained_once, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(model_folder, "write_card", fail)
    assert cli("export", trained_once, tmp_path / "model").code == 1
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_taken(cli, trained_once, tmp_path):
    (tmp_path / "model").mkdir()
    assert cli("export", trained_once, tmp_path / "model").code == 0
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == FILES
