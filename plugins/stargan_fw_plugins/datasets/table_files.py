"""Finds tables in folders, unpacks them, and says how to convert files that are none."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import shlex
import sys
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from stargan_fw.data.images import is_junk
from stargan_fw.errors import DataError
from stargan_fw_plugins.datasets.location import write_location
from stargan_fw_plugins.datasets.split_names import means_split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

USUAL_NAMES = frozenset({"metadata", "labels"})
# In a folder, the first of these groups that is there is meant: a .txt or .json may be anything.
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
PLAIN_TEXTS = (".txt", ".lst", ".list", ".tab")
OTHERS = (".json", ".feather", ".arrow", ".ipc")
SUFFIXES = (*TABLES, *PLAIN_TEXTS, *OTHERS)
NO_TABLES = re.compile(r"(readme|licen[cs]e|requirements|changelog|copying|notice)\b.*", re.IGNORECASE)
UNPACK: Mapping[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
}
PACKED = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\xfd7zXZ": ".xz", b"PK\x03\x04": ".zip"}
# What pandas needs to read a file, and how it does.
CONVERSIONS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(
        (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"),
        ("python-calamine", "read_excel({}, engine='calamine', dtype=str, na_filter=False)"),
    ),
    ".dta": ("", "read_stata({})"),
    ".sav": ("pyreadstat", "read_spss({})"),
    ".sas7bdat": ("", "read_sas({}, encoding='utf-8')"),
    ".orc": ("pyarrow", "read_orc({})"),
}
KINDS = {"xl/": ".xlsx", "content.xml": ".ods", "Index/Document.iwa": ".numbers"}  # what a .zip of this kind holds


def table_kind(path: Path) -> str:
    """Returns the ending that says how a file is read, ".csv" of faces.csv.gz, or "" if it is no table."""
    name = PurePosixPath(path.name.lower())
    inner = PurePosixPath(name.stem) if name.suffix in PACKED.values() else name
    return inner.suffix if inner.suffix in SUFFIXES else ""


def find_tables(location: Path) -> list[Path]:
    """Returns `location` if it is a table, or the one table in the folder, or those that are called like its splits.

    Raises:
        DataError: there is no table, or several without a usual name.
    """
    if location.is_file():
        if not table_kind(location):
            raise DataError(f"{location}: {_advise(location)}")
        return [location]
    if not location.is_dir():
        raise DataError(f"{location}: no such file or folder. Name the table with --datasets table:FILE.")
    files = sorted(path for path in location.iterdir() if path.is_file() and not is_junk(path.name))
    tables = _choose([path for path in files if table_kind(path)])
    usual = [path for path in tables if path.name.lower().partition(".")[0] in USUAL_NAMES]
    for found in (tables, usual):
        if len(found) == 1:
            return found
    if len(tables) > 1 and len({find_split(path) for path in tables}) == len(tables) and all(map(find_split, tables)):
        return tables
    foreign = next((path for path in files if path.suffix.lower() in {*CONVERSIONS, ".numbers"}), None)
    if foreign is not None and not tables:
        raise DataError(f"{foreign}: {_advise(foreign)}")
    held = f"several tables: {', '.join(path.name for path in tables)}" if tables else f"no {', '.join(SUFFIXES)} file"
    raise DataError(f"{location}: the folder holds {held}. Name the one with --datasets table:FILE.")


def _choose(paths: Sequence[Path]) -> list[Path]:
    """Returns the files of a folder that are most likely its tables."""
    named = [path for path in paths if not NO_TABLES.fullmatch(path.name)] or paths
    for endings in (TABLES, PLAIN_TEXTS, OTHERS):
        found = [path for path in named if table_kind(path) in endings]
        if found:
            return found
    return []


def find_split(path: Path) -> str:
    """Returns the word in a table's name that is one of a split, if there is exactly one: of faces_val.csv, val."""
    found = [word for word in re.findall(r"[^\W_]+", path.name.partition(".")[0]) if means_split(word)]
    return found[0].casefold() if len(found) == 1 else ""


