"""Labels are read as files mean them, in however many ways people write them: a part of `make mutate-data`."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_sixty_inputs_are_read_as_they_are_meant_or_refused():
    command = [sys.executable, ROOT / "benchmarks" / "mutate_data.py", "--count", "60", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "table read" in done.stdout
    assert "folder read" in done.stdout


def test_a_row_that_begins_with_a_spreadsheets_error_is_no_comment(tmp_path):
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        from mutate_data import find_faults, read
        from mutated_tables import Written, draw
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    from stargan_fw.plugin_manager import PluginManager

    cells = ["cat", "dog", "#N/A", "dog", "cat", "cat", "dog", "cat"]
    names = [f"{number}.png" for number in range(len(cells))]
    for number, name in enumerate(names):
        draw(tmp_path / name, number)
    rows = [f"{cell},{name}" for cell, name in zip(cells, names, strict=True)]
    (tmp_path / "labels.csv").write_text("\n".join(["species,image", *rows, "# the last line"]), encoding="utf-8")
    meant = {name: None if cell == "#N/A" else cell for name, cell in zip(names, cells, strict=True)}
    written = Written("table", tmp_path / "labels.csv", {"species": meant})

    source, refusal = read(written, PluginManager.discover())

    assert source is not None, refusal
    assert list(find_faults(written, source)) == []
