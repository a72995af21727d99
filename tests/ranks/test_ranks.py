"""Two processes that share every batch compute what one process computes."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from cases import CASES

SCRIPT = Path(__file__).with_name("cases.py")
EXACT = 1e-9  # of a weight's norm; in fp64 only sums in another order differ
# Losses are compared a little less closely: labels are fp32, and so are sums of their losses.
LOSSES = 1e-6


def compute(out, count, *more):
    """Runs the cases in `count` processes."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)] if count > 1 else []
    subprocess.run([sys.executable, *torchrun, SCRIPT, out, *more], check=True, timeout=540)
    return torch.load(out)


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """Case → tensors, of one process and of two."""
    folder = tmp_path_factory.mktemp("ranks")
    return [compute(folder / f"{count}.pt", count) for count in (1, 2)]


@pytest.mark.parametrize("case", [name for name in CASES if name != "skipped_phase"])
def test_two_ranks_compute_what_one_does(results, case):
    one, two = (result[case] for result in results)
    assert one.keys() == two.keys()
    for name, value in one.items():
        expected, found = value.double(), two[name].double()
        bound = LOSSES if name.startswith("step ") else EXACT
        assert (found - expected).norm() <= bound * expected.norm().clamp(min=1), name


def test_a_case_moves_what_it_compares(results):
    """Otherwise two processes that do nothing would pass."""
    (one, _) = results
    assert "step 2: d/adv" not in one["skipped_update"]
    for name in ("stargan 1", "unknown_labels"):
        losses = [value for key, value in one[name].items() if key.endswith("d/gp")]
        assert len({round(float(value), 6) for value in losses}) == len(losses) > 2


def test_a_run_goes_on_with_another_number_of_ranks(tmp_path):
    straight = compute(tmp_path / "one.pt", 1, "go_on", tmp_path / "straight", "8")
    for count in (2, 1, 4, 2):
        changing = compute(tmp_path / "more.pt", count, "go_on", tmp_path / "changing", "2")
    for name, value in changing.items():
        bound = LOSSES if name.startswith("step ") else EXACT
        assert (straight[name].double() - value.double()).norm() <= bound * straight[name].double().norm().clamp(
            min=1
        ), name


def test_a_method_that_skips_a_phase_on_one_rank_is_refused(results):
    one, two = (result["skipped_phase"]["told"] for result in results)
    assert (one, two) == (0, 1)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads the names of threads from Linux")
def test_no_thread_of_the_group_outlives_it():
    """One that lets go of a tensor while Python ends would abort the process now and then."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    command = [sys.executable, SCRIPT.with_name("parting.py")]
    ranks = [subprocess.Popen(command, env={**os.environ, **address, "RANK": str(rank)}) for rank in (0, 1)]
    assert [rank.wait(120) for rank in ranks] == [0, 0]
