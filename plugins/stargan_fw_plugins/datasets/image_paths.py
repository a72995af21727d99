"""Finds the images that the cells of a table name, however the paths are written."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote

from stargan_fw.errors import DataError
from stargan_fw_plugins.datasets.column_kinds import IMAGE_NAME
from stargan_fw_plugins.datasets.spellings import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from stargan_fw_plugins.datasets.records import Records

FILE_URL = re.compile(r"file:(//(localhost)?)?(?=/)", re.IGNORECASE)
WEB = re.compile(r"(https?|s3|gs|ftp)://", re.IGNORECASE)
ENCODED = re.compile("%[0-9A-Fa-f]{2}")
MOST_OTHER_ROWS = 5
DRIVE = re.compile(r"[A-Za-z]:")


class ImageFolder:
    """The images below a folder, which the cells of a table name.

    A path is taken as it is written if there is such a file. If some are not there, all files below the folder are listed
    once, and those that are missing are looked up as Windows and other machines write them: with backslashes, from a
    drive or another root, without the folder that holds all of them, without an ending, in other capitals, with accents
    that stand apart from their letters, with %20 for blanks, or as addresses of the web.

    Attributes:
        notes: how paths were read that are not there as they are written.
    """

    def __init__(
        self, root: str, column: str, remedy: Callable[[str], str], leave_out: Callable[[Sequence[str]], str]
    ) -> None:
        self._root = root
        self._column = column
        self._remedy = remedy
        self._leave_out = leave_out
        self.notes: list[str] = []

    def find(self, records: Records) -> list[Path]:
        """Returns the image of each row.

        Raises:
            DataError: images are missing, or paths lead out of the folder.
        """
        cells = records.read(self._column)
        found = [self._find_as_written(cell, records.locate(row)) for row, cell in enumerate(cells)]
        absent = {row: clean(str(cells[row] or "")) for row, path in enumerate(found) if path is None}
        if absent:
            self._refuse_other_rows(absent, records)
            found_otherwise = self._find_otherwise(absent, records)
            return [path or found_otherwise[row] for row, path in enumerate(found)]
        return [path for path in found if path is not None]

    def _find_as_written(self, cell: object, place: str) -> Path | None:
        if cell is None or cell == "":
            return None
        if not isinstance(cell, str):
            raise DataError(
                f"{place}, column {self._column}: a {type(cell).__name__}, but a path of an image is expected. Complete it,"
                " or remove the row."
            )
        path = os.path.normpath(os.path.join(self._root, cell.strip()))  # noqa: PTH118 - ten times as fast as Path
        # Names are compared and links are not followed: a link inside the folder may lead anywhere.
        is_inside = path.startswith(os.path.join(self._root, ""))  # noqa: PTH118 - fast, as above
        return Path(path) if is_inside and "\0" not in path and os.path.isfile(path) else None  # noqa: PTH113 - as above

    def _refuse_other_rows(self, absent: Mapping[int, str], records: Records) -> None:
        """Raises DataError if a few rows name no image, such as one of totals: with a line that leaves them out."""
        others = {row: cell for row, cell in absent.items() if not IMAGE_NAME.fullmatch(cell)}
        empty = [row for row, cell in others.items() if not cell]
        if not empty and (len(others) * 2 > records.rows or len(others) > MOST_OTHER_ROWS):
            return
        row = next(iter(empty or others), None)
        if row is None:
            return
        if others[row].casefold() == self._column.casefold():
            raise DataError(
                f"{records.locate(row)}, column {self._column}: here another table begins, with other columns. Write each"
                " into a file of its own, or all rows below one header."
            )
        held = f"'{others[row]}' is no name of an image" if others[row] else "empty, but a path of an image is expected"
        more = f" {len(others)} rows are like this." if len(others) > 1 else ""
        named = f" Complete it, or leave out {'such rows' if more else 'the row'}"
        if len(set(others.values())) <= MOST_OTHER_ROWS and len(others) < records.rows:
            named += f": {self._leave_out(sorted(set(others.values())))}"
        raise DataError(f"{records.locate(row)}, column {self._column}: {held}.{more}{named}")

    def _find_otherwise(self, absent: Mapping[int, str], records: Records) -> dict[int, Path]:
        """Returns row → image for paths that are not there as they are written."""
        files = _FileIndex(self._root)
        best: dict[int, Path] = {}
        for parts in _split_paths(absent):
            for taken, read in files.readings(list(parts.values())):
                found = {row: path for row, names in parts.items() if (path := read(names)) is not None}
                if len(found) > len(best):
                    best = found
                if len(found) == len(parts):
                    row = next(iter(found))
                    self.notes.append(
                        f"{len(found)} paths are not there as they are written and were read {taken}: '{absent[row]}' as"
                        f" '{found[row].relative_to(self._root)}'"
                    )
                    return found
        row = next(row for row in absent if row not in best)
        self._refuse(absent[row], records.locate(row), len(absent) - len(best))
        raise AssertionError

    def _refuse(self, cell: str, place: str, count: int) -> None:
        location = f"{place}, column {self._column}"
        path = os.path.normpath(os.path.join(self._root, cell))  # noqa: PTH118 - the path as it was tried
        others = f" {count} of the images are missing." if count > 1 else ""
        if not path.startswith(os.path.join(self._root, "")):  # noqa: PTH118 - as above
            raise DataError(
                f"{location}: '{cell}' points outside of '{self._root}'.{others} Move the image there, or name its folder:"
                f" {self._remedy(str(Path(path).parent))}"
            )
        raise DataError(
            f"{location}: there is no image '{path}'.{others} Put it there, or name the folder that the paths start from:"
            f" {self._remedy('FOLDER')}"
        )


class _FileIndex:
    """All files below a folder, by their path in small letters, with and without its ending."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._exact: dict[str, Path] = {}
        self._folded: dict[str, list[Path]] = defaultdict(list)
        self._stems: dict[str, list[Path]] = defaultdict(list)
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for folder, folders, names in os.walk(root):
            folders[:] = [name for name in folders if not name.startswith((".", "@", "__MACOSX"))]
            for name in names:
                if not name.startswith("."):
                    self._add(Path(folder, name))

    def _add(self, path: Path) -> None:
        relative = path.relative_to(self._root).as_posix()
        self._exact[relative] = path
        folded = _fold(relative)
        stem = folded.rpartition(".")[0]
        self._folded[folded].append(path)
        self._stems[stem].append(path)
        self._by_name[folded.rpartition("/")[2]].append(folded)
        self._by_name[stem.rpartition("/")[2]].append(stem)

    def readings(self, paths: Sequence[Sequence[str]]) -> Iterator[tuple[str, Callable[[Sequence[str]], Path | None]]]:
        """Yields ways to read all paths, the most literal first, with what was done."""
        shared = _shared_folders(paths)
        for dropped in range(len(shared) + 1):
            what = f"without '{'/'.join(shared[:dropped])}/'" if dropped else "with the signs of this machine"
            yield what, lambda names, dropped=dropped: self._look_up("/".join(names[dropped:]))  # type: ignore[misc]
        for dropped in range(len(shared) + 1):
            for folder in self._folders_of(_fold("/".join(paths[0][dropped:]))):
                yield (
                    f"below '{folder}'",
                    lambda names, dropped=dropped, folder=folder: self._look_up("/".join([folder, *names[dropped:]])),  # type: ignore[misc]
                )

    def _folders_of(self, path: str) -> list[str]:
        """Returns the folders below the root that hold a path, if they are few."""
        known = self._by_name[path.rpartition("/")[2]]
        folders = sorted({name.removesuffix("/" + path) for name in known if name.endswith("/" + path)})
        return folders if len(folders) == 1 else []

    def _look_up(self, name: str) -> Path | None:
        """Returns the one file with a path: as it is, in other capitals, or without an ending."""
        if name in self._exact:
            return self._exact[name]
        for known in (self._folded, self._stems):
            found = known.get(_fold(name), [])
            if len(found) == 1:
                return found[0]
        return None


