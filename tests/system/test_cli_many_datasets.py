"""Three datasets of different kinds in one run; limits, splits that are remembered, images that are skipped."""

import json
import math
import shutil
from collections import Counter
from unittest.mock import ANY

import pytest

from stargan_fw.plugin_manager import PluginManager
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw.runs.split_record import recorded_sources

PLUGIN = """
from stargan_fw import Dataset, Example, hookimpl
from stargan_fw_registry import Exclusive


class Partly(Dataset):
    name = "partly"
    attributes = [Exclusive("hat", ["cap", "helmet"])]

    def examples(self):
        for number, path in enumerate(sorted(self.root.glob("*.jpg"))):
            yield Example(image=path, labels={"hat": ("cap", "helmet", "", None)[number % 4]})


@hookimpl
def register_datasets(register):
    register(Partly)
"""


@pytest.fixture
def data(small_data, tmp_path):
    """A copy of the small data with a third, partly labelled dataset."""
    root = shutil.copytree(small_data, tmp_path / "data", ignore=shutil.ignore_patterns(".stargan-fw"))
    (root / "partly").mkdir()
    for image in sorted((root / "rafd").glob("*.jpg"))[:24]:
        shutil.copy(image, root / "partly")
    (root / "partly.py").write_text(PLUGIN)
    return root


@pytest.fixture
def three(train, data):
    def run(*options, datasets="celeba,rafd,partly"):
        return train("--plugin", data / "partly.py", *options, data=data, datasets=datasets)

    return run


def updates(run, step):
    return json.loads((run / "checkpoints" / f"step-{step:08d}" / "state.json").read_text())["updates"]


def splits(run):
    return json.loads((run / "splits.json").read_text())


def test_three_train_together_in_turn_and_by_size(three, tmp_path):
    assert three("--max-steps", "30", "--set", "training.log_every=5").code == 0
    assert updates(tmp_path / "run", 30) == {"celeba": 10, "rafd": 10, "partly": 10}
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert {row["dataset"] for row in rows if "g/adv" in row} == {"celeba", "rafd", "partly"}

    shutil.rmtree(tmp_path / "run")
    three("--max-steps", "15", "--set", "training.strategy=proportional")
    assert three("--max-steps", "30", "--resume").code == 0
    shares = updates(tmp_path / "run", 30)
    assert sum(shares.values()) == 30
    assert shares["rafd"] > 2 * shares["celeba"] > 0 < shares["partly"]


def test_over_300_steps_each_of_three_kinds_gets_its_generator_updates(three, tmp_path):
    five = json.dumps(["Male", "Young", "Smiling", "Eyeglasses", "Bangs"])
    every = ("--set", "training.log_every=1", "--set", "training.sample_every=300", "--set", "training.save_every=300")
    length = ("--set", "training.steps=300", "--set", "training.n_critic=5")

    outcome = three(*every, *length, "--set", f"datasets.celeba.attributes={five}")

    assert outcome.code == 0, outcome.err
    labels = json.loads((tmp_path / "run/labels.json").read_text())["datasets"]
    kinds = {dataset["name"]: [attribute["kind"] for attribute in dataset["attributes"]] for dataset in labels}
    assert kinds == {"celeba": ["binary"] * 5, "rafd": ["categorical"], "partly": ["exclusive"]}
    assert updates(tmp_path / "run", 300) == {"celeba": 100, "rafd": 100, "partly": 100}
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert len(rows) == 300
    assert Counter(row["dataset"] for row in rows if "g/adv" in row) == {"celeba": 20, "rafd": 20, "partly": 20}
    assert all(math.isfinite(value) for row in rows for value in row.values() if not isinstance(value, str))


def test_a_limit_keeps_the_test_images(three, tmp_path):
    assert three("--max-steps", "1", datasets="celeba").code == 0
    whole = splits(tmp_path / "run")["celeba"]
    shutil.rmtree(tmp_path / "run")
    assert three("--max-steps", "1", "--set", "datasets.celeba.limit=9", datasets="celeba").code == 0
    assert splits(tmp_path / "run")["celeba"] == {**whole, "training": 9, "training_hash": ANY, "label_counts": ANY}


