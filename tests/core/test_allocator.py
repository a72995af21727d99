"""Freed memory is kept where glibc can be told to."""

import os
import subprocess
import sys

import pytest

from stargan_fw import allocator

SCRIPT = """
from stargan_fw.allocator import keep_freed_memory
told = keep_freed_memory()
import resource, torch
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3): torch.ones(2**24)
before = faults()
for _ in range(5): torch.ones(2**24)
print(int(told), faults() - before)
"""


def page_faults(variable):
    environment = {**os.environ, allocator.VARIABLE: variable}
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
    assert not allocator.keep_freed_memory()
