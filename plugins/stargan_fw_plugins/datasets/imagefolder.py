"""The classes that the folders of a local imagefolder of Hugging Face say, where its library passes them over."""

from __future__ import annotations

import csv
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stargan_fw.data.images import is_junk
from stargan_fw.errors import DataError
from stargan_fw_plugins.datasets.folder_layout import read_layout, read_split_name
from stargan_fw_plugins.datasets.location import write_location

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COLUMN = "label"  # as the library calls the classes of folders


def keep_class_folders(root: Path, splits: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the splits of a folder of image files with a column of their classes.

    The library forgets class folders if there is a metadata file, and takes train/ and test/, or what systems leave behind,
    for classes. Images beside class folders have no class. Other datasets stay as they are.

    Args:
        root: the folder that was loaded.
        splits: split name → `datasets.Dataset`.

    Raises:
        DataError: the folders say which images are for tests in a way that the library does not see.
    """
    files = {name: _image_files(root, split) for name, split in splits.items()}
    if not all(files.values()):
        return dict(splits)
    kept = {name: [row for row, file in enumerate(own) if not any(map(is_junk, file))] for name, own in files.items()}
    splits = {name: _restore_texts(root, split, files[name]) for name, split in splits.items()}
    splits = {
        name: split.select(kept[name]) if len(kept[name]) < len(split) else split for name, split in splits.items()
    }
    folders = {name: [_class_of(files[name][row]) for row in rows] for name, rows in kept.items()}
    _check_sides(root, splits, files)
    classes = sorted({folder for own in folders.values() for folder in own if folder})
    inferred = next(iter(splits.values())).features.get(COLUMN)
    if getattr(inferred, "names", None) == classes:
        return splits
    if hasattr(inferred, "names"):
        splits = {name: split.remove_columns(COLUMN) for name, split in splits.items()}
    loose = not all(map(all, folders.values()))
    described = len(next(iter(splits.values())).column_names) > 1  # by a metadata file
    if len(classes) < 2 or (loose and described) or _only_repeats(splits, folders, classes):
        return splits
    return {name: _add_classes(split, folders[name], classes) for name, split in splits.items()}


def _restore_texts(root: Path, split: Any, files: Sequence[tuple[str, ...]]) -> Any:
    """Returns a split with the texts of metadata.csv that the library has taken for missing values, such as NA for Namibia."""
    from datasets import Value  # noqa: PLC0415 - as below

    order = split.column_names
    texts = [name for name, feature in split.features.items() if feature in (Value("string"), Value("large_string"))]
    columns = {name: split.select_columns(name)[:][name] for name in texts}
    columns = {name: cells for name, cells in columns.items() if None in cells}
    written = _read_metadata(root) if columns else {}
    for name, cells in columns.items():
        restored = [
            written.get(file, {}).get(name) or None if cell is None else cell
            for file, cell in zip(files, cells, strict=True)
        ]
        if restored != cells:
            split = split.remove_columns(name).add_column(name, restored).select_columns(order)
    return split


def _read_metadata(root: Path) -> dict[tuple[str, ...], dict[str, str]]:
    """Returns the cells of each metadata.csv below a folder by the parts of the image's path."""
    rows = {}
    for path in sorted(root.rglob("metadata.csv")):
        with path.open(encoding="utf-8-sig", newline="") as file, suppress(csv.Error):
            for row in csv.DictReader(file):
                below = path.parent.relative_to(root) / (row.get("file_name") or "")
                rows[Path(os.path.normpath(below)).parts] = row  # the name may hold ".."
    return rows


def _image_files(root: Path, split: Any) -> list[tuple[str, ...]]:
    """Returns the parts of each image's path below `root`, or nothing if the images are not all files there."""
    from datasets import Image  # noqa: PLC0415 - a second that only those who use it wait for

    columns = [name for name, feature in split.features.items() if isinstance(feature, Image)]
    if len(columns) != 1:
        return []
    column = split.select_columns(columns).cast_column(columns[0], Image(decode=False))
    first = column[0][columns[0]] if len(split) else None
    if not first or first["bytes"] is not None or not first["path"]:
        return []
    paths = [Path(cell["path"]) if cell and cell["path"] else None for cell in column[:][columns[0]]]
    top = root.resolve()
    below = [path.resolve().parent / path.name for path in paths if path]
    if len(below) < len(paths) or not all(path.is_relative_to(top) for path in below):
        return []
    return [path.relative_to(top).parts for path in below]


def _class_of(parts: Sequence[str]) -> str:
    """Returns the innermost folder of an image that is no side of a split, or ""."""
    return next((part for part in reversed(parts[:-1]) if not read_split_name(part)), "")


def _only_repeats(splits: Mapping[str, Any], folders: Mapping[str, Sequence[str]], classes: Sequence[str]) -> bool:
    """Returns whether folders say nothing new beside a metadata file: they are numbered, or a column says the same."""
    columns = set(next(iter(splits.values())).column_names)
    if len(columns) < 2:
        return False
    named = [folder for own in folders.values() for folder in own]
    for column in columns & {COLUMN, "class", "category"}:
        cells = [str(cell) for split in splits.values() for cell in split.select_columns(column)[:][column]]
        if len(set(zip(cells, named, strict=True))) == len(classes) == len(set(cells)):
            return True
    return all(name.isdigit() for name in classes)


def _add_classes(split: Any, folders: Sequence[str], classes: Sequence[str]) -> Any:
    from datasets import ClassLabel  # noqa: PLC0415 - as above

    name = COLUMN if COLUMN not in split.column_names else "folder"
    numbers = {folder: number for number, folder in enumerate(classes)}
    added = split.add_column(name, [numbers.get(folder) for folder in folders])
    return added.cast_column(name, ClassLabel(names=list(classes)))


def _check_sides(root: Path, splits: Mapping[str, Any], files: Mapping[str, Sequence[Sequence[str]]]) -> None:
    """Raises DataError if the library sees one split where the names of the folders say two."""
    if len(splits) > 1:
        return
    try:
        layout = read_layout(root, None)
    except DataError:
        return
    if None not in layout.sides and len({parts[0] for own in files.values() for parts in own}) > 1:
        raise DataError(
            f"{root}: the names of the folders divide the images into training and tests, which the datasets library does"
            f" not see. Use --datasets {write_location('ALIAS=folder', root)}"
        )
