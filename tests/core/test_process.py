"""What a process that computes is told about memory and waiting."""

import os
import subprocess
import sys

import pytest

from stargan_fw import process

SCRIPT = """
import resource
from stargan_fw.process import keep_freed_memory
told = keep_freed_memory()
def resident(): return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() >> 20
before = resident()
blocks = [b"x" * 2**24 for _ in range(8)]
del blocks
print(int(told), resident() - before)
"""


def kept_megabytes(variable):
    environment = {**os.environ, process.VARIABLE: variable}
    result = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True, env=environment)
    return map(int, result.stdout.split())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's account of the process")
def test_large_blocks_that_are_freed_stay_with_the_process():
    told, kept = kept_megabytes("1")
    if not told:
        pytest.skip("no glibc")
    assert kept >= 100, "of eight blocks of 16 MB"
    told, kept = kept_megabytes("0")
    assert not told
    assert kept < 64


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
    assert os.environ["GOMP_SPINCOUNT"] == process.SPIN_COUNT
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    process.wait_briefly()
    assert os.environ["GOMP_SPINCOUNT"] == "7"
