"""What is wrong with the data is said at once and in every command, before anything is decoded."""

import json
import shlex
import shutil

import pytest
from PIL import Image


@pytest.fixture
def wrong(tmp_path):
    """Four folders: one has a broken and a missing picture, one no folder, one class, and one the same labels to train on."""
    for name in ("broken/cat", "broken/dog", "alone/cat", "same/train/cat", "same/test/cat", "same/test/dog"):
        (tmp_path / name).mkdir(parents=True)
        for number in range(12):
            color = (number * 20, len(name) * 9, ord(name[-1]))
            Image.new("RGB", (40, 40), color).save(tmp_path / name / f"{number}.png")
    (tmp_path / "broken/cat/3.png").write_text("no picture")
    return tmp_path


DATASETS = "broken=folder:{0}/broken,absent=folder:{0}/absent,alone=folder:{0}/alone"


@pytest.mark.parametrize("command", ["data check", "train", "train --dry-run"])
def test_all_problems_of_all_datasets_are_one_message(cli, wrong, command):
    out = ("--out", wrong / "run", "--preset", "quickstart") if command.startswith("train") else ()

    outcome = cli(*command.split(), "--datasets", DATASETS.format(wrong), *out)

    assert outcome.code == 2
    for said in ("absent", "alone", "3.png", "--set datasets.broken.on_bad_image=skip"):
        assert said in outcome.err
    assert sum(line.startswith("Error:") for line in outcome.err.splitlines()) == 1
    assert not (wrong / "run").exists()


def test_a_training_says_what_the_check_would_and_the_line_that_shows_it(cli, wrong, tiny):
    (wrong / "broken/cat/3.png").unlink()
    shutil.copy(wrong / "broken/cat/5.png", wrong / "broken/dog/twin.png")
    datasets = f"folder:{wrong / 'broken'}"
    options = ("--datasets", datasets, *tiny.options, "--max-steps", "1", "--out", wrong / "run")

    outcome = cli("train", *options)

    assert outcome.code == 0, outcome.err
    assert "warning: folder: Repeated: 1 image" in outcome.out
    assert f"stargan-fw data check --datasets {datasets}" in outcome.out
    dry = cli("train", "--dry-run", *options[:-2], "--out", wrong / "other")
    assert "split: drawn at random" in dry.out
    assert "with other labels on a copy" in dry.out
    exported = cli("export", wrong / "run", wrong / "model")
    assert exported.code == 0


