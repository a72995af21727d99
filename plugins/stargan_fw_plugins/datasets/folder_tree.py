"""What lies in a folder of images: read once from the disk, without what systems leave behind."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from PIL import Image, features

from stargan_fw import Remark
from stargan_fw.data.images import COMPANIONS, IMAGE_SUFFIXES, describe_no_images, is_junk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PARTS_OF_RUNS = frozenset({"checkpoints", "samples", "tensorboard"})
NEEDED = {".avif": "avif", ".jp2": "jpg_2000", ".webp": "webp"}  # what a build of Pillow may lack


@dataclass
class ImageTree:
    """A folder.

    Attributes:
        path: where the folder lies.
        name: the folder's name, or that of the class it stands for.
        folders: the folders in it, sorted by name.
        images: the images directly in it, sorted.
        others: the other files directly in it that somebody may take for pictures, sorted.
        runs: the number of folders directly in it that were left out since they hold runs.
    """

    path: Path
    name: str
    folders: list[ImageTree] = field(default_factory=list)
    images: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    runs: int = 0

    def walk(self) -> Iterator[ImageTree]:
        """Yields the folder and every folder below."""
        yield self
        for folder in self.folders:
            yield from folder.walk()

    def all_images(self) -> list[Path]:
        """Returns the images at any depth, sorted."""
        return sorted(path for folder in self.walk() for path in folder.images)

    def has_images(self) -> bool:
        return any(folder.images for folder in self.walk())


def read_tree(path: Path, above: tuple[str, ...] = ()) -> ImageTree:
    """Reads a folder; an unreadable one is empty. Links are followed, but not in circles, and no runs are read."""
    tree = ImageTree(path, path.name)
    real = os.path.realpath(path)
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name) if real not in above else []
    except OSError:
        entries = []
    for entry in entries:
        if is_junk(entry.name):
            continue
        if entry.is_dir():
            _add_folder(tree, path / entry.name, (*above, real))
        else:
            # Who reads a pipe waits for somebody who writes.
            _add_file(tree, path / entry.name, may_be_read=entry.is_file() or entry.is_symlink())
    return tree


def _add_folder(tree: ImageTree, path: Path, above: tuple[str, ...]) -> None:
    """Adds a folder unless it holds runs of this program, whose samples are no pictures of the dataset."""
    if _is_run(path) or (path.name in PARTS_OF_RUNS and _is_run(tree.path)):
        tree.runs += 1
        return
    folder = read_tree(path, above)
    if not folder.runs or folder.folders or folder.images or folder.others:
        tree.folders.append(folder)


def _is_run(path: Path) -> bool:
    return (path / "labels.json").is_file() and (path / "config.toml").is_file()


def _add_file(tree: ImageTree, file: Path, *, may_be_read: bool) -> None:
    suffix = file.suffix.lower()
    if may_be_read and suffix in IMAGE_SUFFIXES and can_read(suffix):
        tree.images.append(file)
    elif suffix not in COMPANIONS:
        tree.others.append(file)


@cache
def can_read(suffix: str) -> bool:
    """Returns whether Pillow, as installed here, has a reader for files with this ending."""
    known = Image.registered_extensions().get(suffix)
    needed = NEEDED.get(suffix)
    return known in Image.OPEN and (
        needed is None or needed not in features.get_supported() or bool(features.check(needed))
    )


def describe_others(root: ImageTree) -> list[Remark]:
    """Returns a remark on files that are left out since they are not taken for pictures, or nothing."""
    others = [file for folder in root.walk() for file in folder.others]
    if not others:
        return []
    endings = {file.suffix.lower() for file in others}
    unread = sorted(suffix for suffix in IMAGE_SUFFIXES & endings if not can_read(suffix))
    remedy = f"Pillow cannot read {', '.join(unread)} here: save them as PNG or JPEG to learn them" if unread else ""
    return [Remark("left out", describe_no_images(others, root.path), remedy)]


def count_files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def compose_name(name: str) -> str:
    """Returns what two names share if they differ only in outer blanks or in how their accents are written."""
    return unicodedata.normalize("NFC", name.strip())


def fold_name(name: str) -> str:
    """Returns what two names share if they also differ in case."""
    return unicodedata.normalize("NFC", compose_name(name).casefold())
