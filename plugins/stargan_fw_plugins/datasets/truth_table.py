"""A table of true pictures: it lists pictures of the same things with all of their labels."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from PIL import Image

from stargan_fw.errors import DataError
from stargan_fw_plugins.datasets.column_kinds import is_yes_or_no, means_yes
from stargan_fw_plugins.datasets.records import CellTexts, ColumnOptions, as_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from stargan_fw_plugins.datasets.records import Records
    from stargan_fw_registry import LabelValue

    Key = tuple[str, ...]


class TruthTable:
    """Finds the true picture of an edit: the row that differs from the picture's own row in the edited columns alone.

    Args:
        records: the table.
        images: the picture of each row.
        columns: the columns that tell the rows apart: what is on a picture, and its labels. Other columns do not count.
        options: renames values, as in the dataset whose true pictures these are.

    Raises:
        DataError: no column is named, one is missing, or two rows have the same values in all of the columns.
    """

    def __init__(
        self, records: Records, images: Sequence[Path], columns: Sequence[str], options: ColumnOptions
    ) -> None:
        if not columns:
            raise DataError(
                f"{records.header}: `truth` names this table, but nothing says which columns tell its pictures apart. List"
                " what is on a picture and its labels in `truth_columns`, such as "
                f"truth_columns={json.dumps(list(records.names[1:4]))}"
            )
        self._columns = [records.find(column, "truth_columns") for column in columns]
        values = {column: names for column, names in options.values.items() if column in self._columns}
        texts = CellTexts(records, ColumnOptions(values=values))
        cells = [_as_cells(texts.texts(column)) for column in self._columns]
        self._rows: dict[Key, Path] = {}
        self._keys: dict[str, Key] = {}
        for row, (key, image) in enumerate(zip(zip(*cells, strict=True), images, strict=True)):
            if key in self._rows:
                raise DataError(
                    f"{records.locate(row)}: {image} and {self._rows[key]} have the same {', '.join(columns)}. Name a column"
                    " that tells them apart in `truth_columns` too."
                )
            self._rows[key], self._keys[os.path.realpath(image)] = image, key

    def picture(self, image: Path, labels: Mapping[str, LabelValue]) -> Image.Image | None:
        """Returns the true picture of an image with other labels; None if the table has none.

        Args:
            image: the image to change.
            labels: the new values, by column.
        """
        own = self._keys.get(os.path.realpath(image))
        if own is None or not labels.keys() <= set(self._columns):
            return None
        changed = {column: _as_cell(value) for column, value in labels.items()}
        values = dict(zip(self._columns, own, strict=True)) | changed
        found = self._rows.get(tuple(values[column] for column in self._columns))
        if found is None:
            return None
        with Image.open(found) as picture:
            picture.load()
            return picture


def _as_cells(texts: list[str]) -> list[str]:
    """Returns a column with "1" for yes and "0" for no, however they are written."""
    if not is_yes_or_no({text for text in texts if text}):
        return texts
    return [text and _as_cell(means_yes(text)) for text in texts]


def _as_cell(value: LabelValue) -> str:
    return str(int(value)) if isinstance(value, bool) else as_text(value)