@pytest.fixture
def doubtful(cli, tiny, tmp_path):
    """A run on a table with a label without training images, one that every training image has, and a repeated picture."""
    rows = ["image,mood,hat,beard,split,age"]
    for number in range(24):
        Image.new("RGB", (32, 32), (number // 2 * 20 if number < 4 else number * 10, 90, 0)).save(
            tmp_path / f"{number}.png"
        )
        test = number % 4 == 3
        hat, beard = ("no", "yes") if number % 8 == 3 else ("yes", "no")  # vary in the test images alone
        split, mood = "test" if test else "train", "glad" if number % 3 else "sad"
        rows.append(f"{number}.png,{mood},{hat},{beard},{split},{number / 7:.2f}")
    (tmp_path / "faces.csv").write_text("\n".join(rows))
    run = tmp_path / "run"
    datasets = ("--datasets", f"faces=table:{tmp_path}/faces.csv")
    trained = cli("train", *datasets, "--out", run, *tiny.options, "--max-steps", 1)
    assert trained.code == 0, trained.err
    return run


def test_evaluate_and_export_say_what_the_check_would(cli, doubtful, caplog):
    details = ("data", "check", "--config", doubtful / "config.toml")
    found = json.loads(cli(*details, "--json").out)["datasets"]["faces"]
    warnings = found["warnings"][len(found["remarks"]) :]
    assert warnings[:2] == [
        "No training image is without 'hat': hat=0 cannot be learned.",
        "No training image has 'beard', but 3 of the test images do.",
    ]
    assert any(text.startswith("Repeated: 2 images") for text in warnings)
    expected = [f"faces: {text}" for text in warnings[:3]]
    expected.append(f"{len(warnings) - 3} more warnings: {shlex.join(['stargan-fw', *map(str, details)])}")

    for command in (
        ("evaluate", doubtful, "--classifier-steps", 1, "--limit", 2, "--to", "glad", "--json", "--device", "cpu"),
        ("export", doubtful, doubtful.parent / "model"),
    ):
        caplog.clear()
        outcome = cli(*command)
        assert outcome.code == 0, outcome.err
        assert [each.message for each in caplog.records if each.name == "stargan_fw.data.check"] == expected

    for path in doubtful.parent.glob("*.png"):
        path.unlink()
    for command in ("evaluate",), ("train", "--resume", "--out"), ("data", "check", "--config"):
        place = doubtful / "config.toml" if command[0] == "data" else doubtful
        assert cli(*command, place).code == 2


def test_data_without_doubts_makes_no_lines(cli, tiny, tmp_path, caplog):
    for number in range(96):
        folder = tmp_path / f"good/{'cat' if number % 2 else 'dog'}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (number * 2, 90, number)).save(folder / f"{number}.png")
    options = ("--datasets", f"good=folder:{tmp_path / 'good'}", *tiny.options, "--max-steps", 1)
    trained = cli("train", *options, "--out", tmp_path / "fine")
    assert trained.code == 0, trained.err
    caplog.clear()

    assert cli("export", tmp_path / "fine", tmp_path / "fine-model").code == 0

    assert "warning" not in trained.out
    assert not caplog.records


@pytest.mark.parametrize("broken", ["a picture", "nothing"])
@pytest.mark.parametrize("command", ["train", "data check"])
def test_what_else_is_refused_is_said_with_the_data(cli, wrong, tmp_path, command, broken):
    if broken == "nothing":
        (wrong / "broken/cat/3.png").unlink()
    file = tmp_path / "run.toml"
    file.write_text(
        f"""
        training = {{batch_size = 5, optimizers.x.rate = 0.1, trackers = ["nobody"], steps = 4}}
        data.image_size = 32
        generator.conv_dim = 4
        discriminator.conv_dim = 4
        [datasets.pets]
        plugin = "folder"
        location = "{wrong}/broken"
        """,
        encoding="utf-8",
    )
    out = ("--out", wrong / "run") if command == "train" else ()

    outcome = cli(*command.split(), "--config", file, "--preset", "cyclegan_64", *out)

    assert outcome.code == 2
    assert ("3.png" in outcome.err) == (broken == "a picture")
    for said in ("cannot be shared equally by 2 sets of images", "training.optimizers.x", "nobody"):
        assert outcome.err.count(said) == 1
    assert sum(line.startswith("Error:") for line in outcome.err.splitlines()) == 1
    assert not (wrong / "run").exists()


@pytest.mark.parametrize("lost", ["a folder", "nothing"])
@pytest.mark.parametrize("command", ["train", "data check"])
def test_a_batch_that_is_too_small_is_said_with_the_data_and_the_size(cli, wrong, tmp_path, command, lost):
    config = tmp_path / "run.toml"
    config.write_text('training.trackers = ["nobody"]\n', encoding="utf-8")
    location = wrong / ("nowhere" if lost == "a folder" else "broken")
    settings = [text for pair in ("training.batch_size=1", "data.image_size=30") for text in ("--set", pair)]
    out = ("--out", wrong / "run") if command == "train" else ()

    outcome = cli(*command.split(), "--config", config, "--datasets", f"pets=folder:{location}", *settings, *out)

    assert outcome.code == 2
    assert ("nowhere" if lost == "a folder" else "3.png") in outcome.err
    for said in ("training.batch_size = 1: targets are the labels of", "data.image_size = 30: the generator", "nobody"):
        assert outcome.err.count(said) == 1, outcome.err
    assert outcome.err.count("--set: training.batch_size") == (command == "train")
    assert sum(line.startswith("Error:") for line in outcome.err.splitlines()) == 1
    assert not (wrong / "run").exists()


@pytest.mark.parametrize("named", ["location", "data.path"])
def test_a_run_that_goes_on_from_another_folder_is_told_where_its_data_is(cli, wrong, tiny, monkeypatch, named):
    begun, elsewhere = wrong / "be gun", wrong / "else"
    (begun / "data").mkdir(parents=True)
    elsewhere.mkdir()
    (wrong / "broken/cat/3.png").unlink()
    shutil.copytree(wrong / "broken", begun / ("pets" if named == "location" else "data/folder"))
    monkeypatch.chdir(begun)
    datasets = "folder:pets" if named == "location" else "folder"
    assert cli("train", "--datasets", datasets, "--out", "run", *tiny.options, "--max-steps", 1).code == 0
    monkeypatch.chdir(elsewhere)
    again = ("train", "--resume", "--out", begun / "run", "--max-steps", 2)

    outcome = cli(*again)

    assert outcome.code == 2
    assert "no such folder" in outcome.err
    place = f"datasets.folder.location={begun}/pets" if named == "location" else f"data.path={begun}/data"
    line = f"It seems to lie where the run was begun: add --set '{place}'\n"
    assert outcome.err.endswith(line), outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert cli(*again, *shlex.split(line.partition("add ")[2])).code == 0