def is_packed(path: Path) -> bool:
    """Returns whether a table has to be unpacked before it is read."""
    return path.suffix.lower() in PACKED.values()


def read_bytes(path: Path) -> bytes:
    """Returns the bytes of a table, unpacked if it is packed, whatever its name says.

    Raises:
        DataError: the file is damaged, or something else than its name says.
    """
    data = path.read_bytes()
    packed = next((kind for mark, kind in PACKED.items() if data.startswith(mark)), "")
    if packed == ".zip":
        _check_zip(path, data)
    try:
        data = _unpack(data, packed) if packed else data
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError, ValueError) as error:
        raise DataError(f"{path}: cannot be unpacked: {error}. Unpack it yourself, and name the table.") from None
    _check_content(path, data)
    return data


def _unpack(data: bytes, kind: str) -> bytes:
    if kind != ".zip":
        return UNPACK[kind](data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(_tables_of(archive)[0])


def _tables_of(archive: zipfile.ZipFile) -> list[str]:
    return [name for name in archive.namelist() if table_kind(Path(name)) and not any(map(is_junk, Path(name).parts))]


def _check_zip(path: Path, data: bytes) -> None:
    """Raises DataError if a zip archive does not hold exactly one table."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names, tables = archive.namelist(), _tables_of(archive)
    except zipfile.BadZipFile as error:
        raise DataError(f"{path}: a damaged zip archive: {error}. Fetch it again.") from None
    kind = next((kind for start, kind in KINDS.items() if any(name.startswith(start) for name in names)), None)
    if kind is not None:
        raise DataError(f"{path}: {_advise(path, kind)}")
    if len(tables) != 1:
        raise DataError(f"{path}: {_advise(path, '.zip')}")


def _check_content(path: Path, data: bytes) -> None:
    """Raises DataError if a file holds something that is no text, or one that stands for another file."""
    start = data[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        raise DataError(f"{path}: {_advise(path, '.xls')}")
    if data.startswith((b"PAR1", b"ARROW1")) and table_kind(path) not in {".parquet", *OTHERS}:
        kind = ".parquet" if data.startswith(b"PAR1") else ".arrow"
        raise DataError(f"{path}: this is no text. Rename it, so that it ends in {kind}.")
    if start.startswith((b"<!doctype html", b"<html")):
        raise DataError(f"{path}: this is a web page, as a download that failed leaves it. Fetch the table again.")
    if start.startswith(b"version https://git-lfs"):
        fetch = f"git -C {shlex.quote(str(path.parent))} lfs pull --include {shlex.quote(path.name)}"
        raise DataError(f"{path}: this is a pointer of Git LFS, not the table. Fetch the table: {fetch}")


def _advise(path: Path, kind: str = "") -> str:
    """Returns what a file is that is no table, and a line that makes one of it."""
    kind = kind or path.suffix.lower()
    python = shlex.quote(sys.executable)
    if kind == ".zip":
        folder = path.with_suffix("")
        unpack = f"{python} -m zipfile -e {shlex.quote(str(path))} {shlex.quote(str(folder))}"
        return (
            f"not one table, but an archive. Unpack it: {unpack} Then use --datasets {write_location('table', folder)}"
        )
    if kind in CONVERSIONS:
        package, call = CONVERSIONS[kind]
        written = path.with_name(f"{path.name}.csv")
        program = f"import pandas; pandas.{call.format(repr(str(path)))}.to_csv({str(written)!r}, index=False)"
        install = f"{python} -m pip install pandas{package and ' '}{package}"
        sheets = "; of several sheets, the first is taken" if "excel" in call else ""
        return (
            f"a {kind} file is not read. Convert it{sheets}: {install} && {python} -c {shlex.quote(program)}"
            f" Then use --datasets {write_location('table', written)}"
        )
    if kind == ".numbers":
        return "not a table. Save it as CSV: in Numbers, File, Export To, CSV."
    return f"not a table. Name a file that ends in {', '.join(SUFFIXES)}."
