"""The files that `translate` writes for each picture."""

from __future__ import annotations

import glob
import itertools
import os
import re
import stat
from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from stargan_fw.cli.notes import note
from stargan_fw.data.images import (
    COMPANIONS,
    IMAGE_SUFFIXES,
    UNREADABLE,
    describe_no_images,
    is_image_name,
    is_junk,
    open_image,
    reason,
)
from stargan_fw.errors import DataError, LabelError
from stargan_fw.files import check_writable
from stargan_fw.inference.target_labels import Target
from stargan_fw.rendering.pictures import save_picture
from stargan_fw.rendering.sheets import draw_sheet, format_heading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from PIL import Image

    from stargan_fw.inference.pipeline import Size, Translated
    from stargan_fw_registry import LabelSpace


FRAMES = 12  # per edit, of an animation
MILLISECONDS = 80  # per frame
QUALITY = 95  # JPEG and WebP
# Endings of files that are written; others are read, too.
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}


class Output(ABC):
    """A way to write the translations of each picture.

    Args:
        edits: the values of `--to`.
        out: the folder, or the file if there is one picture.
        strength: how far to translate, 0 to 1.
        size: whether results have the model's size or the original's.
    """

    def __init__(self, edits: Sequence[str], out: Path, strength: float, size: Size) -> None:
        self.edits, self.out, self.strength, self.size = list(edits), out, strength, size

    @abstractmethod
    def paths(self, relative: Path) -> list[Path]:
        """Returns the files to write for a picture, from its path relative to the input folder."""

    @abstractmethod
    def write(self, translated: Translated, paths: Sequence[Path]) -> None:
        """Writes a picture's translations to its files, each whole or not at all."""

    def targets(self, space: LabelSpace) -> list[Target]:
        """Returns the translations to compute, and raises LabelError if an edit is unknown."""
        return [Target.make(space, edit, None, self.strength) for edit in self.edits]

    def plan(self, files: Sequence[tuple[Path, Path]]) -> dict[Path, list[Path]]:
        """Returns the files to write for every picture.

        Raises:
            RequestError: if two pictures or edits would get the same file, if an input would be overwritten, or if a
                folder cannot be written to.
        """
        plan = {source: self.paths(relative) for source, relative in files}
        shared = Counter(path for paths in plan.values() for path in set(paths))
        for source, relative in files:  # a.jpg and a.png
            if any(shared[path] > 1 for path in plan[source]):
                plan[source] = self.paths(relative.with_name(f"{relative.stem}_{relative.suffix[1:]}{relative.suffix}"))
        if self.out.suffix.lower() in SUFFIXES and not self.out.is_dir():
            plan = {source: self._as_one_file(plan) for source in plan}
        inputs = {source.resolve() for source in plan}
        taken: dict[Path, Path] = {}
        for source, paths in plan.items():
            for path in paths:
                if path.resolve() in inputs:
                    raise DataError(f"'{path}' is read, and would be written over. Name another folder with --out.")
                if taken.setdefault(path, source) != source:
                    raise DataError(f"'{taken[path]}' and '{source}' would both become '{path}'. Translate them apart.")
                if path.is_dir():
                    raise DataError(f"'{path}' is a folder, and a picture would replace it. Name another --out.")
        for folder in dict.fromkeys(path.parent for path in taken):
            check_writable(folder)
        return plan

    def _as_one_file(self, plan: Mapping[Path, Sequence[Path]]) -> list[Path]:
        count = sum(map(len, plan.values()))
        if count > 1:
            raise DataError(f"'{self.out}' names one picture, and {count} will be written. Name a folder with --out.")
        made = next(iter(plan.values()))[0].suffix
        if made == ".gif" != self.out.suffix.lower():
            raise DataError(f"An animation cannot be written to '{self.out}'. End the name in .gif.")
        return [self.out]


class Stills(Output):
    """Pictures without animation."""

    @abstractmethod
    def pictures(self, translated: Translated) -> list[Image.Image]:
        """Returns the picture for each file."""

    def write(self, translated: Translated, paths: Sequence[Path]) -> None:
        for picture, path in zip(self.pictures(translated), paths, strict=True):
            save_picture(picture, path, quality=QUALITY)


class Pictures(Stills):
    """One picture per edit: `OUT/<path>-<edit>.png`."""

    def paths(self, relative: Path) -> list[Path]:
        return [self.out / relative.with_name(f"{relative.stem}-{edit}.png") for edit in _file_names(self.edits)]

    def pictures(self, translated: Translated) -> list[Image.Image]:
        return translated.results(self.size)


class NamedPictures(Pictures):
    """One picture per edit, with the input's name: `OUT/<path>`, or `OUT/<edit>/<path>` if there are several edits."""

    def paths(self, relative: Path) -> list[Path]:
        if relative.suffix.lower() not in SUFFIXES:
            known = ", ".join(sorted(SUFFIXES))
            raise DataError(f"--keep-names: '{relative}' does not end in one of {known}. Rename it, or leave it out.")
        if len(self.edits) == 1:
            return [self.out / relative]
        return [self.out / edit / relative for edit in _file_names(self.edits)]


class Grid(Stills):
    """One picture with the input and all edits side by side: `OUT/<path>-grid.png`."""

    def paths(self, relative: Path) -> list[Path]:
        return [self.out / relative.with_name(f"{relative.stem}-grid.png")]

    def pictures(self, translated: Translated) -> list[Image.Image]:
        row = [translated.input(self.size), *translated.results(self.size)]
        return [draw_sheet([row], ["input", *map(format_heading, self.edits)])]


