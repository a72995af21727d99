"""Reads the text of tables as Windows, spreadsheets and programs write it: encodings, separators, comments, headers."""

from __future__ import annotations

import codecs
import csv
import io
import re
from typing import TYPE_CHECKING

from stargan_fw.errors import DataError
from stargan_fw_plugins.datasets.column_kinds import IMAGE_NAME
from stargan_fw_plugins.datasets.table_files import read_bytes, table_kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What hardly stands beside a letter in text of Windows in Western Europe, but does if another encoding is read as that.
_RARE = "[\x80-\x9f\u0160\u0161\u017d\u017e\u0192\u02c6\u02dc\u2020-\u2022\u2030\u2039\u203a\u00a1-\u00a8\u00ac-\u00b4\u00b6-\u00b9\u00bc-\u00be]"
STRANGE = re.compile(rf"(?<=[^\W\d_]){_RARE}|{_RARE}(?=[^\W\d_])|\u201d(?=\w)|(?<=\w)[\u201a\u201e]")
LONGEST_CELL = 10**7
DELIMITERS = ",;\t|"
DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")


def read_text(path: Path, encoding: str | None = None) -> tuple[str, list[str]]:
    """Returns a file's text, and notes on how it was read if that is not certain.

    Args:
        path: the file.
        encoding: how it is written; by default, its byte order mark says so, or else UTF-8, UTF-16 or Windows-1252 is
            what fits.

    Raises:
        DataError: the text is in another encoding, or is no text.
    """
    text, notes = _decode(path, encoding)
    if "\ufeff" in text:  # where files with byte order marks were joined
        text = re.sub("(?<=[\r\n])\ufeff+", "", text)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path}, line {line}: not a text: it has zero bytes. Save the table as CSV in UTF-8.")
    return text, notes


def _decode(path: Path, encoding: str | None = None) -> tuple[str, list[str]]:
    data = read_bytes(path)
    if encoding is not None:
        try:
            return data.decode(encoding).removeprefix("\ufeff"), []
        except (UnicodeError, LookupError) as error:
            raise DataError(f'{path}: cannot be read with encoding = "{encoding}": {error}. Name another.') from None
    marked = next((name for mark, name in BYTE_ORDER_MARKS if data.startswith(mark)), None) or _guess_utf_16(data)
    try:
        return data.decode(marked or "utf-8").removeprefix("\ufeff"), []
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        text = data.decode("cp1252", "replace") if marked is None else None
    if text is None or not _is_western(text):
        raise DataError(
            f"{path}, line {line}: not UTF-8 text. Save the table as UTF-8, or name its encoding:"
            " `encoding` takes names such as cp1251, shift_jis, gbk or mac_roman."
        )
    word = next(word for word in re.findall(r"[^ \t\r\n,;|\"]+", text) if not word.isascii())  # of signs as they are
    return text, [f"'{path.name}' is not in UTF-8 and was read as Windows-1252, such as '{word}'"]


def _guess_utf_16(data: bytes) -> str | None:
    """Returns the encoding of UTF-16 without a byte order mark: every other byte of ASCII characters is zero."""
    start = data[:4000]
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if (
            len(start) > 3
            and start[first::2].count(0) > len(start) // 4
            and start[1 - first :: 2].count(0) <= len(start) // 100
        ):
            return name
    return None


def _is_western(text: str) -> bool:
    """Returns whether text that was read as Windows-1252 seems to be just that: single accents in ASCII words."""
    if "\ufffd" in text:
        return False
    odd = [word for word in re.findall(r"[^\W\d_]+|\S+", text) if not word.isascii()]
    accents = sum(not sign.isascii() and sign.isalpha() for word in odd for sign in word)
    letters = sum(sign.isalpha() for word in odd for sign in word)
    return not STRANGE.search(text) and 2 * accents <= max(letters, 1)


