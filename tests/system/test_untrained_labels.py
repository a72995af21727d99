"""A model cannot draw what it never saw: who asks for that is told, wherever the model goes."""

import json
import logging
import shutil

import pytest
from PIL import Image

from stargan_fw import Translator

LACKS = "No training image had rafd.contemptuous, so the model cannot draw it. It can draw rafd.angry, "


@pytest.fixture(scope="session")
def seven_once(small_data, tiny, tmp_path_factory):
    """A run on eight expressions of RaFD's names, seven of which have images, and on CelebA; not to be written to."""
    data = tmp_path_factory.mktemp("seven")
    for name in ("celeba", "rafd"):
        shutil.copytree(small_data / name, data / name)
    for path in (data / "rafd").rglob("*contemptuous*"):
        path.unlink()
    tiny.run(data, data / "run", "--max-steps", 1)
    return data


@pytest.fixture
def run(seven_once, tmp_path):
    """A copy of that run to change."""
    return shutil.copytree(seven_once / "run", tmp_path / "run")


@pytest.fixture
def face(tmp_path):
    Image.new("RGB", (40, 40), "olive").save(tmp_path / "face.png")
    return tmp_path / "face.png"


@pytest.fixture
def warned(cli, caplog):
    """Runs the program, which must succeed, and returns what it says of labels that no training image had."""

    def run(*arguments):
        caplog.clear()
        outcome = cli(*arguments)
        assert outcome.code == 0, outcome.err
        return [record.message for record in caplog.records if record.message.startswith("No training image had")]

    return run


def test_a_run_counts_the_readable_training_images_of_each_label(run):
    counts = json.loads((run / "splits.json").read_text())["rafd"]["label_counts"]

    assert counts["contemptuous"] == [84, 0]
    assert counts["angry"] == [72, 12]
    assert sorted(counts) == list(counts)


def test_the_command_translates_and_says_it_once(warned, run, face, tmp_path):
    edits = ["--to", "contemptuous", "--to", "rafd.contemptuous", "--to", "happy"]
    (line,) = warned("translate", run, face, *edits, "--out", tmp_path / "out", "--gif")
    assert line.startswith(LACKS)
    assert line.endswith("rafd.disgusted, rafd.fearful, rafd.happy, rafd.neutral, rafd.sad, rafd.surprised.")
    assert not warned("translate", run, face, "--to", "happy", "--out", tmp_path / "happy")


def test_an_exported_model_knows_it_too(cli, warned, run, face, tmp_path):
    model = tmp_path / "model"
    assert cli("export", run, model).code == 0

    config, card = (json.loads((model / "config.json").read_text()), (model / "README.md").read_text())
    assert list(config["label_counts"]) == ["rafd"]
    assert "angry 12, contemptuous 0, " in card
    assert LACKS in card
    assert warned("translate", model, face, "--to", "contemptuous", "--out", tmp_path / "out")
    assert warned("sheet", model, face, "--out", tmp_path / "sheet.png")


def test_a_program_is_told_once(run, face, caplog):
    translator = Translator.from_pretrained(run, device="cpu")

    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            translator.translate(face, to="contemptuous")
        translator.variant("mask", "wrong").translate(face, to="happy")

    assert [record.message.startswith(LACKS) for record in caplog.records] == [True]


def test_models_that_say_nothing_of_it_open_as_before(warned, run, exported, face, tmp_path):
    splits = json.loads((run / "splits.json").read_text())
    for split in splits.values():
        del split["label_counts"]
    (run / "splits.json").write_text(json.dumps(splits))

    for model in (run, exported):
        assert not warned("translate", model, face, "--to", "contemptuous", "--out", tmp_path / model.name)
    assert "label_counts" not in json.loads((exported / "config.json").read_text())
    assert "training images |" in (exported / "README.md").read_text()


def test_a_run_without_counts_goes_on(cli, run, seven_once):
    splits = json.loads((run / "splits.json").read_text())
    del splits["rafd"]["label_counts"]
    (run / "splits.json").write_text(json.dumps(splits))

    outcome = cli("train", "--out", run, "--resume", "--max-steps", 2)

    assert outcome.code == 0, outcome.err


