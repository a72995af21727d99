"""RaFD: 67 people x 8 expressions x 3 gazes x 5 camera angles (Langner et al., 2010)."""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple

from PIL import Image

from stargan_fw import Crop, Dataset, Example, PortraitSquare, hookimpl
from stargan_fw.errors import ConfigError, DataError, closest
from stargan_fw.interfaces.dataset import SplitName
from stargan_fw_plugins.datasets.location import advice
from stargan_fw_plugins.face_crop import face_crop, face_crop_in_words
from stargan_fw_plugins.sample_faces import (
    FRINGES,
    HAIR_COLORS,
    LONG_TOPS,
    SHORT_TOPS,
    YOUNG_HAIR,
    Color,
    Look,
    Portrait,
    draw_look,
    private_generator,
    vary,
    write_portraits,
)
from stargan_fw_plugins.stand_in_record import drawn_with, picture, write_record
from stargan_fw_registry import Categorical, LabelValue

EXPRESSIONS = ("angry", "contemptuous", "disgusted", "fearful", "happy", "neutral", "sad", "surprised")
ANGLES = (0, 45, 90, 135, 180)
PAPER_ANGLES = [45, 90, 135]
GAZES = ["left", "frontal", "right"]
SPLITS: Sequence[SplitName] = ("train", "test")
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})

PATTERN = "Rafd<angle>_<person>_<Caucasian|Moroccan|Kid>_<male|female>_<expression>_<left|frontal|right>.jpg"
FILE_NAME = re.compile(
    rf"Rafd(\d{{3}})_(\d+)_(?:Caucasian|Moroccan|Kid)_(?:male|female)_({'|'.join(EXPRESSIONS)})_({'|'.join(GAZES)})"
)

# Where the head is on a portrait as distributed (681 x 1024), by camera angle: 0 and 45 degrees see the right side of a
# face, which then looks to the right of the picture. Estimates with some room around the head, to look at with
# `stargan-fw data check --sheet` before they are trusted.
FACE_SQUARES: Mapping[int, PortraitSquare] = {
    0: PortraitSquare(x=0.55, y=0.41, side=0.85),
    45: PortraitSquare(x=0.53, y=0.41, side=0.85),
    90: PortraitSquare(x=0.50, y=0.41, side=0.85),
    135: PortraitSquare(x=0.47, y=0.41, side=0.85),
    180: PortraitSquare(x=0.45, y=0.41, side=0.85),
}

# The published numbering leaves these out.
ABSENT_PEOPLE = frozenset({6, 13, 17, 34, 62, 66})
# As the reference implementation expects RaFD: cropped to the face.
STAND_IN_SIZE = (256, 256)
# How far the drawn eyes move, in units of the 280 x 280 drawing: with the eyes a pixel or so at 64 pixels.
STAND_IN_GAZES = {"left": -4.0, "frontal": 0.0, "right": 4.0}
# The studio has hair kept out of the face, and black T-shirts.
FREE_FOREHEADS = tuple(top for top in LONG_TOPS if top not in FRINGES)
BLACK: Color = (38, 38, 40)


class Photo(NamedTuple):
    """What a file name says: camera angle in degrees (90 is frontal), the person's number, expression and gaze."""

    angle: int
    person: str
    expression: str
    gaze: str


