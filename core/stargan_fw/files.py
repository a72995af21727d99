"""A folder that appears whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stargan_fw.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator


def check_free(target: Path) -> None:
    """Raises ModelError unless the folder `target` can be made: it is not there, or is empty."""
    if target.exists() and not target.is_dir():
        raise ModelError(f"'{target}' is a file. Name a folder for the model.")
    if target.is_dir() and any(target.iterdir()):
        raise ModelError(f"The folder '{target}' is not empty. Name another, or remove it first.")


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Lends an empty folder beside `target`, which takes its name when everything is written, or goes.

    Raises:
        ModelError: `target` is a file, or a folder that is not empty.
    """
    check_free(target)
    target = target.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    try:
        yield partial
        for path, mode in ((partial, 0o755), *((file, 0o644) for file in partial.iterdir())):
            path.chmod(mode)  # temporary folders, and safetensors' files, are their owner's alone
        if target.exists():
            target.rmdir()
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
