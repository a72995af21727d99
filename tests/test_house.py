"""The picture of the house in CONTRIBUTING.md, and what the import contract cannot say."""

import importlib
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_the_picture_of_the_house_is_made_from_the_imports():
    command = [sys.executable, ROOT / "docs" / "draw_house.py", "--check"]

    drawn = subprocess.run(command, capture_output=True, text=True, check=False)

    assert drawn.returncode == 0, drawn.stderr


def test_importing_the_package_does_not_import_torch():
    program = "import sys, stargan_fw; stargan_fw.Dataset; print(stargan_fw.__version__, 'torch' in sys.modules)"

    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert printed == f"{version('stargan-fw')} False\n"


@pytest.mark.parametrize(
    "package", ["stargan_fw", "stargan_fw.interfaces", "stargan_fw_bench", "stargan_fw_evaluate", "stargan_fw_share"]
)
def test_every_name_of_a_stub_is_there(package):
    """Type checkers read `__init__.pyi`, and so does the package, which imports a name when it is first used."""
    exports = importlib.import_module(package)

    assert exports.__all__
    for name in exports.__all__:
        assert getattr(exports, name) is not None, name


def test_no_two_files_have_one_name():
    paths = [path for root in ("core", "plugins", "registry") for path in (ROOT / root).rglob("*.py")]
    counts = Counter(path.name for path in paths if path.name != "__init__.py")
    assert [name for name, count in counts.items() if count > 1] == []


def test_the_core_stays_small():
    """What grows belongs in a plugin, or takes the place of something."""
    files = list((ROOT / "core").rglob("*.py"))
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)

    assert len(files) <= 90
    assert lines <= 11_000
