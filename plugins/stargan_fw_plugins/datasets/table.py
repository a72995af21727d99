"""Any images whose labels are in a table beside them."""

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from stargan_fw import Dataset, hookimpl
from stargan_fw.errors import DataError
from stargan_fw_plugins.datasets.columns import Choice, Records
from stargan_fw_plugins.datasets.table_files import find_table, read_table
from stargan_fw_plugins.datasets.tabular import Tabular
from stargan_fw_plugins.face_crop import FaceChoice, face_crop, face_crop_in_words

IMAGE_COLUMNS = ("image", "file_name", "path", "filename")


class Table(Tabular):
    """Images that a table lists: CSV, TSV, JSON lines or parquet, or a folder that holds one.

        file_name,young,species
        images/1.jpg,yes,cat

    As in `--datasets pets=table:~/pets/labels.csv`. Two values that say yes and no make a binary label, texts a
    categorical one; what is empty is unknown. Where a column says train and test, `test_split` becomes "given".

    Args:
        root: the table, or the folder that holds it.
        image: the column of image paths; the first of image, file_name, path and filename unless told otherwise.
        labels: the columns to learn, in label order; all that nothing else speaks for unless told otherwise.
        exclusive: groups of columns of which at most one is set, such as `{hair = ["Black_Hair", "Blond_Hair"]}`; on
            rows where more are set, all of them are unknown.
        values: column → what each of its values is called, such as `{Male = {"1" = "male", "-1" = "female"}}`; a
            value called "" is unknown.
        identity: the column that says who is on an image; the column `identity` or `celeb_id`, if
            any, unless told otherwise.
        split: the column that says train, val or test; the column `split`, if any, unless told otherwise.
        image_root: the folder that paths are relative to and must not leave; the table's unless told otherwise.
        face: "detect" crops to the face that OpenCV finds (the extra `faces`), whatever `crop_size` is, and to the middle
            square where there is none; "none" looks for no face.
    """

    name = "table"

    def __init__(
        self,
        root: Path,
        *,
        image: str | None = None,
        labels: list[str] | None = None,
        exclusive: dict[str, list[str]] | None = None,
        values: dict[str, dict[str, str | bool | int]] | None = None,
        identity: str | None = None,
        split: str | None = None,
        image_root: str | None = None,
        face: FaceChoice = "none",
    ) -> None:
        super().__init__(root)
        self.choice = Choice(labels, exclusive or {}, values or {}, identity, split)
        self._image = image
        self._image_root = image_root
        self.crop = face_crop(face)
        self._face = face

    @property
    def own_crops(self) -> str:
        return face_crop_in_words(self._face)

    @property
    def records(self) -> Records:
        """The table."""
        return self._table[1]

    @property
    def image_column(self) -> str:
        """The column of image paths."""
        if self._image is not None:
            return self.records.find(self._image, "image")
        found = next((name for name in IMAGE_COLUMNS if name in self.records.names), None)
        if found is None:
            raise DataError(
                f"{self.records.header}: no column {', '.join(IMAGE_COLUMNS)}. Name the column of image paths with"
                f" `image`; there are {', '.join(self.records.names[:12])}."
            )
        return found

    def images(self) -> Sequence[Path]:
        """Returns the images' paths; DataError where one is missing or points out of its folder."""
        path, records = self._table
        root = os.path.abspath(Path(self._image_root).expanduser() if self._image_root else path.parent)  # noqa: PTH100 - does not follow links
        column = self.image_column
        return [_image(root, cell, records.place(row), column) for row, cell in enumerate(records.read(column))]

    @cached_property
    def _table(self) -> tuple[Path, Records]:
        path = find_table(self.root)
        return path, read_table(path)


@hookimpl
def register_datasets(register: Callable[[type[Dataset]], None]) -> None:
    register(Table)


def _image(root: str, cell: object, place: str, column: str) -> Path:
    where = f"{place}, column {column}"
    if not isinstance(cell, str) or not cell.strip():
        held = "empty" if cell is None or cell == "" else f"a {type(cell).__name__}"
        raise DataError(f"{where}: {held} where an image's path is expected. Complete it, or take out the row.")
    path = os.path.normpath(os.path.join(root, cell.strip()))  # noqa: PTH118 - ten times as fast, on each of 200,000 rows
    # By name: a link inside of the folder may lead where its owner wants it to.
    if not path.startswith(os.path.join(root, "")):  # noqa: PTH118 - likewise
        raise DataError(
            f"{where}: '{cell}' points outside of '{root}'. Move the image there, or name its folder by `image_root`."
        )
    if not os.path.isfile(path):  # noqa: PTH113 - likewise
        raise DataError(f"{where}: there is no image '{path}'. Put it there, or name the folder with `image_root`.")
    return Path(path)
