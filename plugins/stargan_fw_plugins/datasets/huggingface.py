"""Any images that the datasets library of Hugging Face reads."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

from stargan_fw import Dataset, hookimpl
from stargan_fw.errors import ConfigError, DataError, closest
from stargan_fw.interfaces import EncodedImage
from stargan_fw.interfaces.dataset import SplitName
from stargan_fw_plugins.datasets.celeba import HAIR_COLORS, PAPER_ATTRIBUTES, CelebA
from stargan_fw_plugins.datasets.columns import Choice, Meaning, Records
from stargan_fw_plugins.datasets.given_splits import is_split, sides
from stargan_fw_plugins.datasets.huggingface_loading import load_splits
from stargan_fw_plugins.datasets.tabular import Tabular
from stargan_fw_plugins.face_crop import FaceChoice, face_crop, face_crop_in_words


class HuggingFace(Tabular):
    """A dataset of the Hugging Face Hub, or here: parquet files, an imagefolder, what `save_to_disk` wrote.

    CelebA from the Hub, as the paper trains on it:

        stargan-fw train --datasets celeba=huggingface:flwrlabs/celeba --set datasets.celeba.recipe=celeba

    A ClassLabel or a column of texts makes a categorical label, two values that say yes and no a binary one, None is
    unknown; a nested column is called by its last name. Where there are splits for training and for tests, `test_split`
    becomes "given"; without a test split, validation stands for it. Images are not decoded here: their bytes are read
    row by row when they are wanted. The library keeps what it loads in its own cache (`HF_HOME`).

    Args:
        root: the Hub id, folder or parquet file.
        config_name: the dataset's configuration, where it has several.
        revision: the commit, branch or tag on the Hub.
        splits: the splits to read, all unless told otherwise.
        image: the column of images; the only one unless told otherwise.
        labels: the columns to learn, in label order; all that nothing else speaks for unless told otherwise.
        exclusive: groups of columns of which at most one is set; on rows where more are set, all of them are unknown.
        values: column → what each of its values is called, such as `{Male = {"1" = "male", "-1" = "female"}}`; a
            value called "" is unknown.
        identity: the column that says who is on an image; the column `identity` or `celeb_id`, if
            any, unless told otherwise.
        streaming: reads row by row instead of downloading whole files, and stores what `first` asks for.
        first: reads so many images of each split and no more; the key `limit` bounds the training images of any dataset.
        recipe: "celeba" presets what `celeba` does, whatever the style of the columns: the paper's five attributes
            with exclusive hair, a crop of 178 pixels, 2,000 random images of all splits held out.
        face: "detect" crops to the face that OpenCV finds (the extra `faces`), whatever `crop_size` is, and to the middle
            square where there is none; "none" looks for no face.

    Raises:
        ConfigError: `first` is below 1, a stream without it, or no location.
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
        values: dict[str, dict[str, str | bool | int]] | None = None,
        identity: str | None = None,
        streaming: bool = False,
        first: int | None = None,
        recipe: Literal["celeba"] | None = None,
        face: FaceChoice = "none",
    ) -> None:
        super().__init__(root)
        _check_first(first, streaming=streaming)
        self.choice = Choice(labels, exclusive or {}, values or {}, identity)
        self.crop = face_crop(face)
        self._face = face
        self._image = image
        self._wanted = splits
        self._load = partial(
            load_splits, root, config_name=config_name, revision=revision, streaming=streaming, first=first
        )
        self._recipe = recipe
        if recipe == CelebA.name:
            self._preset_celeba(labels, exclusive)

    @property
    def own_crops(self) -> str:
        return face_crop_in_words(self._face)

    def _preset_celeba(self, labels: list[str] | None, exclusive: dict[str, list[str]] | None) -> None:
        labels = PAPER_ATTRIBUTES if labels is None else labels
        hair = [name for name in labels if name in HAIR_COLORS]
        if exclusive is None:
            exclusive = {"hair": hair} if len(hair) > 1 else {}
        self.choice = Choice(labels, exclusive, self.choice.values, self.choice.identity)
        self.crop_size = CelebA.crop_size
        self.test_split = CelebA.test_split
        self.test_size = CelebA.test_size

    @cached_property
    def records(self) -> Records:
        """The table of all splits, one after the other."""
        return _records(self.root, self._splits, self.image_column)

    @cached_property
    def image_column(self) -> str:
        """The column of images."""
        features = next(iter(self._splits.values())).features
        if self._image is None:
            return _only_image(self.root, features)
        if self._image not in features:
            raise DataError(
                f"{self.root}: no column '{self._image}', which `image` names; {closest(self._image, features)}"
            )
        return self._image

    def images(self) -> Sequence[EncodedImage]:
        """Returns where the images' bytes are, split by split."""
        from datasets import Image  # noqa: PLC0415 - a second that only those who use it wait for

        images = []
        for name, split in self._splits.items():
            column = split.select_columns(self.image_column).cast_column(self.image_column, Image(decode=False))
            for row in range(len(split)):
                read = partial(_read, column, self.image_column, row)
                images.append(EncodedImage(_place(self.root, name, row), f"{split._fingerprint} {row}", read))  # noqa: SLF001
        return images

    def sides(self, meaning: Meaning) -> Sequence[SplitName | None]:
        """Returns the side of each row: its split's, or what a column says."""
        if any(meaning.splits):
            return meaning.splits
        side_of = sides(self._splits)
        return [side_of.get(name) for name, split in self._splits.items() for _ in range(len(split))]

    @cached_property
    def _splits(self) -> Mapping[str, Any]:
        """The library's datasets; training before validation before tests is its own order."""
        if self.root.name == self.name and not self.root.exists():
            raise ConfigError("huggingface: no location. Name it, as in --datasets faces=huggingface:user/faces.")
        loaded = self._load()
        chosen = _chosen(self.root, loaded, self._wanted)
        filled = {name: split for name, split in chosen.items() if len(split)}
        if not filled:
            raise DataError(f"{self.root}: there are no images.")
        if self._recipe is None:
            _check_sides(self.root, filled)
        return filled


