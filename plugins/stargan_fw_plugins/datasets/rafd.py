"""RaFD: 67 people x 8 expressions x 3 gazes x 5 camera angles (Langner et al., 2010)."""

import itertools
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple

from PIL import Image

from stargan_fw import Crop, Dataset, Example, PortraitSquare, Remark, hookimpl
from stargan_fw.errors import ConfigError, DataError
from stargan_fw.interfaces.dataset import SplitName
from stargan_fw_plugins.datasets.folder_tree import describe_others, read_tree
from stargan_fw_plugins.datasets.rafd_files import (
    ANGLES,
    EXPRESSIONS,
    GAZES,
    PATTERN,
    SPLITS,
    Photo,
    check_level,
    expression_folders,
    find_pictures,
    find_side,
    is_split_by_folder,
    name_people,
    parse_name,
)
from stargan_fw_plugins.face_crop import describe_face_crop, make_face_crop
from stargan_fw_plugins.redrawn_faces import read_seed, redraw, write_seed
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
    seeded_random,
    vary_brightness,
    write_portraits,
)
from stargan_fw_registry import Attribute, Categorical, LabelValue

PAPER_ANGLES = [45, 90, 135]
ALL_EXPRESSIONS = list(EXPRESSIONS)

# Where the head is on a portrait as distributed (681 x 1024), by camera angle. At 0 and 45 degrees the camera sees the
# right side of the face, which looks to the right of the picture. These are estimates with some room around the head:
# look at them with `stargan-fw data check --sheet` before you trust them.
FACE_SQUARES: Mapping[int, PortraitSquare] = {
    0: PortraitSquare(x=0.55, y=0.41, side=0.85),
    45: PortraitSquare(x=0.53, y=0.41, side=0.85),
    90: PortraitSquare(x=0.50, y=0.41, side=0.85),
    135: PortraitSquare(x=0.47, y=0.41, side=0.85),
    180: PortraitSquare(x=0.45, y=0.41, side=0.85),
}

# The published numbering leaves these out.
ABSENT_PEOPLE = frozenset({6, 13, 17, 34, 62, 66})
# The reference implementation expects RaFD cropped to the face at this size.
STAND_IN_SIZE = (256, 256)
# How far the drawn eyes move, in units of the 280 x 280 drawing: about one pixel of an image of 64 pixels.
STAND_IN_GAZES = {"left": -4.0, "frontal": 0.0, "right": 4.0}
# In RaFD's studio hair is kept out of the face, and everybody wears a black T-shirt.
FREE_FOREHEADS = tuple(top for top in LONG_TOPS if top not in FRINGES)
BLACK: Color = (38, 38, 40)


class _Picture(NamedTuple):
    """A picture with its expression, what its name says, and its side of the split, if it has one."""

    path: Path
    expression: str
    photo: Photo | None
    split: SplitName | None = None


