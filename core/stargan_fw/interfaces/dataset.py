"""The interface of datasets, with examples and crops."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from PIL import Image

    from stargan_fw_registry import Attribute, LabelValue


@dataclass(frozen=True, slots=True)
class Square:
    """A square part of an image.

    Attributes:
        left: distance from the left edge, in pixels.
        top: distance from the upper edge, in pixels.
        side: in pixels.
        note: a remark for the user, such as "no face is found". Core counts and lists these.
    """

    left: int
    top: int
    side: int
    note: str = ""

    @classmethod
    def centred(cls, size: tuple[int, int], side: int | None = None) -> Square:
        """Returns the central square of an image of `size`: as large as fits, or of `side` pixels if that is smaller."""
        side = min(side or min(size), *size)
        return cls((size[0] - side) // 2, (size[1] - side) // 2, side)

    @classmethod
    def around(cls, centre: tuple[float, float], side: float, size: tuple[int, int], note: str = "") -> Square:
        """Returns the square around a point in pixels, shrunk and moved so that it lies inside an image of `size`."""
        length = max(1, min(round(side), *size))
        left, top = (
            min(max(round(middle - length / 2), 0), most - length) for middle, most in zip(centre, size, strict=True)
        )
        return cls(left, top, length, note)


class Crop(ABC):
    """Chooses the square of an image to keep; see `Example.crop`.

    The cache of decoded images is named after the crop's `repr`, so crops that choose different squares must have
    different `repr`s. A frozen dataclass does this.

    Attributes:
        name: what `register_crops` registers the crop by; only such crops, which need no arguments, have a name.
    """

    name: ClassVar[str]

    @abstractmethod
    def find(self, image: Image.Image) -> Square | None:
        """Returns the square to keep of an upright RGB image, or None to use the dataset's `crop_size`.

        Several threads call this at once.
        """


@dataclass(frozen=True, slots=True)
class PortraitSquare(Crop):
    """A fixed square in portraits. Other images keep the crop of the dataset's `crop_size`.

    Attributes:
        x: the centre, as a fraction of the width.
        y: the centre, as a fraction of the height.
        side: the side, as a fraction of the width.
        tallness: the least ratio of height to width of a portrait.
    """

    x: float
    y: float
    side: float
    tallness: float = 1.25

    def find(self, image: Image.Image) -> Square | None:
        width, height = image.size
        square = Square.around((self.x * width, self.y * height), self.side * width, image.size)
        return square if height >= self.tallness * width else None


SplitName: TypeAlias = Literal["train", "test"]
Fit: TypeAlias = Literal["crop", "squeeze", "pad"]


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """An image inside a larger file, such as a cell of a table.

    Attributes:
        name: the place, for messages: "train.parquet, row 7".
        fingerprint: a text that changes whenever the bytes do and is cheap, such as a hash of the file plus the row number.
        read: returns the encoded bytes (JPEG, PNG, …).
    """

    name: str
    fingerprint: str
    read: Callable[[], bytes]

    def __str__(self) -> str:
        return self.name


ImageSource: TypeAlias = Path | str | EncodedImage
"""An image file, or an image inside a larger file."""


@dataclass(frozen=True, slots=True)
class Example:
    """One image of a dataset, not decoded yet.

    Attributes:
        image: path of the image file, or an `EncodedImage` inside a larger file.
        labels: values by attribute name. A missing or None label is unknown. A member of an `Exclusive` group is named
            like a binary attribute.
        identity: the person on the image, or None. Numbers are converted to strings. A split by person keeps all
            examples of an identity on the same side.
        split: the side that the dataset's own split assigns, for `test_split = "given"`.
        crop: chooses the square to keep; None keeps the centre, of the dataset's `crop_size`.
    """

    image: ImageSource
    labels: Mapping[str, LabelValue] = field(default_factory=dict)
    identity: str | None = None
    split: SplitName | None = None
    crop: Crop | None = None

    def __post_init__(self) -> None:
        if self.identity is not None and not isinstance(self.identity, str):
            object.__setattr__(self, "identity", str(self.identity))


class Remark(str):
    """A sentence on how a part of the data was read, which is shown in a table before the first step.

    Attributes:
        kind: "inferred" if nobody said how to read the part, or "left out" if it is not learned.
        text: the part and what was made of it, or why: "column 'age': 59 numbers from 18 to 80: amounts, not classes".
        otherwise: how to read it in another way, with a line to paste: "to learn each of the texts: --set …"; or empty.
    """

    __slots__ = ("kind", "otherwise", "text")

    kind: Literal["inferred", "left out"]
    text: str
    otherwise: str

    def __new__(cls, kind: Literal["inferred", "left out"], text: str, otherwise: str = "") -> Self:
        """Makes the sentence of its parts."""
        remark = super().__new__(cls, f"{kind.capitalize()}: {text}{f' ({otherwise})' if otherwise else ''}.")
        remark.kind, remark.text, remark.otherwise = kind, text, otherwise
        return remark

    def __getnewargs__(self) -> tuple[str, str, str]:  # type: ignore[override]
        return self.kind, self.text, self.otherwise  # what a copy is made of


class Dataset(ABC):
    """Lists images with their labels, the people on them and how to crop them.

    A subclass needs `name`, `attributes` and `examples()`. The keyword-only parameters of its `__init__` and the class
    attributes below are keys of `[datasets.<alias>]` in the configuration. A subclass may also implement
    `Counterfactual`, `CounterfactualAcross` or `DrawsStandIn`.

        class Pets(Dataset):
            name = "pets"
            attributes = [Categorical("species", ["cat", "dog"])]

            def examples(self):
                for path in sorted(self.root.glob("*/*.jpg")):
                    yield Example(image=path, labels={"species": path.parent.name})

    Attributes:
        root: the folder (or file, or id) that holds the data.
        alias: the dataset's name in the configuration, which core sets: lines to paste in messages begin with it.
        name: the dataset's name in `--datasets`.
        version: the version of the plugin's image processing. A new version makes core decode all images again, so
            change it only when the same file would give other pixels, not with every release.
        attributes: the labels, in the order of the dataset's label vector.
        crop_size: side in pixels of the centre crop before the resize; None crops to the short side.
        fit: "crop" keeps a square; "squeeze" makes the whole image a square, "pad" keeps its shape and fills up with
            `background`, and neither uses `crop_size`. An example's own crop goes first.
        background: the colour under transparent pixels, by name or as "#rrggbb".
        grey_range: the values that become black and white in grey images of more than 8 bits. None takes the range of
            whole bits, or 0 to 1, that holds all values of the set, or the set's extremes if none does.
        test_split: what to hold out: `"random"` images, all images of some people (`"person"`), or the examples whose
            `split` is "test" (`"given"`).
        test_size: a float below 1 is the share to hold out, an int is the number: of people if `test_split` is
            "person", else of images.
        on_contradiction: what to do if an image has several labels of an exclusive group: raise an `"error"`, or treat
            the group as `"unknown"`.
        on_bad_image: an image that is absent or cannot be read is an `"error"`, or left out (`"skip"`). A dataset that
            knows that images are absent can leave them out and say so in `remarks`.
    """

    name: ClassVar[str]
    alias: str = ""
    version: ClassVar[str] = "1"
    attributes: Sequence[Attribute] = ()
    crop_size: int | None = None
    fit: Fit = "crop"
    background: str = "white"
    grey_range: Sequence[float] | None = None
    test_split: Literal["random", "person", "given"] = "random"
    test_size: float | int = 0.1
    on_contradiction: Literal["error", "unknown"] = "error"
    on_bad_image: Literal["error", "skip"] = "error"

    def __init__(self, root: Path) -> None:
        self.root = root

    def option(self, setting: str) -> str:
        """Returns the option that sets a key of this dataset, for a line to paste: `--set datasets.pets.limit=100`."""
        return f"--set {shlex.quote(f'datasets.{self.alias or self.name}.{setting}')}"

    @property
    def own_crops(self) -> str:
        """Describes in words which square the examples' own crops keep, for users of a model trained on them.

        Empty if examples have no crops of their own, so that `crop_size` describes them all.
        """
        return ""

    @property
    def remarks(self) -> Sequence[str]:
        """Says what a person should know about how the data was read.

        Before the first step, core shows what was inferred or left out (each a `Remark`) in a table, and other sentences
        as warnings. A dataset may have listed its examples to know.
        """
        return ()

    @property
    def found_options(self) -> Mapping[str, Any]:
        """Options with the values that they had to be given from the data, such as a range; a run records and keeps these."""
        return {}

    @abstractmethod
    def examples(self) -> Iterable[Example]:
        """Yields every example, in the same order at each call.

        Raises:
            DataError: if the root is missing or is the wrong folder level, or if an annotation is broken. Several
                problems are one error, by `DataError.of`.
        """


@runtime_checkable
class Counterfactual(Protocol):
    """A dataset that can show its examples with other labels, so that translations can be compared with the truth."""

    def counterfactual(self, example: Example, labels: Mapping[str, LabelValue]) -> Image.Image | None:
        """Returns the true image of the same example with other labels.

        `stargan-fw evaluate` compares translations with this image. With no labels to change, the result must equal the
        example's own image pixel by pixel; evaluation checks this on one example first.

        Args:
            example: one of `Dataset.examples`.
            labels: the labels to change, named as in `Example.labels`. All others keep their values, unless a change
                rules them out.

        Returns:
            The image as its file would hold it: RGB, before crop and resize. None if the truth is unknown, as for
            photographs.
        """


@runtime_checkable
class CounterfactualAcross(Protocol):
    """A dataset that can show its examples with labels of the other datasets of a run, too."""

    def counterfactual_across(self, example: Example, labels: Mapping[str, LabelValue]) -> Image.Image | None:
        """Returns what `Counterfactual.counterfactual` does, with labels of any dataset, named as that dataset names them.

        If `counterfactual` can do that, write `counterfactual_across = counterfactual` in the class. The result is None if
        the dataset does not know one of the labels.
        """


@runtime_checkable
class DrawsStandIn(Protocol):
    """A dataset for which `stargan-fw data sample` can draw stand-in data."""

    @classmethod
    def draw_stand_in(cls, root: Path, *, images: int, people: int, seed: int) -> None:
        """Writes stand-in data under `root`, in the dataset's own file layout.

        Args:
            root: the dataset's folder, which exists and is empty.
            images: number of images, for layouts sized by images.
            people: number of people, for layouts sized by people.
            seed: the same seed writes the same bytes.
        """