@hookimpl
def register_datasets(register: Callable[[type[Dataset]], None]) -> None:
    register(HuggingFace)


def _check_first(first: int | None, *, streaming: bool) -> None:
    if first is not None and first < 1:
        raise ConfigError(f"huggingface: `first` is {first}. It is a number of images, at least 1.")
    if streaming and first is None:
        raise ConfigError(
            "huggingface: a stream has no end that is known, and training reads every image again and again. Set"
            " `first` to the number of images to store of each split, or leave out `streaming` to load all of them."
        )


def _chosen(root: Path, loaded: Mapping[str, Any], wanted: Sequence[str] | None) -> dict[str, Any]:
    """Returns the wanted splits, which have the same columns; DataError otherwise."""
    for name in wanted or ():
        if name not in loaded:
            raise DataError(f"{root}: no split '{name}', which `splits` names; {closest(name, loaded)}")
    chosen = {name: loaded[name] for name in (wanted or loaded)}
    features = [split.features for split in chosen.values()]
    if any(other != features[0] for other in features):
        raise DataError(f"{root}: the splits {', '.join(chosen)} differ in their columns. Choose with `splits`.")
    return chosen


def _check_sides(root: Path, splits: Mapping[str, Any]) -> None:
    """Raises DataError where only some of several splits are known as training or test images."""
    odd = next((name for name in splits if not is_split(name)), None)
    if odd is not None and any(map(is_split, splits)):
        raise DataError(
            f"{root}: the split '{odd}' is neither of training nor of tests. Choose among {', '.join(splits)} with"
            " `splits`."
        )


def _only_image(root: Path, features: Mapping[str, Any]) -> str:
    """Returns the one column that holds images, declared or, in plain parquet files, as bytes."""
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
        raise DataError(f"{root}: no column holds images; there are {', '.join(features)}.")
    raise DataError(f"{root}: the columns {', '.join(found)} hold images. Name the one to learn with `image`.")


def _records(root: Path, splits: Mapping[str, Any], image: str) -> Records:
    from datasets import ClassLabel  # noqa: PLC0415 - a second that only those who use it wait for

    flat = [split.remove_columns(image).flatten() for split in splits.values()]
    features = flat[0].features
    classes = {name: feature.names for name, feature in features.items() if isinstance(feature, ClassLabel)}
    starts = [0, *accumulate(map(len, splits.values()))]

    def read(column: str) -> list[object]:
        cells = [cell for part in flat for cell in part.select_columns(column)[:][column]]
        names = classes.get(column)
        return [None if cell is None or cell < 0 else names[cell] for cell in cells] if names else cells

    def place(row: int) -> str:
        index = next(index for index, start in enumerate(starts[1:]) if row < start)
        return _place(root, list(splits)[index], row - starts[index])

    return Records(str(root), list(features), starts[-1], read, place, classes)


def _place(root: Path, split: str, row: int) -> str:
    return f"{root}, split {split}, row {row}"


def _read(split: Any, column: str, row: int) -> bytes:
    """Returns an image's bytes, which are in the table or in a file that it names."""
    cell = split[row][column]
    if cell is None or (cell["bytes"] is None and cell["path"] is None):
        raise ValueError("there is none")
    data: bytes | None = cell["bytes"]
    return Path(cell["path"]).read_bytes() if data is None else data