class RaFD(Dataset):
    """The Radboud Faces Database, in either of two layouts.

    As distributed, in root or in folders below; it is then split by person. Capitals and endings do not matter, and the
    name may have more before and after, such as `_cropped`:

        root/Rafd090_01_Caucasian_female_angry_frontal.jpg …

    As the reference implementation expects it, already cropped and split (`test_split` becomes "given"):

        root/train/angry/<any name>.jpg …
        root/test/angry/<any name>.jpg …

    The paper crops to the face. Here a portrait, which is a picture at least 1.25 times as high as wide, is cropped to a
    square around the head. Its place depends on the camera angle (`FACE_SQUARES`, fractions of the picture). Other
    pictures, such as those that are cropped already, keep their middle square. A `crop_size` replaces both.

    Args:
        root: the folder above.
        angles: camera angles to take, of 0, 45, 90, 135 and 180 degrees; 90 is frontal, the paper takes the middle
            three. In the second layout files without an angle in their names are always taken.
        gazes: directions of gaze to take, of left, frontal and right. In the second layout files without a gaze in
            their names are always taken.
        expressions: the expressions to learn, in label order; by default all eight. Pictures of others are left out.
        face: "geometry" crops as described above. "detect" crops to the face that OpenCV finds (the extra `faces`), and
            as described above if it finds none. "none" crops to the middle square.

    Raises:
        ConfigError: an angle or gaze is unknown, or a list is empty.
        PluginError: `face` is "detect" and OpenCV is not installed.
    """

    name = "rafd"
    crop_size = None
    test_split: Literal["random", "person", "given"] = "person"
    test_size = 0.1

    def __init__(
        self,
        root: Path,
        *,
        angles: list[int] = PAPER_ANGLES,
        gazes: list[str] = GAZES,
        expressions: list[str] = ALL_EXPRESSIONS,
        face: Literal["geometry", "detect", "none"] = "geometry",
    ) -> None:
        super().__init__(root)
        _check_selection("angles", angles, ANGLES)
        _check_selection("gazes", gazes, GAZES)
        _check_selection("expressions", expressions, EXPRESSIONS)
        self.attributes: Sequence[Attribute] = (Categorical("expression", expressions),)
        self._remarks: list[str] = []
        self.angles = tuple(angles)
        self.gazes = tuple(gazes)
        self.expressions = tuple(expressions)
        self.face = face
        self._crops_by_angle = _make_crops(face)
        if is_split_by_folder(root):
            self.test_split = "given"

    @property
    def own_crops(self) -> str:
        if self.face == "none" or self.crop_size is not None:
            return ""
        place = _describe_squares([FACE_SQUARES[angle] for angle in self.angles])
        return place if self.face == "geometry" else describe_face_crop("detect", place)

    @property
    def remarks(self) -> Sequence[str]:
        return self._remarks

    def examples(self) -> Iterable[Example]:
        """Returns the images of the selected angles, gazes and expressions, sorted by path.

        Raises:
            DataError: the root is missing or one level off, names do not parse, or no image is selected.
        """
        self._remarks = []
        check_level(self.root)
        found = self._split_pictures() if is_split_by_folder(self.root) else self._original_pictures()
        chosen = [picture for picture in found if self._selects(picture)]
        if not chosen:
            raise DataError(self._describe_empty_selection())
        self._say_what_is_missing(found, len(chosen))
        self._remarks += describe_others(read_tree(self.root))
        people = name_people(one.photo.person for one in chosen if one.photo)
        return [
            Example(
                one.path,
                {"expression": one.expression},
                one.photo and people[one.photo.person],
                one.split,
                self._crop(one.photo),
            )
            for one in chosen
        ]

    def _original_pictures(self) -> list[_Picture]:
        photos = {path: parse_name(path) for path in find_pictures(self.root)}
        self._leave_out([path for path, photo in photos.items() if photo is None], len(photos))
        return [_Picture(path, photo.expression, photo) for path, photo in photos.items() if photo]

    def _split_pictures(self) -> list[_Picture]:
        pictures = []
        for split in SPLITS:
            side = find_side(self.root, split)
            for folder in expression_folders(side) if side else ():
                paths = find_pictures(folder)
                pictures += [_Picture(path, folder.name.lower(), parse_name(path), split) for path in paths]
            named = [(path, parse_name(path)) for path in find_pictures(side) if path.parent == side] if side else []
            pictures += [_Picture(path, photo.expression, photo, split) for path, photo in named if photo]
        inside = {picture.path for picture in pictures}
        everything = find_pictures(self.root)
        self._leave_out([path for path in everything if path not in inside], len(everything))
        return pictures

    def _leave_out(self, unknown: Sequence[Path], count: int) -> None:
        """Says which pictures have no expression; DataError unless they may be left out."""
        if not unknown:
            return
        some = ", ".join(str(path.relative_to(self.root)) for path in unknown[:3]) + (", …" if len(unknown) > 3 else "")
        problem = f"the expression of {len(unknown)} of the {count} pictures is not known ({some})"
        if self.on_bad_image == "skip" and len(unknown) < count:
            self._remarks.append(Remark("left out", problem))
            return
        own = any(path.parent.name.lower() in EXPRESSIONS for path in unknown)
        classes = f" Or take the folders for classes: --datasets {self._as_folder}" if own else ""
        skip = f", or leave them out: {self.option('on_bad_image=skip')}" if len(unknown) < count else ""
        ways = f", move them out{skip}" if skip else " or move them out"
        raise DataError(f"{self.root}: {problem}. RaFD's names are {PATTERN}. Rename the pictures{ways}.{classes}")

    @property
    def _as_folder(self) -> str:
        return shlex.quote(f"{self.alias or self.name}=folder:{self.root}")

    def _say_what_is_missing(self, found: Sequence[_Picture], chosen: int) -> None:
        if chosen < len(found):
            others = f"{len(found) - chosen} of the {len(found)} pictures, of other `angles`, `gazes` or `expressions`"
            chosen_values = "; ".join(map(_comma_separated, (self.angles, self.gazes, self.expressions)))
            self._remarks.append(Remark("left out", f"{others} than {chosen_values}"))
        other = [one for one in found if one.photo and one.photo.expression != one.expression]
        if other:
            self._remarks.append(
                f"The folders and the names of {len(other)} of the pictures say different expressions, such as"
                f" '{other[0].path.relative_to(self.root)}'. The folder counts."
            )
        photos = Counter(picture.photo for picture in found if picture.photo)
        again = [photo for photo, count in photos.items() if count > 1]
        if again:
            self._remarks.append(
                f"Repeated: {len(again)} pictures are there in several folders or formats, such as person {again[0].person}, "
                f"{again[0].expression}, {again[0].angle} degrees, looking {again[0].gaze}."
            )
        there = {picture.expression for picture in found if self._selects(picture)}
        missing = [expression for expression in self.expressions if expression not in there]
        if missing:
            choice = ",".join(f'"{expression}"' for expression in self.expressions if expression in there)
            others = self.option(f"expressions=[{choice}]")
            folders = f", or --datasets {self._as_folder}" if is_split_by_folder(self.root) else ""
            self._remarks.append(
                f"No picture is {' or '.join(missing)}: no model can learn it, and a translation to it means nothing."
                f" To leave it out: {others}{folders}"
            )

    def _crop(self, photo: Photo | None) -> Crop | None:
        """Returns how a photo is cropped; a photo without an angle in its name counts as frontal."""
        if self.crop_size is None:
            return self._crops_by_angle.get(photo.angle if photo else 90)
        if self.face == "detect":
            raise ConfigError('rafd: `crop_size` and `face = "detect"` exclude each other. Leave one out.')
        return None

    def _selects(self, picture: _Picture) -> bool:
        photo = picture.photo
        seen = photo is None or (photo.angle in self.angles and photo.gaze in self.gazes)
        return seen and picture.expression in self.expressions

    def _describe_empty_selection(self) -> str:
        photos = [photo for photo in map(parse_name, find_pictures(self.root)) if photo]
        if not photos:
            return f"{self.root}: the folders of expressions hold no images. Put the cropped portraits into them."
        angles = ", ".join(str(angle) for angle in sorted({photo.angle for photo in photos}))
        gazes = ", ".join(sorted({photo.gaze for photo in photos}))
        return (
            f"{self.root}: no image of angles {_comma_separated(self.angles)} and gazes {_comma_separated(self.gazes)}."
            f" It holds the angles {angles} and the gazes {gazes}: set `angles` and `gazes` to some of them."
        )

    def counterfactual(self, example: Example, labels: Mapping[str, LabelValue]) -> Image.Image | None:
        """Draws the same person, gaze and wall with another expression, gender, hair or age; None for a photograph.

        `redraw` says what follows from a change. Another gender wears what everybody wears here.
        """
        seed = read_seed(self.root)
        photo = parse_name(Path(str(example.image)))
        if seed is None or photo is None:
            return None
        person = int(photo.person)
        drawn = _stand_in_portrait(self.root, person, photo.expression, photo.gaze, seed)
        key = ("rafd", seed, "changed", person)
        return redraw(drawn, labels, key, lambda look: _dress_for_studio(look, seeded_random(*key, "top")))

    counterfactual_across = counterfactual

    @classmethod
    def draw_stand_in(cls, root: Path, *, images: int, people: int, seed: int) -> None:  # noqa: ARG003
        """Draws RaFD-like avatars under `root`: people x 8 expressions x 3 gazes, seen from the front, 256 x 256.

        A person has the same skin and hair on every image. Everybody wears a black T-shirt. The gaze moves the eyes.

        Args:
            root: the dataset's folder, which exists and is empty.
            images: not used, since there are 24 images per person.
            people: how many people.
            seed: the same seed writes the same bytes.

        Raises:
            PluginError: the packages that draw are not installed.
        """
        write_portraits(
            [portrait for person in _person_numbers(people) for portrait in _portraits_of(root, person, seed)]
        )
        write_seed(root, seed)


