"""`benchmarks/gpu.py` on a processor, tiny: its first run on a GPU must not be the first run at all."""

import argparse
import importlib.metadata
import json
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(autouse=True)
def programs(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def test_every_section_is_measured_on_a_processor(tmp_path):
    command = [sys.executable, ROOT / "benchmarks" / "gpu.py", "--device", "cpu", "--small", "--minutes", "20"]

    done = subprocess.run([*map(str, command), "--out", str(tmp_path)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text())["sections"]
    from gpu import SHARES
    from gpu_page import TITLES

    assert list(found) == list(SHARES) == list(TITLES)
    for name, section in found.items():
        assert all("found" in item for item in section["items"].values()), (name, section)
    page = (tmp_path / "gpu.md").read_text()
    assert all(f"## {title}" in page for title in TITLES.values())
    assert "Networks were tiny" in page


def test_a_clone_that_is_not_installed_has_its_plugins(tmp_path):
    from gpu import describe_distribution

    describe_distribution(PROJECT, tmp_path)

    (found,) = importlib.metadata.distributions(path=[str(tmp_path)])
    assert (found.metadata["Name"], found.version) == ("stargan-fw", PROJECT["version"])
    entries = {(entry.group, entry.name, entry.value) for entry in found.entry_points}
    groups = PROJECT["entry-points"].items()
    assert entries == {(group, name, value) for group, named in groups for name, value in named.items()}


def test_packages_beside_the_clone_are_found_from_its_folder(tmp_path, monkeypatch):
    from gpu import SOURCES, environment

    monkeypatch.setenv("PYTHONPATH", "gpu-packages")
    monkeypatch.chdir(tmp_path)
    paths = environment(PROJECT, tmp_path)["PYTHONPATH"].split(":")
    assert paths[: len(SOURCES)] == SOURCES
    assert paths[-1] == str(tmp_path / "gpu-packages")


def test_missing_packages_are_named_with_a_line_to_paste():
    from gpu import explain_missing, missing_packages

    assert missing_packages(PROJECT["dependencies"]) == []
    missing = missing_packages(["rich>=13.9", "no-such-package>=1.0", "tomli-w>=1.1"])
    assert missing == ["no-such-package>=1.0"]
    assert "-m pip install --target gpu-packages 'no-such-package>=1.0' && PYTHONPATH=gpu-packages" in explain_missing(
        missing
    )
    assert "Run this with the Python that has it" in explain_missing(["torch>=2.11"])


def section(tmp_path, body):
    """A section whose process runs `body`, with `line(item, kind, value)` to record something."""
    import gpu

    made = gpu.Section("speed", [], {}, tmp_path)
    program = f"""
import json, os, sys, time
path = {str(made._records)!r}
known = open(path).read() if os.path.exists(path) else ""
def line(item, kind, value):
    print(json.dumps({{"item": item, kind: value}}), file=open(path, "a"))
{body}
"""
    made._command = [sys.executable, "-c", program]
    result = gpu.Result(tmp_path / "out", argparse.Namespace(device="cpu", small=True))
    return made, result


def items(result):
    return json.loads(result.json.read_text())["sections"]["speed"]["items"]


def test_another_process_goes_on_after_one_that_died(tmp_path):
    body = """
if '"a"' not in known:
    line("a", "begun", True)
    print("no kernel image", flush=True)
    os.abort()
line("b", "found", {"rate": 1.0})
"""
    made, result = section(tmp_path, body)

    made.run(time.time() + 30, result)

    assert items(result) == {"a": {"error": "exit code -6: no kernel image"}, "b": {"found": {"rate": 1.0}}}
    assert result.failed == ["speed: a: exit code -6: no kernel image"]


def test_a_process_that_dies_at_once_is_not_started_for_ever(tmp_path):
    made, result = section(tmp_path, "sys.exit('no torch')")

    made.run(time.time() + 30, result)

    assert items(result) == {"start": {"error": "exit code 1: no torch"}}


def test_a_section_that_takes_too_long_is_ended_and_keeps_what_it_found(tmp_path, monkeypatch):
    import gpu

    monkeypatch.setattr(gpu, "GRACE", 0.5)
    made, result = section(tmp_path, 'line("a", "found", {}); line("b", "begun", True); time.sleep(60)')
    start = time.time()

    made.run(start + 3, result)

    assert time.time() - start < 30
    assert items(result)["a"] == {"found": {}}
    assert items(result)["b"]["skipped"].startswith("stopped after")
    assert result.failed == []


def test_the_page_of_the_docs_is_that_of_the_kept_result():
    from gpu_page import DATA, DOCUMENT, markdown

    kept = ROOT / "docs" / DATA
    result = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else None
    assert (ROOT / "docs" / DOCUMENT).read_text(encoding="utf-8") == markdown(result)


def test_a_page_shows_which_aims_are_met(tmp_path):
    from gpu_page import make_page

    step = {"ratio": 5.2, "share of bf16": 0.2, "memory ratio": 0.7}
    fast = {"ratio": 7.0, "share of bf16": 0.3, "memory ratio": None}
    rows = {"batch 16, 128 px": {"found": step}, "batch 16, 128 px, fastest way": {"found": fast}}
    rows["batch 256, 256 px"] = {"skipped": "out of memory on cuda"}
    found = {"began": "2026", "commit": "abc", "device": "cuda", "small": False, "sections": {"speed": {"items": rows}}}
    source = tmp_path / "gpu.json"
    source.write_text(json.dumps(found))

    page = make_page(source, tmp_path).read_text()

    assert "| at least 5 times the reference's step, batch 16, 128 px | 5.2 | 7 | yes |" in page
    assert "| at least 25 % of the bf16 rate over a cycle, batch 16, 128 px | 0.2 | 0.3 | yes |" in page
    assert "| at most 0.6 times the reference's memory, batch 16, 128 px | 0.7 |  | no |" in page
    assert "| at most 15 minutes for 200,000 updates on an H200 |  |  | not measured |" in page
    assert "- batch 256, 256 px: left out: out of memory on cuda" in page
    assert json.loads((tmp_path / "performance_gpu.json").read_text()) == found


def test_no_page_is_made_of_tiny_networks(tmp_path):
    from gpu_page import make_page

    source = tmp_path / "gpu.json"
    source.write_text('{"small": true}')
    with pytest.raises(SystemExit, match="measures nothing"):
        make_page(source, tmp_path)
