"""Checkpoints: whole or not there, checked when they are read, written in the background, and no pickle."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from stargan_fw import files as files_module
from stargan_fw.errors import RunError, TrainingError
from stargan_fw.files import check_format
from stargan_fw.runs import checkpoint as checkpoint_module
from stargan_fw.runs.checkpoint import FORMAT, Checkpoints
from stargan_fw.version import __version__

FILES = ["SHA256SUMS", "generator.safetensors", "optimizers.safetensors", "state.json"]
FLIPS = int(os.environ.get("STARGAN_FW_FLIPS", "25"))


@pytest.fixture
def checkpoints(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").touch()
    return Checkpoints(tmp_path / "run" / "checkpoints")


def tensors_of(step, value=None):
    return {
        "generator": {"weight": torch.full((2, 3), float(step if value is None else value))},
        "optimizers": {"g.0.step": torch.tensor(float(step))},
    }


def state_of(step):
    return {"step": step, "updates": {"shapes": step}, "pending": {"shapes": {"d/adv": 0.5, "g/adv": None}}}


def save(checkpoints, step, keep=2, value=None, every=None):
    path = checkpoints.save(step, tensors_of(step, value), state_of(step), keep, every)
    checkpoints.wait()
    return path


def names(checkpoints):
    return [path.name for path in checkpoints.paths()]


def make_old(path):
    """Turns a checkpoint into one of format 1."""
    (path / "SHA256SUMS").unlink()
    state = json.loads((path / "state.json").read_text())
    del state["made_with"]
    (path / "state.json").write_text(json.dumps({**state, "format": 1}))


def test_a_checkpoint_is_read_as_it_was_written(checkpoints):
    path = save(checkpoints, 500)

    loaded = checkpoints.load()

    assert path.name == "step-00000500"
    assert sorted(file.name for file in path.iterdir()) == FILES
    own = {"format": FORMAT, "made_with": f"stargan-fw {__version__}"}
    assert loaded.state == {**own, **state_of(500)}
    assert json.loads((path / "state.json").read_text()) == loaded.state
    assert set(loaded.tensors) == {"generator", "optimizers"}
    assert torch.equal(loaded.tensors["generator"]["weight"], torch.full((2, 3), 500.0))
    assert torch.equal(loaded.tensors["optimizers"]["g.0.step"], torch.tensor(500.0))


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_the_checksums_are_those_of_sha256sum(checkpoints):
    path = save(checkpoints, 5)

    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=path, capture_output=True, check=True
    )

    assert checked.stdout.splitlines() == [f"{name}: OK".encode() for name in FILES[1:]]


def test_the_newest_is_read_and_the_oldest_go(checkpoints):
    for step in (5, 10, 50, 1000):
        save(checkpoints, step, keep=3)

    assert names(checkpoints) == ["step-00000010", "step-00000050", "step-00001000"]
    assert checkpoints.latest().name == "step-00001000"
    assert checkpoints.load().state["step"] == 1000


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_what_is_loaded_keeps_no_removed_file_on_the_disk(checkpoints):
    save(checkpoints, 5)

    loaded = checkpoints.load()

    assert loaded.tensors
    maps = Path("/proc/self/maps").read_text()
    assert not [line for line in maps.splitlines() if "safetensors" in line and "step-00000005" in line]


def test_multiples_of_a_step_are_kept(checkpoints):
    for step in range(10, 101, 10):
        save(checkpoints, step, keep=2, every=40)

    assert names(checkpoints) == ["step-00000040", "step-00000080", "step-00000090", "step-00000100"]


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
def test_a_save_that_fails_leaves_the_one_before(checkpoints, monkeypatch, tmp_path, module, step):
    save(checkpoints, 5)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, step, fail)
    run = re.escape(str(tmp_path / "run"))
    expected = (
        rf"^'{run}/checkpoints/step-00000006' cannot be written: No space left on device\. It needs 28 bytes, and .* are free\. "
        rf"The checkpoint of step 5 is whole, and the only one that is needed to continue: make room, then run: "
        rf"stargan-fw train --out {run} --resume$"
    )
    with pytest.raises(TrainingError, match=expected):
        save(checkpoints, 6, keep=1)
    checkpoints.wait()  # told once

    assert [path.name for path in checkpoints.paths()[0].parent.iterdir()] == ["step-00000005"]
    assert checkpoints.load().state["step"] == 5


def test_everything_is_on_the_disk_before_it_has_its_name_and_the_old_go(checkpoints, monkeypatch, tmp_path):
    save(checkpoints, 4)
    flushed = []
    monkeypatch.setattr(
        files_module, "_flush", lambda path: flushed.append((path.name, path.exists(), len(checkpoints.paths())))
    )

    save(checkpoints, 5, keep=1)

    *files, (partial, *_), whole = flushed
    assert sorted(name for name, *_ in files) == FILES
    assert re.fullmatch(r"\.step-00000005\.[0-9a-f]+\.partial", partial)
    assert all(there for _, there, _ in files)
    assert whole == ("checkpoints", True, 2)
    assert names(checkpoints) == ["step-00000005"]


def test_strided_and_tied_tensors_are_written(checkpoints):
    tied = nn.Module()
    tied.encoder = tied.decoder = nn.Linear(2, 3)
    state = {**tied.state_dict(), "turned": tied.encoder.weight.detach().T}

    path = checkpoints.save(1, {"generator": state}, {}, keep=1)
    checkpoints.wait()

    loaded = load_file(path / "generator.safetensors")
    assert set(loaded) == {"encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias", "turned"}
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


def test_training_goes_on_while_a_checkpoint_is_written(checkpoints, monkeypatch):
    may_write, save_file = threading.Event(), checkpoint_module.save_file
    monkeypatch.setattr(checkpoint_module, "save_file", lambda *given: may_write.wait() and save_file(*given))
    tensors, state = tensors_of(5), state_of(5)

    checkpoints.save(5, tensors, state, keep=2)
    tensors["generator"]["weight"].fill_(-1)
    state["updates"]["shapes"] = -1
    assert names(checkpoints) == []
    may_write.set()
    checkpoints.save(6, tensors_of(6), state_of(6), keep=2)
    assert "step-00000005" in names(checkpoints)
    checkpoints.wait()

    assert names(checkpoints) == ["step-00000005", "step-00000006"]
    shutil.rmtree(checkpoints.paths()[1])
    loaded = checkpoints.load()
    assert loaded.state["updates"] == {"shapes": 5}
    assert torch.equal(loaded.tensors["generator"]["weight"], tensors_of(5)["generator"]["weight"])


def test_tensors_may_change_their_shape_and_type(checkpoints):
    for step, value in enumerate((torch.ones(4), torch.ones(2, 2), torch.ones(2, 2).half(), torch.zeros(2, 2).half())):
        checkpoints.save(step, {"generator": {"weight": value}}, state_of(step), keep=1)

    loaded = checkpoints.load().tensors["generator"]["weight"]
    assert torch.equal(loaded, value)
    assert loaded.dtype == value.dtype


def test_a_failed_save_is_told_at_the_next_one(checkpoints, monkeypatch):
    monkeypatch.setattr(
        checkpoint_module, "save_file", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error"))
    )
    checkpoints.save(5, tensors_of(5), {}, keep=2)

    with pytest.raises(TrainingError, match=r"Input/output error\..*There is no checkpoint yet: mend that, then run"):
        checkpoints.save(6, tensors_of(6), {}, keep=2)


def test_no_thread_is_left(checkpoints):
    before = threading.active_count()
    for step in range(5):
        save(checkpoints, step)

    assert threading.active_count() <= before + 1  # the last one may be about to end


@pytest.mark.parametrize("wild", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_not_written(checkpoints, wild):
    save(checkpoints, 5)
    tensors = tensors_of(6)
    tensors["generator"]["weight"][1, 2] = wild

    checkpoints.save(6, tensors, {}, keep=1)
    with pytest.raises(
        TrainingError,
        match="step-00000006' is not written: the tensor 'weight' of generator has values that are not finite",
    ):
        checkpoints.wait()

    assert names(checkpoints) == ["step-00000005"]


def test_large_and_whole_numbers_are_finite(checkpoints):
    tensors = {
        "large": torch.full((8,), 3e38),
        "half": torch.full((8,), 6e4).half(),
        "count": torch.tensor([2**62] * 4),
    }

    checkpoints.save(6, {"generator": {**tensors, "empty": torch.zeros(0)}}, {}, keep=1)
    checkpoints.wait()

    assert names(checkpoints) == ["step-00000006"]


def test_no_checkpoint_yet(checkpoints, tmp_path):
    for ask in (checkpoints.latest, checkpoints.load):
        with pytest.raises(RunError, match=rf"^'{re.escape(str(tmp_path / 'run'))}' has no checkpoint yet"):
            ask()
    assert checkpoints.paths() == checkpoints.whole() == []


def flips():
    """Returns a few bits of all files of a checkpoint: file, which byte from 0 to 1, and the bit."""
    rng = random.Random(18)
    return [(rng.choice(FILES), rng.random(), 1 << rng.randrange(8)) for _ in range(FLIPS)]


@pytest.mark.parametrize(("file", "place", "bit"), flips())
def test_a_flipped_bit_is_found_and_the_one_before_continues(checkpoints, caplog, file, place, bit):
    save(checkpoints, 5)
    damaged = save(checkpoints, 6)
    content = bytearray((damaged / file).read_bytes())
    content[int(place * len(content))] ^= bit
    (damaged / file).write_bytes(content)

    loaded = checkpoints.load()

    assert loaded.state["step"] == 5
    assert torch.equal(loaded.tensors["generator"]["weight"], tensors_of(5)["generator"]["weight"])
    [message] = caplog.messages
    assert message.startswith(f"The checkpoint '{damaged}' is passed over, and an older one used: ")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "a folder"])
def test_a_damaged_checkpoint_is_named_and_passed_over(checkpoints, caplog, file, damage):
    save(checkpoints, 5)
    path = save(checkpoints, 6)
    content = (path / file).read_bytes()
    (path / file).unlink()
    if damage == "a folder":
        (path / file).mkdir()
    elif damage != "gone":
        (path / file).write_bytes(content[:-3] if damage == "cut" else b"")

    assert checkpoints.load().state["step"] == 5
    for_translating = "step-00000006" if file == "optimizers.safetensors" else "step-00000005"
    assert checkpoints.latest().name == checkpoints.whole()[-1].name == for_translating
    [message] = caplog.messages
    assert message.startswith(f"The checkpoint '{path}' is passed over, and an older one used: ")
    assert file in message


def test_each_damaged_checkpoint_is_named_if_none_is_whole(checkpoints, tmp_path):
    for step, file in ((5, "state.json"), (6, "generator.safetensors")):
        (save(checkpoints, step) / file).write_bytes(b"{}")

    expected = (
        rf"^'{re.escape(str(tmp_path / 'run'))}' has no checkpoint that is whole:\n  '.*step-00000006': generator\.safetensors is "
        r"damaged, .*\n  '.*step-00000005': state\.json is damaged, as its checksum in SHA256SUMS shows\nRestore one of them"
    )
    for ask in (checkpoints.latest, checkpoints.load):
        with pytest.raises(RunError, match=expected):
            ask()
    assert checkpoints.whole() == []


def test_a_checkpoint_that_is_removed_while_it_is_read(checkpoints, monkeypatch, caplog):
    """A training removes old checkpoints while others look for the newest."""
    save(checkpoints, 5)
    newest, checksum = save(checkpoints, 6), checkpoint_module._checksum

    def remove_first(path):
        shutil.rmtree(newest, ignore_errors=True)
        return checksum(path)

    monkeypatch.setattr(checkpoint_module, "_checksum", remove_first)

    assert checkpoints.latest().name == "step-00000005"
    assert caplog.messages == []


def test_a_checkpoint_that_replaces_the_only_one_while_they_are_listed(checkpoints, monkeypatch):
    old, is_dir = save(checkpoints, 5), Path.is_dir

    def replace_first(path):
        if path == old and is_dir(old):
            old.rename(old.with_name("step-00000006"))
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", replace_first)

    assert names(checkpoints) == ["step-00000006"]


def test_a_checkpoint_that_is_removed_after_it_was_checked(checkpoints, monkeypatch, caplog):
    save(checkpoints, 5)
    newest, load_file = save(checkpoints, 6), checkpoint_module.load_file

    def remove_first(path):
        shutil.rmtree(newest, ignore_errors=True)
        return load_file(path)

    monkeypatch.setattr(checkpoint_module, "load_file", remove_first)

    assert checkpoints.load().state["step"] == 5
    assert caplog.messages == []


def test_a_damaged_checkpoint_of_a_later_step_does_not_push_out_a_whole_one(checkpoints):
    for step in (5, 50):
        path = save(checkpoints, step)
    (path / "state.json").write_text("{}")

    save(checkpoints, 10, keep=1)

    assert checkpoints.load().state["step"] == 10
    assert names(checkpoints) == ["step-00000010", "step-00000050"]
    save(checkpoints, 50, keep=1)
    assert names(checkpoints) == ["step-00000050"]


def test_checkpoints_of_format_1_are_read(checkpoints):
    make_old(save(checkpoints, 5))

    assert checkpoints.load().state == {"format": 1, **state_of(5)}
    assert checkpoints.latest() == checkpoints.whole()[0] == checkpoints.paths()[0]


def test_an_unreadable_checkpoint_of_format_1_is_passed_over(checkpoints):
    for step in (5, 6):
        make_old(save(checkpoints, step))
    path = checkpoints.paths()[1] / "generator.safetensors"
    path.write_bytes(path.read_bytes()[:-3])

    assert checkpoints.load().state["step"] == 5


@pytest.mark.parametrize(
    "state",
    [
        "[]",
        "7",
        "[" * 100_000,
        '{"step": "5", "updates": {}, "pending": {}}',
        '{"step": -1, "updates": {}, "pending": {}}',
        '{"step": 5, "updates": [], "pending": {}}',
        '{"step": 5, "updates": {}, "pending": {"shapes": {"d/adv": "x"}}}',
        '{"format": "1", "step": 5, "updates": {}, "pending": {}}',
        '{"format": 2, "step": 5, "updates": {}, "pending": {}}',
        "a pipe",
    ],
)
def test_a_state_that_nobody_wrote_is_refused(checkpoints, state):
    path = save(checkpoints, 5)
    make_old(path)
    if state == "a pipe":
        (path / "state.json").unlink()
        os.mkfifo(path / "state.json")
    else:
        (path / "state.json").write_text(state)

    with pytest.raises(RunError, match="no checkpoint that is whole:\n"):
        checkpoints.load()


def test_an_old_checkpoint_that_cannot_be_removed_is_named(checkpoints, monkeypatch, caplog):
    old = save(checkpoints, 5)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(checkpoint_module, "remove", refuse)
    save(checkpoints, 6, keep=1)

    assert caplog.messages == [f"The old checkpoint '{old}' cannot be removed: Permission denied"]
    assert checkpoints.load().state["step"] == 6


def test_a_newer_format_is_refused_rather_than_passed_over(checkpoints, monkeypatch):
    save(checkpoints, 5)
    monkeypatch.setattr(checkpoint_module, "FORMAT", 3)
    monkeypatch.setattr(checkpoint_module, "__version__", "9.1")
    path = save(checkpoints, 6)
    monkeypatch.undo()

    expected = (
        f"^'{re.escape(str(path))}' has format 3, which a newer stargan-fw wrote; this one reads up to format 2. Install that "
        "one: pip install --upgrade 'stargan-fw>=9.1'$"
    )
    for ask in (checkpoints.latest, checkpoints.load):
        with pytest.raises(RunError, match=expected):
            ask()


@pytest.mark.parametrize("made_with", [None, 5, "stargan-fw 1.0.dev3", "stargan-fw 1; rm -r x"])
def test_a_newer_format_of_an_unknown_version(tmp_path, made_with):
    with pytest.raises(RunError, match=r": pip install --upgrade stargan-fw$"):
        check_format({"format": 2, "made_with": made_with}, 1, tmp_path / "file")


@pytest.mark.parametrize("version", [0, -1, "1", None, True, 1.0])
def test_a_format_that_is_no_version(tmp_path, version):
    with pytest.raises(ValueError, match="no version number"):
        check_format({"format": version}, 1, tmp_path / "file")


FILL = """
import sys, torch
from pathlib import Path
from stargan_fw.errors import TrainingError
from stargan_fw.runs.run_folder import RunFolder

