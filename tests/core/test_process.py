"""What a process that computes is told about memory and waiting."""

import os
import subprocess
import sys

import pytest

from stargan_fw import process

SCRIPT = """
from stargan_fw.process import keep_freed_memory
told = keep_freed_memory()
import resource, torch
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3): torch.ones(2**24)
before = faults()
for _ in range(5): torch.ones(2**24)
print(int(told), faults() - before)
"""


def page_faults(variable):
    environment = {**os.environ, process.VARIABLE: variable}
    result = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True, env=environment)
    return map(int, result.stdout.split())


def test_large_blocks_are_not_cleared_page_by_page():
    told, kept = page_faults("1")
    if not told:
        pytest.skip("no glibc")
    told, cleared = page_faults("0")
    assert not told
    assert kept <= cleared  # equal where the system knows no huge pages


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not process.keep_freed_memory()


def test_threads_sleep_soon_unless_the_environment_says_how_to_wait(monkeypatch):
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    process.wait_briefly()
    assert "GOMP_SPINCOUNT" not in os.environ
    monkeypatch.delenv("OMP_WAIT_POLICY")
    process.wait_briefly()
    assert os.environ["GOMP_SPINCOUNT"] == process.TURNS
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    process.wait_briefly()
    assert os.environ["GOMP_SPINCOUNT"] == "7"