@pytest.mark.parametrize("counts", [{"angry": [1]}, {"angry": [1, "2"]}, {"angry": 3}, ["angry"]])
@pytest.mark.parametrize("broken", ["run", "model"])
def test_broken_counts_are_named(cli, run, exported, face, broken, counts):
    path = run / "splits.json" if broken == "run" else exported / "config.json"
    document = json.loads(path.read_text())
    (document["rafd"] if broken == "run" else document)["label_counts"] = (
        counts if broken == "run" else {"rafd": counts}
    )
    path.write_text(json.dumps(document))

    outcome = cli("translate", path.parent, face, "--to", "happy")

    assert outcome.code == 2
    assert str(path) in outcome.err
    assert "label_counts" in outcome.err


def test_evaluate_notes_it(cli, run):
    outcome = cli(
        "evaluate", run, "--datasets", "rafd", "--to", "contemptuous", "--classifier-steps", 1, "--limit", 2, "--json"
    )

    assert outcome.code == 0, outcome.err
    (evaluation,) = json.loads(outcome.out)
    assert any(note.startswith(f"{run}: {LACKS}") for note in evaluation["notes"])


def test_what_a_model_to_begin_with_saw_counts(cli, warned, trained, seven_once, tiny, face, tmp_path):
    start = cli(*tiny.command(seven_once, tmp_path / "more", "--max-steps", 1, "--from", trained))
    assert start.code == 0, start.err

    assert json.loads((tmp_path / "more/splits.json").read_text())["rafd"]["label_counts"]["contemptuous"][1] > 0
    assert not warned("translate", tmp_path / "more", face, "--to", "contemptuous", "--out", tmp_path / "out")


def test_datasets_that_a_model_is_extended_by_are_not_trained(warned, train, small_data, face, tmp_path):
    run, model = tmp_path / "celeba", tmp_path / "both"
    assert train("--max-steps", 1, datasets="celeba", out=run).code == 0
    warned("extend", run, "-o", model, "--datasets", "celeba,rafd", "--data", small_data)

    (line,) = warned("translate", model, face, "--to", "happy", "--out", tmp_path / "out")
    assert line.startswith(
        "No training image had rafd.happy, so the model cannot draw it. It can draw no label of rafd "
    )
    assert not warned("translate", model, face, "--to", "Male", "--out", tmp_path / "male")
    assert "happy 0" in (model / "README.md").read_text()

    assert train("--max-steps", 1, "--from", model, out=tmp_path / "grown").code == 0
    assert not warned("translate", tmp_path / "grown", face, "--to", "happy", "--out", tmp_path / "again")


def test_yes_and_no_that_never_vary(cli, warned, tiny, face, tmp_path):
    rows = ["image,mood,hat,beard,split"]
    for number in range(24):
        Image.new("RGB", (32, 32), (number * 10, 90, 0)).save(tmp_path / f"{number}.png")
        split, mood = "train" if number % 4 else "test", "glad" if number % 3 else "sad"
        hat, beard = ("yes", "no") if number % 8 else ("no", "yes")  # vary in the test images alone
        rows.append(f"{number}.png,{mood},{hat},{beard},{split}")
    (tmp_path / "faces.csv").write_text("\n".join(rows))
    faces = f"faces=table:{tmp_path}/faces.csv"
    checked = cli("data", "check", "--datasets", faces)
    assert "No training image is without 'hat': hat=0 cannot be learned." in checked.out
    assert "No training image has 'beard', but 3 of the test images do." in checked.out
    outcome = cli("train", "--datasets", faces, "--out", tmp_path / "run", *tiny.options, "--max-steps", 1)
    assert outcome.code == 0, outcome.err

    assert warned("translate", tmp_path / "run", face, "--to", "hat=0,beard", "--out", tmp_path / "out") == [
        "No training image had hat=0, beard, so the model cannot draw them. It can draw glad, sad, hat, beard=0."
    ]


def test_images_that_cannot_be_read_are_not_counted(cli, small_data, tiny, tmp_path):
    data = shutil.copytree(small_data / "rafd", tmp_path / "rafd").parent
    for path in (data / "rafd").glob("*contemptuous*"):
        path.write_text("no picture")
    options = (*tiny.options, "--max-steps", 1, "--set", "datasets.rafd.on_bad_image=skip")

    outcome = cli("train", "--datasets", "rafd", "--data", data, "--out", tmp_path / "run", *options)

    assert outcome.code == 0, outcome.err
    counts = json.loads((tmp_path / "run/splits.json").read_text())["rafd"]["label_counts"]
    assert (counts["contemptuous"], counts["angry"]) == ([84, 0], [72, 12])
    assert cli("train", "--out", tmp_path / "run", "--resume", "--max-steps", 2).code == 0