run, room = RunFolder(Path(sys.argv[1]) / "run"), Path(sys.argv[1]) / "other"
def save(step):
    tensors = {"generator": {"weight": torch.full((2**20,), float(step))}, "optimizers": {"m": torch.ones(3 * 2**20)}}
    run.checkpoints.save(step, tensors, {"step": step, "updates": {}, "pending": {}}, keep=2)
    run.checkpoints.wait()
def fail(work):
    try:
        work()
    except TrainingError as error:
        print(error)
        return
    raise SystemExit("the disk is not full")
(run.path).mkdir()
(run.path / "config.toml").touch()
save(1)
room.write_bytes(bytes(17 * 2**20))
fail(lambda: save(2))
assert run.checkpoints.load().state["step"] == 1
assert [path.name for path in (run.path / "checkpoints").iterdir()] == ["step-00000001"]
def fill():
    while True:
        run.append_metrics({"step": 1, "text": "x" * 2**20})
fail(fill)
(run.path / "metrics.jsonl").unlink()
room.unlink()
save(2)
assert run.checkpoints.load().state["step"] == 2
"""


def mounting(folder):
    """Returns a command that runs a program where the folder is a file system of 40 MB; None if that is impossible here."""
    inside = ["sh", "-c", f'mount -t tmpfs -o size=40m tmpfs "{folder}" && exec "$@"', "sh"]
    for outside in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
        if (
            shutil.which("unshare")
            and not subprocess.run([*outside, *inside, "true"], capture_output=True, check=False).returncode
        ):
            return [*outside, *inside]
    return None


def test_a_full_disk_stops_with_one_message_and_the_one_before_continues(tmp_path):
    command = mounting(tmp_path)
    if command is None:
        pytest.skip("no file system can be mounted here")

    done = subprocess.run(
        [*command, sys.executable, "-c", FILL, str(tmp_path)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    checkpoint, metrics = done.stdout.splitlines()
    assert re.search(
        r"step-00000002' cannot be written: No space left on device\. It needs 16\.8 MB, and [\d.]+ MB are free\. The "
        r"checkpoint of step 1 is whole, .*: make room, then run",
        checkpoint,
    )
    assert re.search(r"metrics\.jsonl' cannot be written: No space left on device\. The checkpoint of step 1", metrics)