class Lines:
    """The rows of a separated text: cells with their line, without comments and empty rows.

    Attributes:
        delimiter: what divides the cells; " " is any number of blanks.
        header: the columns' names, or None if the first row is an image already.
        rows: line number and cells of each row.
        notes: which lines were passed over.
    """

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        lines = re.split("\r\n|\r|\n", text[:200_000], maxsplit=50)
        told = re.fullmatch(r"\s*\"?sep=(.)\"?\s*", lines[0])
        skipped = 1 if told else 0
        comments = []
        while skipped < len(lines) and (not lines[skipped].strip() or lines[skipped].lstrip().startswith("#")):
            comments.append(lines[skipped])
            skipped += 1
        body = lines[skipped : min(len(lines), skipped + 20)]
        titles = 0 if told else _count_titles(body)
        above = [line.strip(DELIMITERS + " ") for line in body[:titles]]
        self.notes = [f"'{line}' above the header of '{path.name}' is a title" for line in above if line]
        skipped, body = skipped + titles, body[titles:]
        self.delimiter = told[1] if told else _find_delimiter(path, body)
        self.rows = list(self._read(text, skipped))
        self.header = self._take_header(comments)
        self._drop_repeated_headers()

    def _read(self, text: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
        quote = "'" if re.match(r"\s*'", text.lstrip("\ufeff")) else '"'
        blanks = self.delimiter == " "
        csv.field_size_limit(LONGEST_CELL)
        source: Iterator[str] = iter(io.StringIO(text, newline=""))
        if blanks:
            source = (" ".join(line.split()) + "\n" for line in source)
        reader = csv.reader(source, delimiter=self.delimiter, quotechar=quote, strict=True, skipinitialspace=True)
        start = width = 0
        try:
            for cells in reader:
                stripped = [cell.strip() for cell in cells]
                if start >= skipped and any(stripped) and not _is_comment(stripped, width):
                    width = width or len(cells)
                    yield start + 1, stripped
                start = reader.line_num
        except csv.Error as error:
            raise DataError(f"{self._path}, line {reader.line_num}: not a table: {error}. Correct the line.") from None

    def _drop_repeated_headers(self) -> None:
        """Leaves out rows that are the header again, as files that were joined have them."""
        kept = [(number, cells) for number, cells in self.rows if cells != self.header]
        if len(kept) < len(self.rows):
            self.notes.append(f"the header of '{self._path.name}' is there {len(self.rows) - len(kept) + 1} times")
            self.rows = kept

    def _take_header(self, comments: Sequence[str]) -> list[str] | None:
        """Takes the header from the rows, or from a comment above them; None if there is none."""
        if not self.rows or any(IMAGE_NAME.fullmatch(cell) for cell in self.rows[0][1]):
            width = len(self.rows[0][1]) if self.rows else 0
            above = comments[-1].lstrip("# \t") if comments else ""
            cells = above.split() if self.delimiter == " " else [cell.strip() for cell in above.split(self.delimiter)]
            return cells if width and len(cells) == width else None
        return self.rows.pop(0)[1]


def _count_titles(lines: Sequence[str]) -> int:
    """Returns how many lines above a header hold one cell, such as a title, while all others hold several."""
    cells = {sign: [[cell for cell in line.split(sign) if cell.strip()] for line in lines] for sign in DELIMITERS}
    if any(len(filled[0]) > 1 and _is_steady(lines, sign) for sign, filled in cells.items() if filled):
        return 0
    for sign, filled in cells.items():
        count = next((number for number, found in enumerate(filled) if len(found) > 1), 0)
        above = [cell for found in filled[:count] for cell in found]
        # A header that another sign divides is no title.
        is_title = not any(other in cell for cell in above for other in DELIMITERS)
        is_header = is_title and not any(map(_is_no_title, [*above, *(filled[count] if filled else ())]))
        if above and is_header and len(lines) > count + 1 and _is_steady(lines[count:], sign):
            return count
    return 0


def _is_steady(lines: Sequence[str], sign: str) -> bool:
    return len({_count(line, sign) for line in lines if line.strip()}) == 1


def _is_no_title(cell: str) -> bool:
    return bool(IMAGE_NAME.fullmatch(cell)) or cell.lstrip().startswith("#")


def _is_comment(cells: Sequence[str], width: int) -> bool:
    """Returns whether a row is a remark. A row of cells may begin with a spreadsheet's `#N/A`, or with a file `#1.png`."""
    return cells[0].startswith("#") and (len(cells) != width or cells[0][1:2].strip() == "")


def _find_delimiter(path: Path, lines: Sequence[str]) -> str:
    """Returns what divides the cells: in a .csv, the sign that is in every line as often, or else often in the first."""
    if table_kind(path) == ".tsv" and any("\t" in line for line in lines[:1]):
        return "\t"
    filled = [line for line in lines if line.strip() and not line.startswith("#")]
    counts = {sign: [_count(line, sign) for line in filled] for sign in DELIMITERS}
    first = {sign: found[0] for sign, found in counts.items() if found and found[0]}
    steady = {sign: count for sign, count in first.items() if len(set(counts[sign])) == 1}
    found = steady or first
    if not found and filled and all(len(line.split()) > 1 for line in filled):
        return " "
    return max(found, key=lambda sign: (found[sign], -DELIMITERS.index(sign)), default=",")


def _count(line: str, sign: str) -> int:
    return re.sub(r'"[^"]*"', "", line).count(sign)
