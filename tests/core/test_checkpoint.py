"""Checkpoints: whole or not there, and no pickle."""

import json
import re

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from stargan_fw import files as files_module
from stargan_fw.errors import RunError
from stargan_fw.runs import checkpoint as checkpoint_module
from stargan_fw.runs.checkpoint import Checkpoints


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "run" / "checkpoints")


def save(checkpoints, step, keep=2, value=None):
    tensors = {
        "generator": {"weight": torch.full((2, 3), float(step if value is None else value))},
        "optimizers": {"g.0.step": torch.tensor(float(step))},
    }
    return checkpoints.save(step, tensors, {"step": step, "updates": {"shapes": step}}, keep)


def test_a_checkpoint_is_read_as_it_was_written(checkpoints):
    path = save(checkpoints, 500)

    loaded = checkpoints.load()

    assert path.name == "step-00000500"
    assert sorted(file.name for file in path.iterdir()) == [
        "generator.safetensors",
        "optimizers.safetensors",
        "state.json",
    ]
    assert loaded.state == {"step": 500, "updates": {"shapes": 500}}
    assert set(loaded.tensors) == {"generator", "optimizers"}
    assert torch.equal(loaded.tensors["generator"]["weight"], torch.full((2, 3), 500.0))
    assert torch.equal(loaded.tensors["optimizers"]["g.0.step"], torch.tensor(500.0))


def test_the_newest_is_read_and_the_oldest_go(checkpoints):
    for step in (5, 50, 10, 1000):
        save(checkpoints, step, keep=3)

    assert [path.name for path in checkpoints.paths()] == ["step-00000010", "step-00000050", "step-00001000"]
    assert checkpoints.latest().name == "step-00001000"
    assert checkpoints.load().state["step"] == 1000


def test_the_same_step_is_replaced(checkpoints):
    save(checkpoints, 5, value=1)
    save(checkpoints, 5, value=2)

    assert len(checkpoints.paths()) == 1
    assert checkpoints.load().tensors["generator"]["weight"][0, 0] == 2


def test_what_a_killed_run_left_is_ignored_and_replaced(checkpoints, tmp_path):
    save(checkpoints, 5)
    leftover = tmp_path / "run" / "checkpoints" / ".step-00000006.partial"
    leftover.mkdir()
    (leftover / "junk.safetensors").write_bytes(b"half")

    assert checkpoints.load().state["step"] == 5
    path = save(checkpoints, 6)

    assert not leftover.exists()
    assert not (path / "junk.safetensors").exists()
    assert checkpoints.load().state["step"] == 6


@pytest.mark.parametrize(("module", "step"), [(checkpoint_module, "save_file"), (files_module, "_flush")])
def test_a_save_that_fails_leaves_the_one_before(checkpoints, monkeypatch, module, step):
    save(checkpoints, 5)

    def fail(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(module, step, fail)
    with pytest.raises(OSError, match="No space"):
        save(checkpoints, 6, keep=1)

    assert [path.name for path in checkpoints.paths()] == ["step-00000005"]
    assert checkpoints.load().state["step"] == 5


def test_everything_is_on_the_disk_before_it_has_its_name(checkpoints, monkeypatch, tmp_path):
    flushed = []
    monkeypatch.setattr(files_module, "_flush", lambda path: flushed.append((path.name, path.exists())))

    save(checkpoints, 5)

    *files, (partial, _), whole = flushed
    assert {name for name, _ in files} == {"generator.safetensors", "optimizers.safetensors", "state.json"}
    assert re.fullmatch(r"\.step-00000005\.[0-9a-f]+\.partial", partial)
    assert all(there for _, there in files)
    assert whole == ("checkpoints", True)


def test_strided_and_tied_tensors_are_written(checkpoints):
    tied = nn.Module()
    tied.encoder = tied.decoder = nn.Linear(2, 3)
    state = {**tied.state_dict(), "turned": tied.encoder.weight.detach().T}

    path = checkpoints.save(1, {"generator": state}, {}, keep=1)

    loaded = load_file(path / "generator.safetensors")
    assert set(loaded) == {"encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias", "turned"}
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


def test_no_checkpoint_yet(checkpoints, tmp_path):
    for ask in (checkpoints.latest, checkpoints.load):
        with pytest.raises(RunError, match=rf"^'{re.escape(str(tmp_path / 'run'))}' has no checkpoint yet"):
            ask()
    assert checkpoints.paths() == []


@pytest.mark.parametrize("file", ["generator.safetensors", "state.json"])
@pytest.mark.parametrize("length", [0, 12, -3])
def test_a_damaged_checkpoint_is_named(checkpoints, file, length):
    save(checkpoints, 5)
    path = save(checkpoints, 6)
    (path / file).write_bytes((path / file).read_bytes()[:length])

    with pytest.raises(RunError, match=rf"^The checkpoint '{re.escape(str(path))}' cannot be read: .* Remove it to"):
        checkpoints.load()


def test_a_checkpoint_without_its_state_is_named(checkpoints):
    path = save(checkpoints, 6)
    (path / "state.json").unlink()

    with pytest.raises(RunError, match="cannot be read"):
        checkpoints.load()


def test_the_state_is_json(checkpoints):
    path = save(checkpoints, 6)

    assert json.loads((path / "state.json").read_text()) == {"step": 6, "updates": {"shapes": 6}}
