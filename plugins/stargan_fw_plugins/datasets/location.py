"""Says where a dataset may be when it is not where it was looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def advice(plugin: str, root: Path, is_layout: Callable[[Path], bool]) -> str:
    """Returns what to do about a `root` that does not hold the dataset, as the end of an error message.

    Args:
        plugin: the dataset's name in `--datasets`.
        root: the folder that was tried; it need not exist.
        is_layout: whether a folder holds the dataset.
    """
    found = nearby(root, is_layout)
    if found is not None:
        return f" It seems to be one level off: use --datasets {plugin}:{found}"
    return (
        f" Name the right folder with --datasets {plugin}:FOLDER, or draw stand-in data with 'stargan-fw data sample'."
    )


def nearby(root: Path, is_layout: Callable[[Path], bool]) -> Path | None:
    """Returns the folder one level up or down from `root` that holds the dataset, or None."""
    below = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    return next((folder for folder in [root.parent, *below] if folder != root and is_layout(folder)), None)
