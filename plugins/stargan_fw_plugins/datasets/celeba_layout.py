"""Finds CelebA's files in a folder: as distributed, from Kaggle, as the reference implementation has them, and nested."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from stargan_fw.data.images import is_image_name, is_junk
from stargan_fw_plugins.datasets.celeba_files import stem
from stargan_fw_plugins.datasets.folder_layout import read_split_name
from stargan_fw_plugins.datasets.scaled_crop import SAMPLE
from stargan_fw_plugins.datasets.split_names import sides_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stargan_fw.interfaces.dataset import SplitName

IMAGE_FOLDER = "img_align_celeba"
ATTRIBUTE_FILE = "list_attr_celeba.txt"
IDENTITY_FILE = "identity_CelebA.txt"
PARTITION_FILE = "list_eval_partition.txt"
DEPTH = 4  # of folders below the root that are searched
# In order of preference. Other folders are only looked into if there is none of these.
IMAGE_FOLDERS = (IMAGE_FOLDER, "img_align_celeba_png", "celeba-hq-img", "images", "img", "image", "data")
LARGE_FOLDERS = frozenset(IMAGE_FOLDERS[:3])  # hold no annotations
WILD_FOLDERS = frozenset({"img_celeba"})  # pictures before alignment: the crop of aligned ones would miss the face
ATTRIBUTES = re.compile(r"list_attr_celeba.*\.(txt|csv|tsv)|celebamask-hq-attribute-anno\.txt", re.IGNORECASE)
IDENTITIES = re.compile(r"(list_)?identity_celeba.*\.(txt|csv|tsv)", re.IGNORECASE)
PARTITIONS = re.compile(r"list_eval_partition.*\.(txt|csv|tsv)", re.IGNORECASE)


@dataclass(frozen=True)
class CelebAFiles:
    """Where CelebA's files are; None if there is no such file.

    Attributes:
        root: the dataset's folder.
        attributes: the attribute file.
        identities: the file of people.
        partitions: the file of training, validation and test images.
        rivals: the attribute files of several folders, if none of them is nearer to the root than the others.
    """

    root: Path
    attributes: Path | None
    identities: Path | None
    partitions: Path | None
    rivals: Sequence[Path] = ()

    @classmethod
    def find(cls, root: Path, depth: int = DEPTH) -> CelebAFiles:
        """Searches a folder and those below: `Eval` and the like, if attributes and images lie where they are distributed to."""
        if (root / ATTRIBUTE_FILE).is_file() and (root / IMAGE_FOLDER).is_dir():
            depth = min(depth, 1)
        walked = _walk(root, depth, skipped=LARGE_FOLDERS)
        paths = [os.path.join(folder, name) for folder, names in walked for name in names]  # noqa: PTH118 - fast
        attributes = _first(paths, ATTRIBUTES)
        rivals = _find_rivals(paths, attributes)
        return cls(root, attributes, _first(paths, IDENTITIES), _first(paths, PARTITIONS), rivals)

    def find_images(self, names: Sequence[str]) -> tuple[Path, list[str | None], int]:
        """Returns the folder of the images, the path of each listed one, None if it is absent, and the number of others.

        Images are found by name, or else without their endings: a list says 000001.jpg, and 000001.png is there. Paths are
        strings: making `Path` objects would take as long as everything else in the listing.
        """
        usual = self.root / IMAGE_FOLDER
        if usual.is_dir():
            present = set(os.listdir(usual))  # noqa: PTH208 - strings, as above
            if present.issuperset(names):
                start = os.path.join(usual, "")  # noqa: PTH118 - strings, as above
                unlisted = present.difference(names) if len(present) > len(names) else ()
                return usual, [start + name for name in names], sum(map(is_image_name, unlisted))
        walked = _walk(self.root, DEPTH, skipped=WILD_FOLDERS)
        folders = {folder: [name for name in files if is_image_name(name)] for folder, files in walked}
        best: tuple[int, Path, list[str | None]] = (0, usual, [None] * len(names))
        for trees in _image_trees(self.root, folders):
            for tree in trees:
                paths = _match(names, tree, folders)
                best = max(best, (sum(path is not None for path in paths), Path(tree), paths), key=lambda one: one[0])
            if best[0]:
                break
        count, folder, paths = best
        others = sum(map(len, _below(str(folder), folders).values())) - count if count else 0
        return folder, paths, others

    def sample_images(self) -> list[str]:
        """Returns some of the images, without reading the attribute file."""
        usual = self.root / IMAGE_FOLDER
        folders = _walk(usual if usual.is_dir() else self.root, DEPTH)
        paths = (os.path.join(folder, name) for folder, names in folders for name in names if is_image_name(name))  # noqa: PTH118
        return list(islice(paths, SAMPLE))


def read_sides(folder: Path, paths: Sequence[str]) -> list[SplitName | None]:
    """Returns the side of each image, if the names of the folders below `folder` divide all into both; else nothing."""
    if not paths or os.path.dirname(paths[0]) == str(folder):  # noqa: PTH120 - strings, as above
        return []
    parents = list(map(os.path.dirname, paths))
    kinds = {parent: _split_of(Path(parent).relative_to(folder)) for parent in set(parents)}
    sides = sides_of(kind for kind in kinds.values() if kind)
    side_of: dict[str, SplitName | None] = {parent: sides.get(kind or "") for parent, kind in kinds.items()}
    return [side_of[parent] for parent in parents] if set(side_of.values()) == {"train", "test"} else []


def _split_of(folder: Path) -> str | None:
    return next((kind for part in folder.parts if (kind := read_split_name(part))), None)


def _walk(root: Path, depth: int, skipped: frozenset[str] = frozenset()) -> Iterator[tuple[str, list[str]]]:
    """Yields each folder with its files, the root first, sorted, without what systems leave behind."""
    for folder, folders, files in os.walk(root, followlinks=True):
        level = len(Path(folder).relative_to(root).parts)
        folders[:] = (
            sorted(name for name in folders if not is_junk(name) and name.lower() not in skipped)
            if level < depth
            else []
        )
        yield folder, sorted(name for name in files if not is_junk(name))


def _first(paths: Sequence[str], pattern: re.Pattern[str]) -> Path | None:
    """Returns the path of this name that is nearest to the root; of several, a text file before a table."""
    found = [Path(path) for path in paths if pattern.fullmatch(os.path.basename(path))]  # noqa: PTH119 - fast
    return min(
        found, key=lambda path: (len(path.parts), path.suffix.lower() != ".txt", len(path.name), path), default=None
    )


def _find_rivals(paths: Sequence[str], chosen: Path | None) -> list[Path]:
    """Returns an attribute file per folder of the chosen file's depth, if there are several."""
    found = [Path(path) for path in paths if ATTRIBUTES.fullmatch(os.path.basename(path))]  # noqa: PTH119 - fast
    level = [path for path in found if chosen and len(path.parts) == len(chosen.parts)]
    rivals = list({path.parent: path for path in level}.values())
    return rivals if len(rivals) > 1 else []


