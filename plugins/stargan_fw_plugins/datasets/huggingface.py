"""The dataset `huggingface`: images that the library `datasets` of Hugging Face can load."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from stargan_fw import Dataset, hookimpl
from stargan_fw.errors import ConfigError, DataError, closest
from stargan_fw.interfaces import EncodedImage
from stargan_fw.interfaces.dataset import SplitName
from stargan_fw_plugins.datasets.celeba import HAIR_COLORS, PAPER_ATTRIBUTES, SCALED, CelebA
from stargan_fw_plugins.datasets.columns import Annotations
from stargan_fw_plugins.datasets.huggingface_loading import load_splits
from stargan_fw_plugins.datasets.labelled_columns import Tabular
from stargan_fw_plugins.datasets.records import ColumnOptions, Records
from stargan_fw_plugins.datasets.row_filter import filter_rows
from stargan_fw_plugins.datasets.split_names import is_split, resolve_splits
from stargan_fw_plugins.face_crop import FaceChoice, describe_face_crop, make_face_crop

_T = TypeVar("_T")


class RowImage(EncodedImage):
    """The image of a row. In messages its file stands beside the row, if the table names one."""

    __slots__ = ()

    def __str__(self) -> str:
        file = _read_cell(*cast("partial[bytes]", self.read).args)["path"]
        return f"{self.name}: {file}" if file else self.name


class HuggingFace(Tabular):
    """A dataset of the Hugging Face Hub, or local parquet files, an imagefolder, or what `save_to_disk` wrote.

    CelebA from the Hub, as the paper trains on it:

        stargan-fw train --datasets celeba=huggingface:flwrlabs/celeba --set datasets.celeba.recipe=celeba

    A ClassLabel or a column of texts is a categorical label, a column with two values that mean yes and no a binary one,
    and None is unknown. The label of a nested column has the last part of its name. If there are splits for training
    and for tests, `test_split` becomes "given"; without a test split, the validation split is the test split. Images
    are not decoded here: their bytes are read row by row when needed. The library has its own cache (`HF_HOME`).
    The class folders of a local imagefolder are labels beside its metadata file, too, and train/ and test/ never are.

    Args:
        root: the Hub id, folder or parquet file.
        config_name: the dataset's configuration, if it has several.
        revision: the commit, branch or tag on the Hub.
        splits: the splits to read; by default all.
        image: the column of images; by default the only one.
        labels: the columns to learn, in label order; by default all that have no other use.
        exclusive: groups of columns of which at most one is set. If a row sets more, the whole group is unknown there.
        continuous: columns to learn as numbers, each with its least and greatest value, such as `{age = [0, 100]}`; "data" is
            the range of the column's own numbers, rounded outwards.
        values: column → new names of its values, such as `{Male = {"1" = "male", "-1" = "female"}}`; the name "" means
            unknown.
        identity: the column that says who is on an image; by default `identity` or `celeb_id`, if there is one.
        where: keeps the rows for which it holds, such as `expression < 8 and label in [cat, dog]`.
        separator: what divides several labels in one cell, such as "|"; each is yes or no then. Cells with lists of
            texts or of classes are several labels with any separator.
        streaming: reads row by row instead of downloading whole files, and stores the `first` images of each split.
        first: reads only this many images of each split. (The key `limit` bounds the training images of any dataset.)
        recipe: "celeba" sets what the dataset `celeba` has, however the columns are written: the paper's five
            attributes with exclusive hair, a crop of 178 pixels, and 2,000 random images of all splits held out.
        face: "detect" crops to the face that OpenCV finds (the extra `faces`), or to the middle square if it finds none,
            and `crop_size` is not used; "anywhere" also finds people who are small in the picture; "none" looks for no face.

    Raises:
        ConfigError: `first` is below 1, `streaming` is set without `first`, or there is no location.
    """

    name = "huggingface"

    def __init__(
        self,
        root: Path,
        *,
        config_name: str | None = None,
        revision: str | None = None,
        splits: list[str] | None = None,
        image: str | None = None,
        labels: list[str] | None = None,
        exclusive: dict[str, list[str]] | None = None,
        continuous: dict[str, list[float] | Literal["data"]] | None = None,
        values: dict[str, dict[str, str | bool | int]] | None = None,
        identity: str | None = None,
        where: str | None = None,
        separator: str | None = None,
        streaming: bool = False,
        first: int | None = None,
        recipe: Literal["celeba"] | None = None,
        face: FaceChoice = "none",
    ) -> None:
        super().__init__(root)
        _check_first(first, streaming=streaming)
        self.column_options = ColumnOptions(
            labels, exclusive or {}, values or {}, identity, None, separator, continuous or {}
        )
        self._where = where
        self.crop = make_face_crop(face)
        self._face = face
        self._image = image
        self._split_names = splits
        self._load = partial(
            load_splits, root, config_name=config_name, revision=revision, streaming=streaming, first=first
        )
        self._recipe = recipe
        if recipe == CelebA.name:
            self._preset_celeba(labels, exclusive)

    @property
    def own_crops(self) -> str:
        return describe_face_crop(self._face, SCALED.describe() if self._may_scale else "")

    @property
    def _may_scale(self) -> bool:
        return self._recipe == CelebA.name and self.crop_size == CelebA.crop_size and self.fit == "crop"

    def _preset_celeba(self, labels: list[str] | None, exclusive: dict[str, list[str]] | None) -> None:
        labels = PAPER_ATTRIBUTES if labels is None else labels
        hair = [name for name in labels if name in HAIR_COLORS]
        if exclusive is None:
            exclusive = {"hair": hair} if len(hair) > 1 else {}
        self.column_options = replace(self.column_options, labels=labels, exclusive=exclusive)
        self.crop_size = CelebA.crop_size
        self.test_split = CelebA.test_split
        self.test_size = CelebA.test_size

    @cached_property
    def records(self) -> Records:
        return filter_rows(_build_records(self.root, self._splits, self.image_column), self._where)

    @cached_property
    def image_column(self) -> str:
        features = next(iter(self._splits.values())).features
        if self._image is None:
            return _find_image_column(self.root, features)
        if self._image not in features:
            raise DataError(
                f"{self.root}: no column '{self._image}', which `image` names; {closest(self._image, features)}"
            )
        return self._image

    def images(self) -> Sequence[EncodedImage]:
        """Returns readers of the bytes of each row's image, split by split."""
        from datasets import Image  # noqa: PLC0415 - a second that only those who use it wait for

        images: list[RowImage] = []
        for name, split in self._splits.items():
            column = split.select_columns(self.image_column).cast_column(self.image_column, Image(decode=False))
            for row in range(len(split)):
                read = partial(_read_image, column, self.image_column, row)
                images.append(RowImage(_format_location(self.root, name, row), f"{split._fingerprint} {row}", read))  # noqa: SLF001
        images = self._keep(images)
        if self._may_scale and self.crop is None and SCALED.is_needed(images):
            self.crop = SCALED
        return images

    def row_splits(self, annotations: Annotations) -> Sequence[SplitName | None]:
        """Returns "train", "test" or None for each row: what a column says, or else its split."""
        if any(annotations.splits):
            return annotations.splits
        side_of = resolve_splits(self._splits)
        return self._keep([side_of.get(name) for name, split in self._splits.items() for _ in range(len(split))])

    def _keep(self, rows: list[_T]) -> list[_T]:
        """Returns what belongs to the rows that `where` keeps, of something for each row of all splits."""
        kept = self.records.kept
        return rows if kept is None else [rows[row] for row in kept]

    @cached_property
    def _splits(self) -> Mapping[str, Any]:
        """The library's datasets, in its order: training, validation, tests."""
        if self.root.name == self.name and not self.root.exists():
            raise ConfigError("huggingface: no location. Name it, as in --datasets faces=huggingface:user/faces.")
        try:
            loaded = self._load()
        except DataError as error:
            own = f"{self.alias}=" if self.alias not in {"", self.name} else ""
            raise DataError(str(error).replace("ALIAS=", own)) from None
        chosen = _select_splits(self.root, loaded, self._split_names)
        filled = {name: split for name, split in chosen.items() if len(split)}
        if not filled:
            raise DataError(
                f"{self.root}: there are no images. Choose other splits with `splits`, or another location."
            )
        if self._recipe is None:
            _check_sides(self.root, filled)
        return filled