class RaFD(Dataset):
    """The Radboud Faces Database, in either of two layouts.

    As distributed, directly in root or one folder below, and split by person:

        root/Rafd090_01_Caucasian_female_angry_frontal.jpg …

    As the reference implementation wants it, already cropped and split (`test_split` becomes "given"):

        root/train/angry/<any name>.jpg …
        root/test/angry/<any name>.jpg …

    The paper crops to the face. Here a portrait, a picture a quarter higher than wide or more, is cropped to a square
    around the head, at a place that depends on the camera's angle (`FACE_SQUARES`, fractions of the picture); others,
    such as those that are cropped already, keep their middle square. A `crop_size` replaces all that.

    Args:
        root: the folder above.
        angles: camera angles to take, of 0, 45, 90, 135 and 180 degrees; 90 is frontal, the paper takes the middle
            three. In the second layout it holds for the files whose names say an angle.
        gazes: directions of gaze to take, of left, frontal and right; likewise.
        face: "geometry" crops as said above; "detect" to the face that OpenCV finds (the extra `faces`), and as said
            above where it finds none; "none" to the middle square.

    Raises:
        ConfigError: an unknown angle or gaze, or none.
        PluginError: faces are to be found, and OpenCV is not installed.
    """

    name = "rafd"
    attributes = (Categorical("expression", EXPRESSIONS),)
    crop_size = None
    test_split: Literal["random", "person", "given"] = "person"
    test_size = 0.1

    def __init__(
        self,
        root: Path,
        *,
        angles: list[int] = PAPER_ANGLES,
        gazes: list[str] = GAZES,
        face: Literal["geometry", "detect", "none"] = "geometry",
    ) -> None:
        super().__init__(root)
        _check_selection("angles", angles, ANGLES)
        _check_selection("gazes", gazes, GAZES)
        self.angles = tuple(angles)
        self.gazes = tuple(gazes)
        self.face = face
        self._crops = _crops(face)
        if is_split_by_folder(root):
            self.test_split = "given"

    @property
    def own_crops(self) -> str:
        if self.face == "none" or self.crop_size is not None:
            return ""
        place = _portrait_in_words([FACE_SQUARES[angle] for angle in self.angles])
        return place if self.face == "geometry" else face_crop_in_words("detect", place)

    def examples(self) -> Iterable[Example]:
        """Returns the images of the selected angles and gazes, sorted by path.

        Raises:
            DataError: the root is missing or the wrong level, a name does not parse, or no image is left.
        """
        _check_level(self.root)
        examples = list(self._given_examples() if is_split_by_folder(self.root) else self._original_examples())
        if not examples:
            raise DataError(self._nothing_selected())
        return examples

    def _original_examples(self) -> Iterator[Example]:
        for path in _originals(self.root):
            photo = _parse(path)
            if photo is None:
                raise DataError(
                    f"{path}: the name is not of the form {PATTERN}. Rename the file or move it out of the folder."
                )
            if self._takes(photo):
                yield Example(path, {"expression": photo.expression}, photo.person, crop=self._crop(photo))

    def _given_examples(self) -> Iterator[Example]:
        for split in SPLITS:
            for folder in _expression_folders(self.root / split):
                for path in _visible(folder.iterdir()):
                    photo = _parse(path)
                    if path.suffix.lower() in IMAGE_SUFFIXES and (photo is None or self._takes(photo)):
                        person = photo.person if photo else None
                        yield Example(path, {"expression": folder.name}, person, split, self._crop(photo))

    def _crop(self, photo: Photo | None) -> Crop | None:
        """Returns how a photo is cropped; one whose name says no angle is taken to be seen from the front."""
        if self.crop_size is None:
            return self._crops.get(photo.angle if photo else 90)
        if self.face == "detect":
            raise ConfigError('rafd: `crop_size` and `face = "detect"` exclude each other. Leave one out.')
        return None

    def _takes(self, photo: Photo) -> bool:
        return photo.angle in self.angles and photo.gaze in self.gazes

    def _nothing_selected(self) -> str:
        paths = self.root.rglob("*") if is_split_by_folder(self.root) else _originals(self.root)
        photos = [photo for photo in map(_parse, paths) if photo]
        if not photos:
            return f"{self.root}: the folders of expressions hold no images. Put the cropped portraits into them."
        angles = ", ".join(str(angle) for angle in sorted({photo.angle for photo in photos}))
        gazes = ", ".join(sorted({photo.gaze for photo in photos}))
        return (
            f"{self.root}: no image of angles {_list(self.angles)} and gazes {_list(self.gazes)}."
            f" It holds the angles {angles} and the gazes {gazes}: set `angles` and `gazes` to some of them."
        )

    def counterfactual(self, example: Example, labels: Mapping[str, LabelValue]) -> Image.Image | None:
        """Draws the same person, gaze and wall with another expression, where the data is a stand-in."""
        seed = drawn_with(self.root)
        photo = _parse(Path(str(example.image)))
        if seed is None or photo is None:
            return None
        drawn = _stand_in(self.root, int(photo.person), photo.expression, photo.gaze, seed)
        return picture(replace(drawn, expression=str(labels.get("expression", photo.expression))))

    @classmethod
    def draw_stand_in(cls, root: Path, *, images: int, people: int, seed: int) -> None:  # noqa: ARG003
        """Draws RaFD-like avatars under `root`: people x 8 expressions x 3 gazes, seen from the front, 256 x 256.

        A person keeps skin and hair on every image, and all wear the studio's black T-shirt; the gaze moves the eyes.

        Args:
            root: the dataset's folder, existing and empty.
            images: not used: the people make the number of images.
            people: how many people.
            seed: the same seed writes the same bytes.

        Raises:
            PluginError: the packages that draw are not installed.
        """
        write_portraits([portrait for person in _people(people) for portrait in _stand_ins(root, person, seed)])
        write_record(root, seed)


@hookimpl
def register_datasets(register: Callable[[type[Dataset]], None]) -> None:
    register(RaFD)


def _check_selection(key: str, selected: Sequence[object], known: Sequence[object]) -> None:
    """Raises ConfigError unless the selection names at least one known value."""
    if not selected:
        raise ConfigError(f"rafd: `{key}` is empty. Name some of {_list(known)}, or leave the key out.")
    for value in selected:
        if value not in known:
            raise ConfigError(f"rafd: `{key}` names {value!r}, which RaFD does not have. Known: {_list(known)}.")


def _crops(face: Literal["geometry", "detect", "none"]) -> dict[int, Crop | None]:
    """Returns the crop for each camera angle."""
    if face == "none":
        return {}
    if face == "geometry":
        return dict(FACE_SQUARES)
    return {angle: face_crop("detect", square) for angle, square in FACE_SQUARES.items()}


