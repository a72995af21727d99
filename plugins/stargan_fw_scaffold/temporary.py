"""Folders for what checks draw and write."""

import atexit
import shutil
import tempfile
from pathlib import Path


def temporary_folder() -> Path:
    """Returns a new folder that is removed when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="stargan-fw-check-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
