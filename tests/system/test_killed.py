"""A training that is killed or stopped at random moments, and resumed each time, ends with the bits of an undisturbed one.

STARGAN_FW_KILLS sets the number of kills, and of stops: 5 by default. With --log-cli-level=INFO, a line says what was hit.
"""

import logging
import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
import torch

logger = logging.getLogger(__name__)

KILLS = int(os.environ.get("STARGAN_FW_KILLS", "5"))
STEPS = 60
SETTINGS = ("training.log_every=3", "training.save_every=2", "training.sample_every=1000", "training.trackers=[]")
LATEST = 1.0  # seconds after the first checkpoint, before the program is stopped
WRITE = 0.05  # seconds that a checkpoint of this size may take to be written


@pytest.fixture(scope="module")
def begin(tiny, small_data):
    """Starts the program on a run folder, which need not exist: `begin(out) -> Popen`; several ranks by torchrun."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start(out: Path, ranks: int = 1, *options: str) -> subprocess.Popen:
        settings = [argument for setting in (*SETTINGS, f"training.steps={STEPS}") for argument in ("--set", setting)]
        torchrun = (
            ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}", *options] if ranks > 1 else []
        )
        program = [sys.executable, *torchrun, "-m", "stargan_fw"]
        return subprocess.Popen(
            [*program, *tiny.command(small_data, out, *settings, "--resume")],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    return start


@pytest.fixture(scope="module")
def undisturbed(begin, tmp_path_factory):
    """Returns the folder of a run that nobody disturbed, and the seconds until its first checkpoint."""

    @cache
    def run(ranks: int) -> tuple[Path, float]:
        out, began = tmp_path_factory.mktemp("undisturbed") / "run", time.monotonic()
        with begin(out, ranks) as process:
            wait_for(process, lambda: written(out))
            first = time.monotonic() - began
            _, errors = process.communicate()
        assert process.returncode == 0, errors
        return out, first

    return run


def written(out: Path) -> set[str]:
    """Returns the names of the checkpoints, also of those that are being written."""
    folder = out / "checkpoints"
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def wait_for(process: subprocess.Popen, happened) -> None:
    while process.poll() is None and not happened():
        time.sleep(0.001)


def pause(process: subprocess.Popen, seconds: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def disturb(process: subprocess.Popen, out: Path, number: int, moments: random.Random, first: float) -> str:
    """Sends a signal while the program starts, trains or writes a checkpoint; returns which of these it was to be."""
    before = written(out)
    moment = moments.choice(["start", "training", "training", "writing", "writing"])
    if moment == "start":
        pause(process, moments.uniform(0, first))
    else:
        wait_for(process, lambda: written(out) - before)
        pause(process, moments.uniform(0, LATEST))
    if moment == "writing":
        wait_for(process, lambda: any(name.endswith(".partial") for name in written(out)))
        pause(process, moments.uniform(0, WRITE))
    if number == signal.SIGKILL:
        for rank in ranks_of(process):
            os.kill(rank, number)
    process.send_signal(number)
    return moment


def ranks_of(process: subprocess.Popen) -> list[int]:
    """Returns the processes that torchrun has started, which would outlive it."""
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def check_same(out: Path, undisturbed: Path, metrics, tensors) -> None:
    assert metrics(out) == metrics(undisturbed)
    expected, found = tensors(undisturbed, STEPS), tensors(out, STEPS)
    assert found.keys() == expected.keys()
    assert [name for name, value in expected.items() if not torch.equal(found[name], value)] == []
    for name in ("config.toml", "splits.json", "labels.json", f"checkpoints/step-{STEPS:08d}/state.json"):
        assert (out / name).read_text() == (undisturbed / name).read_text()
    assert not [name for name in written(out) if name.endswith(".partial")]


def is_complete(out: Path) -> bool:
    return f"step-{STEPS:08d}" in written(out)


def check_stopped(moment: str, out: Path, errors: str, rows: list[dict]) -> None:
    """Checks that the last step is saved, and that the message says so."""
    saved = re.search(r"Stopped by SIGTERM\. '.*' is saved at step (\d+) of", errors)
    if not saved and (moment == "start" or is_complete(out)):
        return
    step = int(saved[1])
    assert max(written(out)) == f"step-{step:08d}"
    assert max(row["step"] for row in rows) == step


def check_message(process: subprocess.Popen, moment: str, out: Path, errors: str) -> None:
    if process.returncode == -signal.SIGTERM and (moment == "start" or is_complete(out)):
        return  # before any of our lines ran, or after the last
    assert (process.returncode, len(errors.splitlines())) == (143, 1), errors
    if moment != "start":
        assert errors.endswith(f"Continue with: stargan-fw train --out {out} --resume\n")


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_a_disturbed_run_ends_with_the_bits_of_an_undisturbed_one(
    begin, undisturbed, tmp_path, metrics, tensors, number, ranks
):
    whole, first = undisturbed(ranks)
    moments, disturbed, runs, torn = random.Random(1), 0, 0, 0
    while disturbed < KILLS or runs == 0:
        out, done = tmp_path / f"run{runs}", False
        while not done:
            with begin(out, ranks) as process:
                moment = disturb(process, out, number, moments, first) if disturbed < KILLS else "none"
                _, errors = process.communicate()
            done = process.returncode == 0
            if done:
                continue
            assert moment != "none", errors
            disturbed += 1
            torn += any(name.endswith(".partial") for name in written(out))
            if number == signal.SIGKILL:
                assert process.returncode == -signal.SIGKILL, errors
                continue
            if ranks == 1:
                check_message(process, moment, out, errors)
            check_stopped(moment, out, errors, metrics(out) if (out / "metrics.jsonl").exists() else [])
        check_same(out, whole, metrics, tensors)
        runs += 1
    logger.info("%s: %d times in %d runs, %d times in the write of a checkpoint", number.name, disturbed, runs, torn)


def test_torchrun_restarts_ranks_of_which_one_is_killed(begin, undisturbed, tmp_path, metrics, tensors):
    whole, _ = undisturbed(2)
    out = tmp_path / "run"
    with begin(out, 2, "--max-restarts=1") as process:
        wait_for(process, lambda: len(written(out)) > 1)
        os.kill(ranks_of(process)[1], signal.SIGKILL)
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    check_same(out, whole, metrics, tensors)


def test_a_folder_in_use_is_refused_at_once_and_free_at_once(begin, tmp_path):
    out = tmp_path / "run"
    with begin(out) as first:
        wait_for(first, lambda: written(out))
        first.send_signal(signal.SIGSTOP)
        with begin(out) as second:
            _, errors = second.communicate()
        assert second.returncode == 2
        assert f"'{out}' is in use: process {first.pid} on " in errors
        assert len(errors.splitlines()) == 1
        first.send_signal(signal.SIGKILL)
    with begin(out) as third:
        _, errors = third.communicate()
    assert third.returncode == 0, errors