@hookimpl
def register_datasets(register: Callable[[type[Dataset]], None]) -> None:
    register(HuggingFace)


def _check_first(first: int | None, *, streaming: bool) -> None:
    if first is not None and first < 1:
        raise ConfigError(f"huggingface: `first` is {first}. Set a number of images, at least 1.")
    if streaming and first is None:
        raise ConfigError(
            "huggingface: the length of a stream is not known, and training reads every image again and again. Set"
            " `first` to the number of images of each split to store, or leave out `streaming` to load all of them."
        )


def _select_splits(root: Path, loaded: Mapping[str, Any], names: Sequence[str] | None) -> dict[str, Any]:
    """Returns the splits with these names, or all; DataError if one is absent or their columns differ."""
    for name in names or ():
        if name not in loaded:
            raise DataError(f"{root}: no split '{name}', which `splits` names; {closest(name, loaded)}")
    chosen = {name: loaded[name] for name in (names or loaded)}
    features = [split.features for split in chosen.values()]
    if any(other != features[0] for other in features):
        raise DataError(f"{root}: the splits {', '.join(chosen)} differ in their columns. Choose with `splits`.")
    return chosen


def _check_sides(root: Path, splits: Mapping[str, Any]) -> None:
    """Raises DataError if only some of the splits have names that mean training or tests."""
    odd = next((name for name in splits if not is_split(name)), None)
    if odd is not None and any(map(is_split, splits)):
        raise DataError(
            f"{root}: the split '{odd}' is neither for training nor for tests. Choose among {', '.join(splits)} with"
            " `splits`."
        )


