"""RaFD's file names and folders: as distributed, and as the reference implementation expects them."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from stargan_fw.data.images import is_image_name, is_junk
from stargan_fw.errors import DataError, closest
from stargan_fw_plugins.datasets.folder_layout import read_split_name
from stargan_fw_plugins.datasets.location import suggest_location

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stargan_fw.interfaces.dataset import SplitName

EXPRESSIONS = ("angry", "contemptuous", "disgusted", "fearful", "happy", "neutral", "sad", "surprised")
ANGLES = (0, 45, 90, 135, 180)
GAZES = ["left", "frontal", "right"]
SPLITS: Sequence[SplitName] = ("train", "test")
DEPTH = 4  # of folders below the root that are searched

PATTERN = "Rafd<angle>_<person>_<Caucasian|Moroccan|Kid>_<male|female>_<expression>_<left|frontal|right>"
# People crop and rename the pictures: capitals do not matter, and more may stand before and after.
FILE_NAME = re.compile(
    r"(?<![a-z])Rafd[_ -]*(\d{2,3})[_ -]+(\d+)[_ -]+(?:Caucasian|Moroccan|Kid)[_ -]+(?:male|female)"
    rf"[_ -]+({'|'.join(EXPRESSIONS)})[_ -]+({'|'.join(GAZES)})(?![a-z])",
    re.IGNORECASE,
)


class Photo(NamedTuple):
    """The parts of a file name: camera angle in degrees (90 is frontal), the person's number, expression and gaze."""

    angle: int
    person: str
    expression: str
    gaze: str


def parse_name(path: Path) -> Photo | None:
    """Returns the parts of the file's name; None if it is no name of RaFD's."""
    match = FILE_NAME.search(path.stem)
    if match is None:
        return None
    angle, person, expression, gaze = match.groups()
    return Photo(int(angle), person, expression.lower(), gaze.lower())


def name_people(numbers: Iterable[str]) -> dict[str, str]:
    """Returns the name of each person whose number is given as files write it; 1 and 01 are one person."""
    padded = {number: f"{int(number):02d}" for number in numbers}
    return padded if len(set(padded.values())) < len(padded) else {number: number for number in padded}


def find_pictures(root: Path) -> list[Path]:
    """Returns the pictures in a folder and up to four levels below, the upper levels first, each sorted."""
    found: list[tuple[int, Path]] = []
    for folder, folders, files in os.walk(root, followlinks=True):
        depth = len(Path(folder).relative_to(root).parts)
        folders[:] = [name for name in folders if depth < DEPTH and not is_junk(name)]
        found += [(depth, Path(folder, name)) for name in files if is_image_name(name)]
    return [path for _, path in sorted(found)]


def find_side(root: Path, split: SplitName) -> Path | None:
    """Returns the folder of one side of the split, however it is written."""
    folders = [path for path in sorted(root.iterdir()) if path.is_dir()] if root.is_dir() else []
    exact = (path for path in folders if path.name.lower() == split)
    return next(exact, None) or next((path for path in folders if read_split_name(path.name) == split), None)


def is_split_by_folder(root: Path) -> bool:
    """Returns whether the folder has the layout that the reference implementation expects."""
    return all(find_side(root, split) for split in SPLITS)


def is_rafd(folder: Path) -> bool:
    """Returns whether the folder holds RaFD in either layout."""
    if not folder.is_dir():
        return False
    return is_split_by_folder(folder) or any(parse_name(path) for path in folder.iterdir() if is_image_name(path.name))


def expression_folders(side: Path) -> list[Path]:
    """Returns the folders of one side of the split; DataError if names are no expressions."""
    folders = [path for path in sorted(side.iterdir()) if path.is_dir() and not is_junk(path.name)]
    problems = [
        f"{folder}: '{folder.name}' is not an expression of RaFD. Rename the folder or move it out;"
        f" {closest(folder.name, EXPRESSIONS)}. If these folders are classes of your own: --datasets {shlex.quote(f'rafd=folder:{side.parent}')}"
        for folder in folders
        if folder.name.lower() not in EXPRESSIONS
    ]
    if problems:
        raise DataError.of(problems)
    return folders


def check_level(root: Path) -> None:
    """Raises DataError unless `root` holds RaFD, or JPEGs that may be RaFD's."""
    inside_split = root.name.lower() in SPLITS and is_split_by_folder(root.parent)
    below = [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    if is_split_by_folder(root) or (
        not inside_split and not any(map(is_split_by_folder, below)) and find_pictures(root)
    ):
        return
    if inside_split:
        problem = f"only one side of the split in {root.parent}"
    elif root.is_dir():
        problem = "no images of RaFD"
    else:
        problem = "not a folder" if root.exists() else "no such folder"
    raise DataError(
        f"{root}: {problem}. RaFD's folder holds {PATTERN}.jpg, or train/<expression>/ and test/<expression>/."
        f"{suggest_location('rafd', root, is_rafd)}"
    )
