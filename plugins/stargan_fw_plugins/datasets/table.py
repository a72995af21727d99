"""The dataset `table`: images with their labels in a table."""

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Literal

import PIL.Image

from stargan_fw import Dataset, Example, hookimpl
from stargan_fw.config import expand_path
from stargan_fw.errors import DataError
from stargan_fw_plugins.datasets.column_kinds import IMAGE_NAME
from stargan_fw_plugins.datasets.doubts import Doubts, Finding
from stargan_fw_plugins.datasets.image_paths import ImageFolder
from stargan_fw_plugins.datasets.labelled_columns import Tabular
from stargan_fw_plugins.datasets.records import ColumnOptions, Records
from stargan_fw_plugins.datasets.row_filter import filter_rows
from stargan_fw_plugins.datasets.table_files import find_tables
from stargan_fw_plugins.datasets.table_reading import read_tables
from stargan_fw_plugins.datasets.truth_table import TruthTable
from stargan_fw_plugins.face_crop import FaceChoice, describe_face_crop, make_face_crop
from stargan_fw_registry import LabelValue

IMAGE_COLUMNS = ("image", "file_name", "path", "filename")
OTHER_IMAGE_COLUMNS = frozenset(
    [
        "image",
        "images",
        "img",
        "file",
        "files",
        "filename",
        "filepath",
        "path",
        "imagepath",
        "imagefile",
        "imagefilename",
        "imagename",
        "imageid",
        "imgpath",
        "imgname",
        "photo",
        "photos",
        "picture",
        "pictures",
        "face",
        "filelocation",
        "subdirectoryfilepath",
    ]
)
PIXELS = re.compile(r"(\d{1,3}[ ,;]+){60,}\d{1,3}\s*")
LOOKED_AT = 200  # cells that tell what a column holds