@hookimpl
def register_datasets(register: Callable[[type[Dataset]], None]) -> None:
    register(RaFD)


def _check_selection(key: str, selected: Sequence[object], known: Sequence[object]) -> None:
    if not selected:
        raise ConfigError(f"rafd: `{key}` is empty. Name some of {_comma_separated(known)}, or leave the key out.")
    for value in selected:
        if value not in known:
            raise ConfigError(
                f"rafd: `{key}` names {value!r}, which RaFD does not have. Name some of {_comma_separated(known)}."
            )


def _make_crops(face: Literal["geometry", "detect", "none"]) -> dict[int, Crop | None]:
    if face == "none":
        return {}
    if face == "geometry":
        return dict(FACE_SQUARES)
    return {angle: make_face_crop("detect", square) for angle, square in FACE_SQUARES.items()}


def _describe_squares(squares: Sequence[PortraitSquare]) -> str:
    """Describes the squares that portraits are cropped to, for `own_crops`."""
    place, across = squares[0], sorted({square.x for square in squares})
    return (
        f"of a portrait at least {place.tallness:g} times as high as wide, a square of {place.side:g} of its width around "
        f"the head, at {' to '.join(f'{x:g}' for x in {across[0]: 0, across[-1]: 0})} of the width and {place.y:g} of the "
        "height"
    )


