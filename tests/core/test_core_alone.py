"""Core stands by itself: no module of it, and no test beside this one, needs a plugin that comes with stargan-fw."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HIDDEN = [path.name for path in ROOT.glob("plugins/stargan_fw_*")]
IMPORT_ALL = (
    "for found in pkgutil.walk_packages(stargan_fw.__path__, 'stargan_fw.'): importlib.import_module(found.name)"
)
COLLECT = "sys.exit(pytest.main(['--collect-only', '-q', '-p', 'no:cacheprovider', 'tests/core']))"


def test_plugins_cannot_be_imported_here():
    assert "stargan_fw_plugins" in HIDDEN
    for name in (*HIDDEN, "stargan_fw_plugins.methods"):
        with pytest.raises(ModuleNotFoundError):
            __import__(name)


@pytest.mark.parametrize("code", [IMPORT_ALL, COLLECT], ids=["core", "its tests"])
def test_a_process_without_plugins_imports(code):
    lines = [
        f"import sys; sys.modules.update(dict.fromkeys({HIDDEN}))",
        "import importlib, pkgutil, pytest, stargan_fw",
        code,
    ]
    path = os.pathsep.join(str(ROOT / folder) for folder in ("core", "registry"))

    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