def _portrait_in_words(squares: Sequence[PortraitSquare]) -> str:
    """Returns where the squares are that are cropped from portraits by the camera's angle."""
    place, across = squares[0], sorted({square.x for square in squares})
    return (
        f"of a portrait, {place.tallness:g} times as high as wide or more, a square of {place.side:g} of its width around "
        f"the head, at {' to '.join(f'{x:g}' for x in {across[0]: 0, across[-1]: 0})} of the width and {place.y:g} of the "
        "height"
    )


def _list(values: Sequence[object]) -> str:
    return ", ".join(str(value) for value in values)


def is_split_by_folder(root: Path) -> bool:
    """Whether the folder is laid out as the reference implementation wants it."""
    return all((root / split).is_dir() for split in SPLITS)


def is_rafd(folder: Path) -> bool:
    """Whether the folder holds RaFD in either layout."""
    return is_split_by_folder(folder) or any(_parse(path) for path in folder.glob("*.jpg"))


def _check_level(root: Path) -> None:
    """Raises DataError unless `root` holds RaFD, or images that may be meant to be it."""
    inside_split = root.name in SPLITS and is_split_by_folder(root.parent)
    if is_split_by_folder(root) or (not inside_split and _originals(root)):
        return
    if inside_split:
        problem = f"only one side of the split in {root.parent}"
    elif root.is_dir():
        problem = "no images of RaFD"
    else:
        problem = "not a folder" if root.exists() else "no such folder"
    raise DataError(
        f"{root}: {problem}. RaFD's folder holds {PATTERN}, or train/<expression>/ and test/<expression>/."
        f"{advice(RaFD.name, root, is_rafd)}"
    )


def _originals(root: Path) -> list[Path]:
    """Returns the JPEGs directly in `root` and one folder below, each level sorted."""
    return [path for pattern in ("*.jpg", "*/*.jpg") for path in _visible(root.glob(pattern))]


def _visible(paths: Iterable[Path]) -> list[Path]:
    """Returns the paths sorted, without those that a system hides, such as `._x.jpg`."""
    return sorted(path for path in paths if not path.name.startswith("."))


def _parse(path: Path) -> Photo | None:
    """Returns what the file's name says, None where it is not one of RaFD's."""
    match = FILE_NAME.fullmatch(path.stem)
    if match is None:
        return None
    angle, person, expression, gaze = match.groups()
    return Photo(int(angle), person, expression, gaze)


def _expression_folders(side: Path) -> list[Path]:
    """Returns the folders of one side of the split; DataError where one is not called like an expression."""
    folders = [path for path in _visible(side.iterdir()) if path.is_dir()]
    for folder in folders:
        if folder.name not in EXPRESSIONS:
            raise DataError(
                f"{folder}: '{folder.name}' is not an expression of RaFD. Rename the folder or move it out;"
                f" {closest(folder.name, EXPRESSIONS)}"
            )
    return folders


def _people(count: int) -> list[int]:
    """Returns the first `count` numbers of RaFD's people: 1, 2, 3, 4, 5, 7, …."""
    return list(itertools.islice((n for n in itertools.count(1) if n not in ABSENT_PEOPLE), count))


def _stand_ins(root: Path, person: int, seed: int) -> Iterator[Portrait]:
    """Yields every portrait of one person."""
    for expression in EXPRESSIONS:
        for gaze in STAND_IN_GAZES:
            yield _stand_in(root, person, expression, gaze, seed)


def _stand_in(root: Path, person: int, expression: str, gaze: str, seed: int) -> Portrait:
    """Returns one portrait of a person."""
    look = _studio_look(private_generator("rafd", seed, "person", person))
    background = _draw_background(private_generator("rafd", seed, person, expression, gaze))
    path = root / _file_name(person, look, expression, gaze)
    return Portrait(path, look, expression, background, STAND_IN_SIZE, STAND_IN_GAZES[gaze])


def _studio_look(generator: Random) -> Look:
    """Draws a person as RaFD shows people: in a black T-shirt, without beard and glasses (Langner et al., 2010).

    Hair is kept out of the face, and nobody is old. So narrow a dataset is what others have to make up for.
    """
    look = draw_look(generator)
    hair = look.hair if look.young else generator.choice(YOUNG_HAIR)
    return replace(
        look,
        hair=hair,
        hair_color=vary(generator, HAIR_COLORS[hair], 8),
        top=generator.choice(SHORT_TOPS if look.male else FREE_FOREHEADS),
        clothes="shirtCrewNeck",
        clothes_color=BLACK,
        facial_hair=None,
        glasses=None,
    )


def _draw_background(generator: Random) -> Color:
    """Draws the nearly white wall of a photo studio."""
    return vary(generator, (240, 240, 242), 6)


def _file_name(person: int, look: Look, expression: str, gaze: str) -> str:
    origin = "Caucasian" if look.skin_tone < 2 else "Moroccan"
    gender = "male" if look.male else "female"
    return f"Rafd090_{person:02d}_{origin}_{gender}_{expression}_{gaze}.jpg"
