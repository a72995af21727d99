"""Two processes that share every batch compute what one process computes."""

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


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """Case → tensors, of one process and of two."""
    folder = tmp_path_factory.mktemp("ranks")
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    commands = {"one": [], "two": torchrun}
    for name, launcher in commands.items():
        subprocess.run([sys.executable, *launcher, SCRIPT, folder / f"{name}.pt"], check=True, timeout=540)
    return [torch.load(folder / f"{name}.pt") for name in commands]


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
    for name in ("stargan 1", "unknown_labels"):
        losses = [value for key, value in one[name].items() if key.endswith("d/gp")]
        assert len({round(float(value), 6) for value in losses}) == len(losses) > 2


def test_a_method_that_skips_a_phase_on_one_rank_is_refused(results):
    one, two = (result["skipped_phase"]["told"] for result in results)
    assert (one, two) == (0, 1)
