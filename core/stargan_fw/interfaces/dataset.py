"""What can be swapped: the interfaces that plugins implement and the values that pass through them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from PIL import Image

    from stargan_fw_registry import Attribute, LabelValue


@dataclass(frozen=True, slots=True)
class Square:
    """A square of an image.

    Attributes:
        left: pixels from the left edge.
        top: pixels from the upper edge.
        side: in pixels.
        note: what a user should know about it, such as "no face is found"; counted and listed.
    """

    left: int
    top: int
    side: int
    note: str = ""

    @classmethod
    def centred(cls, size: tuple[int, int], side: int | None = None) -> Square:
        """Returns the middle of an image of `size`; its side is the image's short one unless a shorter one is given."""
        side = min(side or min(size), *size)
        return cls((size[0] - side) // 2, (size[1] - side) // 2, side)

    @classmethod
    def around(cls, centre: tuple[float, float], side: float, size: tuple[int, int], note: str = "") -> Square:
        """Returns the square around a point in pixels, moved and at last shrunk until an image of `size` holds it."""
        length = max(1, min(round(side), *size))
        left, top = (
            min(max(round(middle - length / 2), 0), most - length) for middle, most in zip(centre, size, strict=True)
        )
        return cls(left, top, length, note)


class Crop(ABC):
    """Finds the square of an image that is kept; `Example.crop` has one.

    The decoded images are kept under a name that holds its `repr`, which must tell apart whatever finds other squares:
    a frozen dataclass does.
    """

    @abstractmethod
    def find(self, image: Image.Image) -> Square | None:
        """Returns the square of an upright RGB image; None leaves it to the dataset's `crop_size`.

        Called from several threads at once.
        """


@dataclass(frozen=True, slots=True)
class PortraitSquare(Crop):
    """A place in portraits, in fractions of the picture; a picture that is no portrait is left alone.

    Attributes:
        x: of the centre, of the width.
        y: of the centre, of the height.
        side: of the width.
        tallness: how many times its width a picture must be high at least.
    """

    x: float
    y: float
    side: float
    tallness: float = 1.25

    def find(self, image: Image.Image) -> Square | None:
        """Returns the place in a portrait."""
        width, height = image.size
        if height < self.tallness * width:
            return None
        return Square.around((self.x * width, self.y * height), self.side * width, image.size)


SplitName: TypeAlias = Literal["train", "test"]


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """An image that is a place in a larger file, such as a cell of a table.

    Attributes:
        name: says where, for messages: "train.parquet, row 7".
        fingerprint: changes whenever the bytes do, and is cheap: a hash or number of the file and the place in it.
        read: returns the encoded bytes (JPEG, PNG, …).
    """

    name: str
    fingerprint: str
    read: Callable[[], bytes]

    def __str__(self) -> str:
        return self.name


ImageSource: TypeAlias = Path | str | EncodedImage
"""An image file, or a place in a larger one."""


@dataclass(frozen=True, slots=True)
class Example:
    """One image of a dataset, before anything is decoded.

    Attributes:
        image: path of the image file, or where its bytes are in a larger one.
        labels: by attribute name; a missing or None label is unknown. A member of an `Exclusive` group is named
            like a binary attribute.
        identity: who is on it, or None; a number becomes a text. Examples of one identity stay on one side of a split
            by person.
        split: the side that the dataset itself gives it, for `test_split = "given"`.
        crop: finds the square that is kept; None is the centre, of the dataset's `crop_size`.
    """

    image: ImageSource
    labels: Mapping[str, LabelValue] = field(default_factory=dict)
    identity: str | None = None
    split: SplitName | None = None
    crop: Crop | None = None

    def __post_init__(self) -> None:
        if self.identity is not None and not isinstance(self.identity, str):
            object.__setattr__(self, "identity", str(self.identity))


class Dataset(ABC):
    """Says where images are, what their labels are, who is on them and how to crop them.

    A subclass needs `name`, `attributes` and `examples()`. Keyword-only parameters of its `__init__` become keys of
    `[datasets.<alias>]` in the configuration; so do the class attributes below. A subclass may also have the method of
    `Counterfactual` or of `DrawsStandIn`.

        class Pets(Dataset):
            name = "pets"
            attributes = [Categorical("species", ["cat", "dog"])]

            def examples(self):
                for path in sorted(self.root.glob("*/*.jpg")):
                    yield Example(image=path, labels={"species": path.parent.name})

    Attributes:
        root: the folder (or file, or id) that holds the data.
        name: what `--datasets` calls it.
        version: of what the plugin makes of the files. Another one has the images decoded anew: raise it when the same
            file would give other pixels, and not with every release.
        attributes: the labels, in the order that they take in the dataset's label vector.
        crop_size: side in pixels of the centre crop before the resize; None crops to the short side.
        test_split: who is held out: `"random"` images, `"person"` (identities), or as `"given"` by the examples.
        test_size: the held-out share (a float below 1) or number (an int) of images or, by person, of people.
        on_contradiction: what to do with an image that has several labels of an exclusive group: an `"error"`, or the
            group counts as `"unknown"` on it.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    attributes: Sequence[Attribute] = ()
    crop_size: int | None = None
    test_split: Literal["random", "person", "given"] = "random"
    test_size: float | int = 0.1
    on_contradiction: Literal["error", "unknown"] = "error"

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def own_crops(self) -> str:
        """Says which square the crops of its examples keep, in words, for those who will use a model trained on them.

        Empty where they have none, and `crop_size` says it all.
        """
        return ""

    @abstractmethod
    def examples(self) -> Iterable[Example]:
        """Yields every example, in an order that does not change from call to call.

        Raises:
            DataError: the root is missing, is the wrong level of the dataset, or an annotation is broken.
        """


@runtime_checkable
class Counterfactual(Protocol):
    """A dataset that can draw its examples with other labels, so that translations can be compared with the truth."""

    def counterfactual(self, example: Example, labels: Mapping[str, LabelValue]) -> Image.Image | None:
        """Returns the true picture of the same example with other labels.

        `stargan-fw evaluate` compares translations with it. Without changes it is the example's own image, pixel by
        pixel, which evaluation checks on one example before it believes the rest.

        Args:
            example: one of `Dataset.examples`.
            labels: the labels that change, named as in `Example.labels`; the others stay, but for what cannot be shown
                together with a change.

        Returns:
            The picture as the image file would be: RGB, before crop and resize. None if nobody can say what it looks
            like, as for a photograph.
        """


@runtime_checkable
class DrawsStandIn(Protocol):
    """A dataset that `stargan-fw data sample` can draw stand-in data for."""

    @classmethod
    def draw_stand_in(cls, root: Path, *, images: int, people: int, seed: int) -> None:
        """Draws stand-in data in the dataset's own layout under `root`.

        Args:
            root: the dataset's folder, existing and empty.
            images: how many images, if the layout counts images.
            people: how many people, if the layout counts people.
            seed: the same seed writes the same bytes.
        """
