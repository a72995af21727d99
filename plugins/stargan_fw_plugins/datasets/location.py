"""Suggests the right folder if a dataset is not where the user said."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def suggest_location(plugin: str, root: Path, is_layout: Callable[[Path], bool]) -> str:
    """Returns the end of an error message for a `root` that does not hold the dataset: what to do about it.

    Args:
        plugin: the dataset's name in `--datasets`.
        root: the folder that was tried; it may not exist.
        is_layout: returns whether a folder holds the dataset.
    """
    found = find_nearby(root, is_layout)
    if found is not None:
        return f" It seems to be one level off: use --datasets {write_location(plugin, found)}"
    drawn = root.parent if root.name == plugin.rpartition("=")[2] and not root.exists() else "stand-ins"
    return (
        f" Name the right folder with --datasets {plugin}:FOLDER, or draw stand-in data: stargan-fw data sample "
        f"{shlex.quote(str(drawn))}"
    )


def write_location(plugin: str, path: Path) -> str:
    """Returns a dataset as a shell takes it after `--datasets`."""
    return shlex.quote(f'{plugin}:"{path}"' if "," in str(path) else f"{plugin}:{path}")


def find_nearby(root: Path, is_layout: Callable[[Path], bool]) -> Path | None:
    """Returns the folder one level up or down from `root` that holds the dataset, or None."""
    below = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    return next((folder for folder in [root.parent, *below] if folder != root and is_layout(folder)), None)
