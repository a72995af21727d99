"""The run folder's files, and what is said of one that is broken."""

import json
import re

import pytest
from PIL import Image

from stargan_fw.config import Layer, merge
from stargan_fw.errors import ConfigError, RunError
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw_registry import Binary, LabelSchema, LabelSpace

CONFIG = merge([Layer("here", {"training": {"steps": 5}, "datasets": {"pets": {"location": "~/pets"}}})])
SPACE = LabelSpace([LabelSchema("pets", [Binary("young")])])


@pytest.fixture
def run(tmp_path):
    run = RunFolder(tmp_path / "runs" / "new")
    run.create(CONFIG, SPACE)
    return run


def rows(run):
    return [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]


def test_what_is_written_is_read_back(run):
    assert run.holds_run
    assert run.config() == CONFIG
    assert run.labels().to_dict() == SPACE.to_dict()


def test_a_folder_without_a_run(tmp_path):
    run = RunFolder(tmp_path)

    assert not run.holds_run
    with pytest.raises(RunError, match=rf"^'{re.escape(str(tmp_path))}' holds no run: it has no config\.toml\. Name"):
        run.config()


def test_a_broken_configuration_names_its_file(run):
    path = run.path / "config.toml"
    path.write_text("[training]\nsteps = 0\n")

    with pytest.raises(ConfigError, match=rf"^{re.escape(str(path))}: training\.steps = 0 should be greater than 0"):
        run.config()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"datasets": []}', '{"datasets": [{"name": "pets"}]}', None])
def test_broken_labels_name_their_file(run, content):
    path = run.path / "labels.json"
    path.unlink() if content is None else path.write_text(content)

    with pytest.raises(RunError, match=rf"^'{re.escape(str(path))}' cannot be read: .*the run is lost"):
        run.labels()


def test_metrics_are_a_row_a_line(run):
    run.append_metrics({"step": 1, "dataset": "pets", "d/adv": 0.5})
    run.append_metrics({"step": 2, "dataset": "pets", "d/adv": float("1e-5")})

    assert rows(run) == [
        {"step": 1, "dataset": "pets", "d/adv": 0.5},
        {"step": 2, "dataset": "pets", "d/adv": 1e-5},
    ]


@pytest.mark.parametrize(("step", "kept"), [(0, []), (2, [1, 2, 2]), (3, [1, 2, 2, 3]), (9, [1, 2, 2, 3])])
def test_metrics_are_cut_after_a_step(run, step, kept):
    for number in (1, 2, 2, 3):
        run.append_metrics({"step": number})

    run.cut_metrics(step)

    assert [row["step"] for row in rows(run)] == kept


@pytest.mark.parametrize("half", ['{"step": 2, "data', '{"st', '{"dataset": "pets"}', "2", "{"])
def test_a_line_that_was_not_finished_is_cut(run, half):
    run.append_metrics({"step": 1})
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write(half)

    run.cut_metrics(5)
    run.append_metrics({"step": 6})

    assert rows(run) == [{"step": 1}, {"step": 6}]


def test_no_metrics_are_nothing_to_cut(run):
    run.cut_metrics(5)

    assert not (run.path / "metrics.jsonl").exists()


def test_samples_are_named_after_their_step(run):
    for step in (5, 500):
        run.save_sample(step, Image.new("RGB", (4, 4)))

    assert sorted(path.name for path in (run.path / "samples").iterdir()) == ["step-00000005.png", "step-00000500.png"]