def _find_image_column(root: Path, features: Mapping[str, Any]) -> str:
    """Returns the one column of images: a declared one, or else, in plain parquet files, a column of bytes."""
    from datasets import Image, Value  # noqa: PLC0415 - a second that only those who use it wait for

    declared = [name for name, feature in features.items() if isinstance(feature, Image)]
    held = [
        name for name, feature in features.items() if isinstance(feature, dict) and {"bytes", "path"} == feature.keys()
    ]
    plain = [name for name, feature in features.items() if feature in (Value("binary"), Value("large_binary"))]
    found = declared or held or plain
    if len(found) == 1:
        return found[0]
    if not found:
        raise DataError(f"{root}: no column of {', '.join(features)} holds images. Name another location.")
    raise DataError(f"{root}: the columns {', '.join(found)} hold images. Name the one to learn with `image`.")


def _build_records(root: Path, splits: Mapping[str, Any], image: str) -> Records:
    from datasets import ClassLabel  # noqa: PLC0415 - a second that only those who use it wait for

    flat = [split.remove_columns(image).flatten() for split in splits.values()]
    features = flat[0].features
    classes = {name: feature.names for name, feature in features.items() if isinstance(feature, ClassLabel)}
    inner = {name: getattr(feature, "feature", None) for name, feature in features.items()}  # of columns of lists
    lists = {name: feature.names for name, feature in inner.items() if isinstance(feature, ClassLabel)}
    starts = [0, *accumulate(map(len, splits.values()))]

    def read(column: str) -> list[object]:
        cells = [cell for part in flat for cell in part.select_columns(column)[:][column]]
        if column in classes:
            return [_name_class(cell, classes[column]) for cell in cells]
        if column in lists:
            return [cell and [_name_class(part, lists[column]) for part in cell] for cell in cells]
        return cells

    def locate(row: int) -> str:
        index = next(index for index, start in enumerate(starts[1:]) if row < start)
        return _format_location(root, list(splits)[index], row - starts[index])

    return Records(str(root), list(features), starts[-1], read, locate, classes)


def _name_class(number: int | None, names: Sequence[str]) -> str | None:
    return None if number is None or number < 0 else names[number]


def _format_location(root: Path, split: str, row: int) -> str:
    return f"{root}, split {split}, row {row}"


def _read_cell(split: Any, column: str, row: int) -> dict[str, Any]:
    return split[row][column] or {"bytes": None, "path": None}


def _read_image(split: Any, column: str, row: int) -> bytes:
    """Returns an image's bytes, from the table or from a file that the table names."""
    cell = _read_cell(split, column, row)
    if cell["bytes"] is None and cell["path"] is None:
        raise ValueError("there is no image")
    data: bytes | None = cell["bytes"]
    return Path(cell["path"]).read_bytes() if data is None else data