class Animation(Output):
    """A GIF from the current labels to each edit in turn and back: `OUT/<path>-<edits>.gif`.

    Edits can be mixed if they are of the same datasets. Between others, the GIF returns to the current labels.
    """

    def targets(self, space: LabelSpace) -> list[Target]:
        if len(self.edits) > 1 and self.strength != 1:
            raise LabelError("--gif goes from one edit to the next in full: leave --strength out, or give one --to")
        ups = [self.strength * frame / FRAMES for frame in range(FRAMES)]
        downs = [self.strength * frame / FRAMES for frame in range(FRAMES, 0, -1)]
        frames = [Target.make(space, self.edits[0], None, step) for step in ups]
        for start, to in itertools.pairwise(self.edits):
            if Target.make(space, start).datasets == Target.make(space, to).datasets:
                frames += [Target.make(space, to, start, step) for step in ups]
            else:
                frames += [Target.make(space, start, None, step) for step in downs]
                frames += [Target.make(space, to, None, step) for step in ups]
        return frames + [Target.make(space, self.edits[-1], None, step) for step in downs]

    def paths(self, relative: Path) -> list[Path]:
        edits = "-".join(map(_file_name, self.edits))
        return [self.out / relative.with_name(f"{relative.stem}-{edits}.gif")]

    def write(self, translated: Translated, paths: Sequence[Path]) -> None:
        first, *others = translated.results(self.size)
        save_picture(first, paths[0], save_all=True, append_images=others, duration=MILLISECONDS, loop=0)


def _file_names(edits: Sequence[str]) -> list[str]:
    """Returns each edit as a part of a file name. Different edits get different ones, also if letters' case is ignored."""
    named: dict[str, str] = {}
    taken: set[str] = set()
    for edit in dict.fromkeys(edits):
        name, number = _file_name(edit), 1
        while name.casefold() in taken:
            number += 1
            name = f"{_file_name(edit)}~{number}"
        taken.add(name.casefold())
        named[edit] = name
    return [named[edit] for edit in edits]


def _file_name(edit: str) -> str:
    return re.sub(r"[^\w=,.+-]|\.+$", "_", edit.replace('"', ""))  # Windows drops dots at the end of a folder's name


def image_files(
    paths: Sequence[Path], unreadable: list[DataError] | None = None, out: Path | None = None
) -> Iterator[tuple[Path, Path]]:
    """Yields each picture once, with its path relative to the named folder, or to the part of a glob without wildcards.

    Args:
        paths: files, folders and globs.
        unreadable: gets an error for each picture that cannot be read; None raises the first.
        out: a folder of results, which are not read again.

    Raises:
        DataError: if a picture cannot be read and none may be left out, or a folder or glob has no pictures.
    """
    seen: set[Path] = set()
    for path in paths:
        for file, relative in _find_pictures(path, out):
            if file in seen:
                continue
            seen.add(file)
            why = _why_unreadable(file)
            if why is None:
                yield file, relative
            elif unreadable is None:
                raise DataError(f"The image '{file}' cannot be read: {why}. Name another, or leave it out.")
            elif not is_junk(file.name):
                unreadable.append(
                    DataError(f"The image '{file}' cannot be read: {why}. Name another, or leave it out.")
                )


def _find_pictures(path: Path, out: Path | None) -> list[tuple[Path, Path]]:
    if path.is_dir():
        results = out.resolve() if out and path.resolve() in out.resolve().parents else None
        kept = [
            file
            for file in sorted(path.rglob("*"))
            if not any(map(is_junk, file.relative_to(path).parts)) and results not in file.resolve().parents
        ]
        return _relative_to(kept, path, f"The folder '{path}' holds no pictures")
    if os.path.lexists(path) or not glob.has_magic(str(path)):
        return [(path, Path(path.name))]
    matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))  # noqa: PTH207 - takes absolute ones
    fixed = list(path.parts[: next(i for i, part in enumerate(path.parts) if glob.has_magic(part))])
    return _relative_to(matches, Path(*fixed), f"The glob '{path}' finds no pictures")


def _relative_to(files: list[Path], folder: Path, message: str) -> list[tuple[Path, Path]]:
    """Returns the pictures among files, and says which other files are left out."""
    found = [file for file in files if is_image_name(file.name)]
    others = [file for file in files if _may_be_missed(file)]
    left_out = f"Left out: {describe_no_images(others, folder)}." if others else ""
    if not found:
        raise DataError(f"{message} ({', '.join(sorted(IMAGE_SUFFIXES))}). Name others. {left_out}".rstrip())
    if left_out:
        note(left_out)
    return [(file, file.relative_to(folder)) for file in found]


def _may_be_missed(file: Path) -> bool:
    named = is_junk(file.name) or file.suffix.lower() in IMAGE_SUFFIXES | COMPANIONS
    return not named and not file.is_dir()


def _why_unreadable(file: Path) -> str | None:
    """Reads the header, so that a file that is no picture is known before anything is written."""
    try:
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode):  # a pipe would never end
            return "it is a folder" if stat.S_ISDIR(mode) else "it is no file"
        open_image(file).close()
    except UNREADABLE as error:
        return reason(error)
    return None