class Table(Tabular):
    """Images that a table lists: CSV, TSV, JSON, parquet or Arrow, packed or not, or a folder that holds one.

        file_name,young,species
        images/1.jpg,yes,cat

    Used as `--datasets pets=table:~/pets/labels.csv`. A column with two values that mean yes and no is a binary label, a
    column of other texts a categorical one. Empty cells, and NA, nan, NULL, - and the like, are unknown. Captions, notes,
    numbers of things, dates and columns that never change are left out, and training begins with a table that says so;
    what may be a label or not has to be named in `labels`. If a column says train and test, as `Usage` does with Training
    and PublicTest, `test_split` becomes "given". If a column such as `patient` says who is on each image, it becomes
    "person".

    In a folder with train.csv and test.csv, or names like these, each is a split. Texts are read in UTF-8, UTF-16 or
    Windows-1252, with commas, semicolons, tabs, bars or blanks between the cells; a list of `file label` needs no header. Images that several rows name are one: labels on which these rows disagree are unknown.

    Args:
        root: the table, or the folder that holds it.
        image: the column of image paths; by default the first of image, file_name, path and filename, or the one that
            holds names of images.
        labels: the columns to learn, in label order; by default all that have no other use.
        exclusive: groups of columns of which at most one is set, such as `{hair = ["Black_Hair", "Blond_Hair"]}`. If a
            row sets more, the whole group is unknown there.
        continuous: columns to learn as numbers, each with its least and greatest value, such as `{age = [0, 100]}`; "data" is
            the range of the column's own numbers, rounded outwards.
        values: column → new names of its values, such as `{Male = {"1" = "male", "-1" = "female"}}`; the name "" means
            unknown, and values without a new name keep theirs.
        identity: the column that says who is on an image; by default `identity`, `celeb_id` or one that looks like it.
        split: the column that says train, val or test; by default `split`, or one that says nothing else.
        where: keeps the rows for which it holds, such as `expression < 8 and usage in [train, test]`.
        separator: what divides several labels in one cell, such as "|"; each is yes or no then. An empty cell is unknown:
            `values = {tags = {"" = "|"}}` says that it names none.
        encoding: how a text is written, such as "cp1251"; by default what fits of UTF-8, UTF-16 and Windows-1252.
        image_root: the folder that paths are relative to and must not leave; by default the table's folder.
        face: "detect" crops to the face that OpenCV finds (the extra `faces`), or to the middle square if it finds none,
            and `crop_size` is not used; "anywhere" also finds people who are small in the picture; "none" looks for no face.
        truth: a table of true pictures for `stargan-fw evaluate`, such as one of all pictures with all of their labels; a
            relative path begins at the table's folder. The column of images is called as here.
        truth_columns: the columns of `truth` that tell its pictures apart: what is on a picture, and the labels of all
            datasets, by name. The true picture of an edit has the same values in them, but for the labels that the edit
            changes.
    """

    name = "table"

    def __init__(
        self,
        root: Path,
        *,
        image: str | None = None,
        labels: list[str] | None = None,
        exclusive: dict[str, list[str]] | None = None,
        continuous: dict[str, list[float] | Literal["data"]] | None = None,
        values: dict[str, dict[str, str | bool | int]] | None = None,
        identity: str | None = None,
        split: str | None = None,
        where: str | None = None,
        separator: str | None = None,
        encoding: str | None = None,
        image_root: str | None = None,
        face: FaceChoice = "none",
        truth: str | None = None,
        truth_columns: list[str] | None = None,
    ) -> None:
        super().__init__(root)
        self.column_options = ColumnOptions(
            labels, exclusive or {}, values or {}, identity, split, separator, continuous or {}
        )
        self._where = where
        self._encoding = encoding
        self._image = image
        self._image_root = image_root
        self.crop = make_face_crop(face)
        self._face = face
        self._truth = truth
        self._truth_columns = truth_columns or []

    @property
    def own_crops(self) -> str:
        return describe_face_crop(self._face)

    @cached_property
    def image_column(self) -> str:
        if self._image is not None:
            return self.records.find(self._image, "image")
        self._refuse_images_in_cells()
        usual = next((name for name in IMAGE_COLUMNS if name in self.records.names), None)
        return usual or self._find_image_column()

    def _find_image_column(self) -> str:
        """Returns the column that holds names of images, or one that is called like that."""
        names = self.records.names
        holding = [name for name in names if self._holds(name, IMAGE_NAME)]
        called = [name for name in holding or names if re.sub(r"[^a-z]", "", name.casefold()) in OTHER_IMAGE_COLUMNS]
        for found in (holding, called):
            if len(found) == 1:
                return found[0]
        self._refuse_pixels_in_cells()
        problem = (
            f"the columns {', '.join(holding)} hold names of images"
            if holding
            else (f"no column {', '.join(IMAGE_COLUMNS)}, and none holds names of images")
        )
        line = self._line(image=(holding or ["COLUMN"])[0])
        raise DataError(
            f"{self.records.header}: {problem}. The columns are {', '.join(names[:12])}. If this is no header: write one, such as"
            f" 'image,label', or name the column of image paths: {line}"
        )

    def _holds(self, column: str, pattern: re.Pattern[str]) -> bool:
        """Returns whether most of the first texts of a column match a pattern."""
        cells = [cell for cell in islice(self.records.read(column), LOOKED_AT) if cell is not None and cell != ""]
        return sum(isinstance(cell, str) and bool(pattern.fullmatch(cell)) for cell in cells) * 2 > len(cells)

    def _refuse_images_in_cells(self) -> None:
        """Raises DataError if the images themselves stand in the cells, as files."""
        for name in self.records.names:
            if name.endswith(".bytes") or (name in IMAGE_COLUMNS and self._has_bytes(name)):
                raise DataError(
                    f"{self.records.header}: the column '{name.removesuffix('.bytes')}' holds the images themselves, which"
                    f" another dataset reads. Use --datasets {self.alias or 'NAME'}=huggingface:{self._path}"
                )

    def _has_bytes(self, column: str) -> bool:
        cells = islice(self.records.read(column), LOOKED_AT)
        return any(isinstance(cell, bytes) for cell in cells)

    def _refuse_pixels_in_cells(self) -> None:
        """Raises DataError if the pixels of the images stand in the cells, as numbers."""
        for name in self.records.names:
            if self._holds(name, PIXELS):
                raise DataError(
                    f"{self.records.header}: the column '{name}' holds the pixels of the images as numbers, which are not"
                    f" read. Write the images into files first, with a table beside them: {_conversion(self._path, name, self._encoding)}"
                    f" Then use --datasets {self.alias or 'NAME'}=table:{_converted(self._path)}"
                )

    def _line(self, **settings: object) -> str:
        return Doubts(self.alias or "NAME", self.column_options).line(**settings)

    def examples(self) -> Iterable[Example]:
        self._true_pictures  # noqa: B018 - what is wrong with it is better said now than after the training
        return super().examples()

    def counterfactual(self, example: Example, labels: Mapping[str, LabelValue]) -> PIL.Image.Image | None:
        """Returns the picture that `truth` has of the same thing with other labels of any dataset; None if it has none."""
        if self._true_pictures is None or not isinstance(example.image, Path):
            return None
        return self._true_pictures.picture(example.image, labels)

    counterfactual_across = counterfactual

    @cached_property
    def _true_pictures(self) -> TruthTable | None:
        """Returns the table of true pictures, if one is configured; raises DataError if it is missing or broken."""
        if self._truth is None:
            return None
        table = Table(self._path.parent / expand_path(self._truth), image=self._image, encoding=self._encoding)
        table.alias = self.alias
        return TruthTable(table.records, table.images(), self._truth_columns, self.column_options)

    def images(self) -> Sequence[Path]:
        """Returns the images' paths.

        Raises:
            DataError: an image is missing, or its path leads out of the folder.
        """
        root = Path(expand_path(self._image_root)) if self._image_root else self._path.parent
        absolute = os.path.abspath(root)  # noqa: PTH100 - does not follow links
        folder = ImageFolder(absolute, self.image_column, lambda place: self._line(image_root=place), self._leave_out)
        found = folder.find(self.records)
        self._image_notes = folder.notes
        return found

    def _leave_out(self, cells: Sequence[str]) -> str:
        """Returns a line that leaves out the rows with these cells in the column of images."""
        quoted = ", ".join(f'"{cell}"' for cell in cells)
        column = self.image_column if re.fullmatch(r"\w+", self.image_column) else f"`{self.image_column}`"
        condition = f"{column} not in [{quoted}]"
        return self._line(where=condition if self._where is None else f"{self._where} and {condition}")

    _image_notes: Sequence[str] = ()

    @property
    def findings(self) -> Sequence[Finding]:
        return [*super().findings, *(Finding("role", note) for note in self._image_notes)]

    @cached_property
    def _paths(self) -> list[Path]:
        return find_tables(self.root)

    @property
    def _path(self) -> Path:
        return self._paths[0]

    @cached_property
    def records(self) -> Records:
        return filter_rows(read_tables(self._paths, self._encoding), self._where)


