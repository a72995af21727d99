"""The run folder's files, and what is said of one that is broken."""

import json
import os
import re
import socket
import subprocess
import sys

import pytest
from PIL import Image

from stargan_fw.config_layers import Layer, merge
from stargan_fw.errors import ConfigError, RunError, TrainingError
from stargan_fw.runs import run_folder as run_folder_module
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

    with pytest.raises(RunError, match=rf"^'{re.escape(str(path))}' cannot be read: .*Restore it from a copy"):
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


@pytest.mark.parametrize("line", [b"\xe8", b'{"step": Infinity}', b"[" * 100_000, b"9" * 5000, b"\0"])
def test_a_line_that_is_no_row_is_cut(run, line):
    run.append_metrics({"step": 1})
    with (run.path / "metrics.jsonl").open("ab") as file:
        file.write(line + b"\n")

    run.cut_metrics(5)

    assert rows(run) == [{"step": 1}]


def test_no_metrics_are_nothing_to_cut(run):
    run.cut_metrics(5)

    assert not (run.path / "metrics.jsonl").exists()


def test_samples_are_named_after_their_step(run):
    for step in (5, 500):
        run.save_sample(step, Image.new("RGB", (4, 4)))

    assert sorted(path.name for path in (run.path / "samples").iterdir()) == ["step-00000005.png", "step-00000500.png"]


HOLD = """
import sys
from pathlib import Path
from stargan_fw.runs.run_folder import RunFolder
with RunFolder(Path(sys.argv[1])).hold():
    print("holding", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(run):
    """Another process that holds the run."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "holding\n"
        yield process
        process.kill()


def test_two_processes_do_not_hold_one_run(run, holder):
    expected = (
        rf"^'{re.escape(str(run.path))}' is in use: process {holder.pid} on '{re.escape(socket.gethostname())}', since "
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}, trains there\. Wait until it has finished, or stop it, or name another "
        r"folder with --out\.$"
    )
    for _ in range(2):
        with pytest.raises(RunError, match=expected), run.hold():
            pytest.fail("held twice")

    holder.communicate()
    with run.hold():
        pass


def test_a_killed_holder_frees_the_run_at_once(run, holder):
    holder.kill()
    holder.wait()

    assert (run.path / ".lock.json").exists()
    with run.hold():
        assert json.loads((run.path / ".lock.json").read_text())["process"] == os.getpid()
    assert not (run.path / ".lock.json").exists()


@pytest.mark.parametrize("note", [None, "", "{", "[]", "{}", '{"process": 1, "host": "\\u001b[2J", "since": 1}'])
def test_a_holder_is_named_as_far_as_it_is_known(run, holder, note):
    path = run.path / ".lock.json"
    path.unlink() if note is None else path.write_text(note)

    with (
        pytest.raises(RunError, match=r"(another process|process 1 on ' \[2J', since 1,) trains there") as told,
        run.hold(),
    ):
        pytest.fail("held twice")
    assert str(told.value).isprintable()


@pytest.mark.parametrize("existed", [False, True])
def test_holding_leaves_nothing_where_no_run_began(tmp_path, existed):
    path = tmp_path / "runs" / "new"
    if existed:
        path.mkdir(parents=True)

    with pytest.raises(ValueError, match="unreadable"), RunFolder(path).hold():
        raise ValueError("unreadable images")

    assert path.exists() is existed
    assert list(tmp_path.iterdir()) == ([tmp_path / "runs"] if existed else [])
    assert not existed or not any(path.iterdir())


def test_holding_keeps_the_run_that_began(tmp_path):
    run = RunFolder(tmp_path / "runs" / "new")

    with run.hold():
        run.create(CONFIG, SPACE)

    assert run.config() == CONFIG
    assert {path.name for path in run.path.iterdir()} == {"config.toml", "labels.json", ".lock"}


@pytest.mark.parametrize("failing", ["a file above", "write_text"])
def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch, failing):
    path = tmp_path / "runs" / "new"

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    if failing == "write_text":
        monkeypatch.setattr(run_folder_module, "write_text", refuse)
    else:
        (tmp_path / "runs").touch()
    expected = (
        rf"^'{re.escape(str(path))}' cannot be written to: .*\. Make it writable, or name another folder with --out\.$"
    )
    with pytest.raises(RunError, match=expected), RunFolder(path).hold():
        pytest.fail("held")

    assert not path.exists()


def test_a_full_disk_before_the_run_begins(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_folder_module, "write_text", refuse)
    expected = r"run' cannot be written: No space left on device\. No run has begun: make room, then run the same command again\.$"
    with pytest.raises(TrainingError, match=expected):
        RunFolder(tmp_path / "run").create(CONFIG, SPACE)


def test_a_file_system_without_locks_is_told(run, monkeypatch, caplog):
    def missing(*_):
        raise NotImplementedError("no flock")

    monkeypatch.setattr(run_folder_module.FileLock, "acquire", missing)
    with run.hold():
        pass

    assert caplog.messages == [
        f"The file system of '{run.path}' has no locks (no flock): see to it that nothing else trains there."
    ]