def _image_trees(root: Path, folders: Mapping[str, Sequence[str]]) -> tuple[list[str], list[str]]:
    """Returns the folders of the usual names, in order of preference, and all."""
    named = [folder for folder in folders if folder != str(root) and Path(folder).name.lower() in IMAGE_FOLDERS]
    return sorted(named, key=lambda folder: IMAGE_FOLDERS.index(Path(folder).name.lower())), list(folders)


def _below(tree: str, folders: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Returns the folders of a tree, with their images."""
    start = os.path.join(tree, "")  # noqa: PTH118 - strings, as above
    return {folder: files for folder, files in folders.items() if folder == tree or folder.startswith(start)}


def _match(names: Sequence[str], tree: str, folders: Mapping[str, Sequence[str]]) -> list[str | None]:
    exact: dict[str, str] = {}
    without_ending: dict[str, str] = {}
    for folder, files in _below(tree, folders).items():
        start = os.path.join(folder, "")  # noqa: PTH118 - strings, as above
        below = start[len(tree) :].replace(os.sep, "/").lstrip("/")
        for name in files:
            exact.setdefault(below + name, start + name)
            exact.setdefault(name, start + name)
            without_ending.setdefault(stem(name), start + name)
    return [exact.get(name.replace("\\", "/")) or without_ending.get(stem(name)) for name in names]
