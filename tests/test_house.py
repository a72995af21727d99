"""The picture of the house in CONTRIBUTING.md, and what the import contract cannot say."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_picture_of_the_house_is_made_from_the_imports():
    command = [sys.executable, ROOT / "docs" / "draw_house.py", "--check"]

    drawn = subprocess.run(command, capture_output=True, text=True, check=False)

    assert drawn.returncode == 0, drawn.stderr
