"""What is wrong with the data is said at once and in every command, before anything is decoded."""

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
