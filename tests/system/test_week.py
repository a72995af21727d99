"""A long training, shortened: `make week` takes 20,000 steps."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux says what a process holds")
def test_a_training_holds_no_more_and_more():
    command = [sys.executable, ROOT / "benchmarks" / "week.py", "--steps", "100", "--interval", "3"]

    done = subprocess.run(map(str, command), capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("nothing grows\n")


def test_what_grows_is_named(capsys):
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        from week import Reading, judge
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))

    flat = [Reading(step, 900 + step % 3, 10, 8, 1.1) for step in range(50)]
    leaking = [Reading(step, 900 + 3 * step, 10 + step // 20, 8, 1.1 + 0.01 * step) for step in range(50)]

    assert judge(flat) == []
    assert judge(leaking) == ["resident_mb", "descriptors", "tracker_ratio"]
