"""Which pictures a command line names: files, folders and globs."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING

from stargan_fw.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}


def image_files(named: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Yields each picture once, with the path that it has below its folder, or below what a glob leaves open.

    Raises:
        DataError: a path that is missing or no picture, or a folder or glob without pictures.
    """
    seen: set[Path] = set()
    for path in named:
        for file, relative in _below(path):
            if file not in seen:
                seen.add(file)
                _check(file)
                yield file, relative


def _below(path: Path) -> list[tuple[Path, Path]]:
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
        return _some(found, path, f"The folder '{path}' holds no pictures")
    if path.exists() or not glob.has_magic(str(path)):
        return [(path, Path(path.name))]
    matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))  # noqa: PTH207 - takes absolute ones
    found = [file for file in matches if file.suffix.lower() in SUFFIXES]
    fixed = list(path.parts[: next(i for i, part in enumerate(path.parts) if glob.has_magic(part))])
    return _some(found, Path(*fixed), f"The glob '{path}' finds no pictures")


def _some(found: list[Path], below: Path, otherwise: str) -> list[tuple[Path, Path]]:
    if not found:
        raise DataError(f"{otherwise} ({', '.join(sorted(SUFFIXES))}).")
    return [(file, file.relative_to(below)) for file in found]


def _check(file: Path) -> None:
    """Reads the header only, so that what is no picture is refused before anything is written."""
    from PIL import Image

    from stargan_fw.data.images import UNREADABLE, reason

    try:
        Image.open(file).close()
    except UNREADABLE as error:
        raise DataError(f"The image '{file}' cannot be read: {reason(error)}.") from None