def _fold(name: str) -> str:
    """Returns a path in small letters, with each accent in one sign with its letter: macOS writes them apart."""
    return unicodedata.normalize("NFC", name.casefold())


def _split_paths(cells: Mapping[int, str]) -> Iterator[dict[int, list[str]]]:
    """Yields the parts of each path as they are, and with %20 for blanks and the like, if there are such signs."""
    yield {row: _split_path(cell) for row, cell in cells.items()}
    if any(ENCODED.search(cell) for cell in cells.values()):
        yield {row: _split_path(unquote(cell)) for row, cell in cells.items()}


def _split_path(cell: str) -> list[str]:
    """Returns the folders and the name of a path, as Windows, other machines or addresses write it."""
    address = FILE_URL.match(cell)
    text = unquote(cell[address.end() :]) if address else cell
    if WEB.match(text):
        text = unquote(re.split("[?#]", WEB.sub("", text))[0])
    text = DRIVE.sub("", text.strip("\"'").replace("\\", "/").lstrip("/"), count=1)
    parts = PurePosixPath(os.path.normpath(text.lstrip("/"))).parts
    return [] if ".." in parts else list(parts)


def _shared_folders(paths: Sequence[Sequence[str]]) -> list[str]:
    """Returns the folders that all paths begin with."""
    first, depth = paths[0], min(map(len, paths)) - 1
    differing = (level for level in range(depth) if any(path[level] != first[level] for path in paths))
    return list(first[: next(differing, max(depth, 0))])