def test_a_run_remembers_its_split_and_refuses_another(three, tmp_path, data):
    assert three("--max-steps", "1", datasets="partly").code == 0
    recorded = splits(tmp_path / "run")["partly"]
    assert set(recorded) == {"test", "training", "training_hash", "skipped", "label_counts"}
    assert all((data / "partly" / name).exists() for name in recorded["test"])
    image = next(path for path in (data / "partly").glob("*.jpg") if path.name not in recorded["test"])
    image.unlink()

    outcome = three("--max-steps", "2", "--resume", datasets="partly")

    assert outcome.code == 2
    assert "The images of the dataset 'partly'" in outcome.err
    assert f"{recorded['training']} were trained on, now there are" in outcome.err
    assert not (tmp_path / "run/checkpoints/step-00000002").exists()


def test_a_run_refuses_as_many_other_training_images(three, tmp_path, data):
    assert three("--max-steps", "1", datasets="partly").code == 0
    held_out = splits(tmp_path / "run")["partly"]["test"]
    last = max(path for path in (data / "partly").glob("*.jpg") if path.name not in held_out)
    last.rename(last.with_name("renamed.jpg"))

    outcome = three("--max-steps", "2", "--resume", datasets="partly")

    assert outcome.code == 2
    assert "others are trained on, or in another order" in outcome.err


def test_sheets_and_evaluation_hold_out_what_the_run_did(three, cli, tmp_path, data):
    limit = ("--set", "datasets.partly.limit=15")
    for options in ((), limit):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        assert three("--max-steps", "1", *options, datasets="partly").code == 0
        held_out = splits(tmp_path / "run")["partly"]["test"]
        for number in range(40):  # the data grows, and a split of all of it would hold out others
            shutil.copy(data / "partly" / held_out[0], data / "partly" / f"A{len(options)}{number}.jpg")

        run = RunFolder(tmp_path / "run")
        (source,) = recorded_sources(run, PluginManager.discover((data / "partly.py",)))

        assert [source.name_of(index) for index in source.test] == held_out
        assert not set(source.train) & set(source.test)
        assert cli("sheet", tmp_path / "run", "--plugin", data / "partly.py", "-o", tmp_path / "sheet.png").code == 0
    (data / "partly" / held_out[0]).unlink()
    outcome = cli("sheet", tmp_path / "run", "--plugin", data / "partly.py", "-o", tmp_path / "none.png")
    assert outcome.code == 2
    assert f"The image '{held_out[0]}' of the dataset 'partly'" in outcome.err
    assert not (tmp_path / "none.png").exists()


def test_bad_images_are_skipped_listed_and_remembered(three, tmp_path, data):
    bad = sorted((data / "partly").glob("*.jpg"))[:3]
    for path in bad:
        path.write_bytes(path.read_bytes()[:200])
    skip = ("--set", "datasets.partly.on_bad_image=skip")

    outcome = three("--max-steps", "1", *skip, datasets="partly")

    assert outcome.code == 0
    assert "partly: 3 of 24 images cannot be read" in outcome.out
    assert all(path.name in outcome.out for path in bad)
    assert splits(tmp_path / "run")["partly"]["skipped"] == [path.name for path in bad]
    assert three("--max-steps", "2", "--resume", datasets="partly").code == 0
    worse = sorted((data / "partly").glob("*.jpg"))[5]
    worse.write_bytes(b"")
    outcome = three("--max-steps", "3", "--resume", datasets="partly")
    assert outcome.code == 2
    assert f"'{worse.name}' is now unreadable" in outcome.err


def test_too_few_images_left(three, tmp_path, data):
    for path in (data / "partly").glob("*.jpg"):
        path.write_bytes(b"")
    outcome = three("--set", "datasets.partly.on_bad_image=skip", datasets="partly")
    assert outcome.code == 2
    assert "0 training and 0 test images left" in outcome.err
    assert not (tmp_path / "run").exists()


def test_the_cache_is_the_options_then_the_environments(three, tmp_path, data, monkeypatch):
    monkeypatch.setenv("STARGAN_FW_CACHE", str(tmp_path / "environment"))
    assert three("--max-steps", "1", datasets="partly").code == 0
    assert three("--max-steps", "2", "--resume", "--cache", tmp_path / "option", datasets="partly").code == 0
    for name in ("environment", "option"):
        assert len(list((tmp_path / name).glob("*.arrow"))) == 1
    assert not (data / ".stargan-fw").exists()