@hookimpl
def register_datasets(register: Callable[[type[Dataset]], None]) -> None:
    register(Table)


def _converted(path: Path) -> Path:
    return path.parent / f"{path.name.partition('.')[0]}-images" / "labels.csv"


def _conversion(path: Path, column: str, encoding: str | None) -> str:
    """Returns a command that writes the pixels in the cells of a table as images, and a table that names them."""
    folder = _converted(path).parent
    named = f",{encoding!r}" if encoding else ""
    program = (
        "import csv,math,os,re;from pathlib import Path;from PIL import Image;"
        "from stargan_fw_plugins.datasets.table_reading import read_table;"
        f"d={str(folder)!r};c={column!r};os.makedirs(d,exist_ok=True);t=read_table(Path({str(path)!r}){named});"
        "n=[k for k in t.names if k!=c];w=csv.writer(open(d+'/labels.csv','w',newline='',encoding='utf-8'));"
        "p=[bytes(map(int,re.findall(r'[0-9]+',x))) for x in t.read(c)];s=[math.isqrt(len(b)) for b in p];"
        "[Image.frombytes('L',(k,k),b).save(f'{d}/{i}.png') for i,(k,b) in enumerate(zip(s,p))];"
        "w.writerows([['image',*n],*zip([f'{i}.png' for i in range(len(p))],*map(t.read,n))])"
    )
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(program)}"