def _comma_separated(values: Sequence[object]) -> str:
    return ", ".join(str(value) for value in values)


def _person_numbers(count: int) -> list[int]:
    """Returns the first `count` numbers of RaFD's people: 1, 2, 3, 4, 5, 7, …."""
    return list(itertools.islice((n for n in itertools.count(1) if n not in ABSENT_PEOPLE), count))


def _portraits_of(root: Path, person: int, seed: int) -> Iterator[Portrait]:
    for expression in EXPRESSIONS:
        for gaze in STAND_IN_GAZES:
            yield _stand_in_portrait(root, person, expression, gaze, seed)


def _stand_in_portrait(root: Path, person: int, expression: str, gaze: str, seed: int) -> Portrait:
    look = _studio_look(seeded_random("rafd", seed, "person", person))
    background = _draw_background(seeded_random("rafd", seed, person, expression, gaze))
    path = root / _format_name(person, look, expression, gaze)
    return Portrait(path, look, expression, background, STAND_IN_SIZE, STAND_IN_GAZES[gaze])


def _studio_look(generator: Random) -> Look:
    """Draws a person as RaFD shows people: in a black T-shirt, without beard and glasses (Langner et al., 2010).

    Hair is kept out of the face, and nobody is old. A joint model has to learn more variety from another dataset.
    """
    look = draw_look(generator)
    hair = look.hair if look.young else generator.choice(YOUNG_HAIR)
    colored = replace(look, hair=hair, hair_color=vary_brightness(generator, HAIR_COLORS[hair], 8))
    return _dress_for_studio(colored, generator)


def _dress_for_studio(look: Look, generator: Random) -> Look:
    return replace(
        look,
        top=generator.choice(SHORT_TOPS if look.male else FREE_FOREHEADS),
        clothes="shirtCrewNeck",
        clothes_color=BLACK,
        facial_hair=None,
        glasses=None,
    )


def _draw_background(generator: Random) -> Color:
    """Draws the nearly white wall of a photo studio."""
    return vary_brightness(generator, (240, 240, 242), 6)


def _format_name(person: int, look: Look, expression: str, gaze: str) -> str:
    origin = "Caucasian" if look.skin_tone < 2 else "Moroccan"
    gender = "male" if look.male else "female"
    return f"Rafd090_{person:02d}_{origin}_{gender}_{expression}_{gaze}.jpg"
