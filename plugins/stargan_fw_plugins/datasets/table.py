"""The dataset `table`: images with their labels in a table."""

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from stargan_fw import Dataset, hookimpl
from stargan_fw.errors import DataError
from stargan_fw_plugins.datasets.columns import ColumnOptions, Records
from stargan_fw_plugins.datasets.labelled_columns import Tabular
from stargan_fw_plugins.datasets.table_reading import find_table, read_table
from stargan_fw_plugins.face_crop import FaceChoice, describe_face_crop, make_face_crop

IMAGE_COLUMNS = ("image", "file_name", "path", "filename")


class Table(Tabular):
    """Images that a table lists: CSV, TSV, JSON lines or parquet, or a folder that holds one.

        file_name,young,species
        images/1.jpg,yes,cat

    Used as `--datasets pets=table:~/pets/labels.csv`. A column with two values that mean yes and no is a binary label, a
    column of other texts a categorical one. Empty cells are unknown. If a column says train and test, `test_split`
    becomes "given".

    Args:
        root: the table, or the folder that holds it.
        image: the column of image paths; by default the first of image, file_name, path and filename.
        labels: the columns to learn, in label order; by default all that have no other use.
        exclusive: groups of columns of which at most one is set, such as `{hair = ["Black_Hair", "Blond_Hair"]}`. If a
            row sets more, the whole group is unknown there.
        values: column → new names of its values, such as `{Male = {"1" = "male", "-1" = "female"}}`; the name "" means
            unknown.
        identity: the column that says who is on an image; by default `identity` or `celeb_id`, if there is one.
        split: the column that says train, val or test; by default `split`, if there is one.
        image_root: the folder that paths are relative to and must not leave; by default the table's folder.
        face: "detect" crops to the face that OpenCV finds (the extra `faces`), or to the middle square if it finds none,
            and `crop_size` is not used; "none" looks for no face.
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
        self.column_options = ColumnOptions(labels, exclusive or {}, values or {}, identity, split)
        self._image = image
        self._image_root = image_root
        self.crop = make_face_crop(face)
        self._face = face

    @property
    def own_crops(self) -> str:
        return describe_face_crop(self._face)

    @property
    def records(self) -> Records:
        return self._table[1]

    @property
    def image_column(self) -> str:
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
        """Returns the images' paths.

        Raises:
            DataError: an image is missing, or its path leads out of the folder.
        """
        path, records = self._table
        root = os.path.abspath(Path(self._image_root).expanduser() if self._image_root else path.parent)  # noqa: PTH100 - does not follow links
        column = self.image_column
        return [_image(root, cell, records.locate(row), column) for row, cell in enumerate(records.read(column))]

    @cached_property
    def _table(self) -> tuple[Path, Records]:
        path = find_table(self.root)
        return path, read_table(path)


@hookimpl
def register_datasets(register: Callable[[type[Dataset]], None]) -> None:
    register(Table)


def _image(root: str, cell: object, place: str, column: str) -> Path:
    location = f"{place}, column {column}"
    if not isinstance(cell, str) or not cell.strip():
        held = "empty" if cell is None or cell == "" else f"a {type(cell).__name__}"
        raise DataError(f"{location}: {held}, but a path of an image is expected. Complete it, or remove the row.")
    path = os.path.normpath(os.path.join(root, cell.strip()))  # noqa: PTH118 - ten times as fast as Path
    # Names are compared and links are not followed: a link inside the folder may lead anywhere.
    if not path.startswith(os.path.join(root, "")):  # noqa: PTH118 - fast, as above
        raise DataError(
            f"{location}: '{cell}' points outside of '{root}'. Move the image there, or name its folder by `image_root`."
        )
    if not os.path.isfile(path):  # noqa: PTH113 - fast, as above
        raise DataError(f"{location}: there is no image '{path}'. Put it there, or name the folder with `image_root`.")
    return Path(path)
