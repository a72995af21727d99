"""CelebA: 202,599 aligned faces of 178 x 218 pixels with 40 binary attributes (Liu et al., 2015)."""

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import compress
from pathlib import Path
from typing import Literal, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stargan_fw import Dataset, Example, Remark, hookimpl
from stargan_fw.errors import ConfigError, DataError, closest
from stargan_fw.interfaces.dataset import SplitName
from stargan_fw_plugins.datasets.celeba_files import AttributeFile, is_side, read_side, read_values
from stargan_fw_plugins.datasets.celeba_layout import (
    ATTRIBUTE_FILE,
    IDENTITY_FILE,
    IMAGE_FOLDER,
    CelebAFiles,
    read_sides,
)
from stargan_fw_plugins.datasets.location import suggest_location
from stargan_fw_plugins.datasets.scaled_crop import ScaledSquare
from stargan_fw_plugins.redrawn_faces import read_seed, redraw, write_seed
from stargan_fw_plugins.sample_faces import (
    FRINGES,
    Look,
    Portrait,
    draw_look,
    draw_soft_color,
    seeded_random,
    write_portraits,
)
from stargan_fw_registry import Attribute, Binary, Exclusive, LabelValue

T = TypeVar("T")

IMAGE_SIZE = (178, 218)
SCALED = ScaledSquare(178, *IMAGE_SIZE)

COLUMNS = tuple(
    """
    5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair Blond_Hair
    Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup High_Cheekbones
    Male Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose Receding_Hairline
    Rosy_Cheeks Sideburns Smiling Straight_Hair Wavy_Hair Wearing_Earrings Wearing_Hat Wearing_Lipstick
    Wearing_Necklace Wearing_Necktie Young
    """.split()  # noqa: SIM905 - forty lines otherwise
)
PAPER_ATTRIBUTES = ["Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young"]
HAIR_COLORS = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair")
LABELS: Sequence[LabelValue] = (False, True, None)  # by NO, YES and UNKNOWN
CODES_TOGETHER = 20  # columns of 3 values that make one number of 64 bits beside the number of a group

IMAGES_PER_PERSON = 2


class CelebA(Dataset):
    """CelebA as distributed, and as people have it.

        root/img_align_celeba/000001.jpg …
        root/list_attr_celeba.txt         count, header of 40 names, then file and -1/1 each
        root/identity_CelebA.txt          optional: file and identity
        root/list_eval_partition.txt      optional: file and 0 (train), 1 (validation, trained on) or 2 (test)

    Kaggle's CSV files are read too, and the files may lie in folders below, such as `Anno`, `Eval` and `Img`, `images` or a
    doubly nested `img_align_celeba`. Images are matched without their endings, for the release in PNG. If there is a
    partition, or folders such as train/ and test/, `test_split` becomes "given"; else 2,000 random images are held out. The crop of 178 of 178 x
    218 pixels scales with larger pictures, such as those of CelebA-HQ.

    If two or more hair colours are selected, they are exclusive. All other attributes are binary. On the few images with
    two hair colours the hair is unknown (`on_contradiction`); their other labels stay.

    Args:
        root: the folder above.
        attributes: which attributes of the file to learn, in label order; by default the paper's five. A file of one's
            own that has none of CelebA's attributes is learned whole by default.

    Raises:
        ConfigError: an attribute is unknown or named twice, or none is selected.
    """

    name = "celeba"
    crop_size = 178
    test_split: Literal["random", "person", "given"] = "random"
    test_size = 2000
    on_contradiction = "unknown"

    def __init__(self, root: Path, *, attributes: list[str] = PAPER_ATTRIBUTES) -> None:
        super().__init__(root)
        self.files = CelebAFiles.find(root)
        columns = AttributeFile.read_columns(self.files.attributes) if self.files.attributes else ()
        if attributes == PAPER_ATTRIBUTES and columns and not set(COLUMNS).intersection(columns):
            attributes = list(columns)
        _check_selection(attributes, columns)
        self.selected = tuple(attributes)
        self.attributes: Sequence[Attribute] = _build_attributes(self.selected, _select_hair_group(self.selected))
        self._remarks: list[str] = []
        if self.files.partitions:
            self.test_split = "given"

    @property
    def remarks(self) -> Sequence[str]:
        return self._remarks

    @property
    def own_crops(self) -> str:
        return SCALED.describe() if self._scales(self.files.sample_images()) else ""

    def examples(self) -> Iterable[Example]:
        """Returns every image of the attribute file, in its order.

        Raises:
            DataError: the root is missing or one level off, an annotation file is broken or lacks a selected attribute,
                or listed images are absent.
        """
        self._remarks = []
        attributes = _require_attributes(self.files)
        names, values = AttributeFile(attributes, dataset=self.alias or self.name).read(self.selected)
        people, sides = self._read_people(names), self._read_partitions(names)
        labels = self._labels(values)
        folder, paths, others = self.files.find_images(names)
        if others:
            self._remarks.append(
                Remark("left out", f"{others} images in {folder} that {attributes.name} does not list")
            )
        if None in paths:
            here = [path is not None for path in paths]
            absent = list(compress(names, (path is None for path in paths)))
            self._leave_out(absent, names, folder)
            people, sides, labels = _keep(people, here), _keep(sides, here), _keep(labels, here)
        present = [path for path in paths if path is not None] if None in paths else cast("list[str]", paths)
        crop = SCALED if self._scales(present) else None
        rows = zip(present, labels, people, self._choose_sides(sides, present, folder), strict=True)
        return [Example(path, shown, person, side, crop) for path, shown, person, side in rows]

    def _scales(self, images: Sequence[str]) -> bool:
        return self.crop_size == CelebA.crop_size and self.fit == "crop" and SCALED.is_needed(images)

    def _labels(self, values: NDArray[np.int8]) -> Iterable[Mapping[str, LabelValue]]:
        """Returns the labels of each image; images with equal labels share one mapping."""
        first, group_of = _group_rows(values)
        labels = [{name: LABELS[code] for name, code in zip(self.selected, row, strict=True)} for row in values[first]]
        return map(labels.__getitem__, group_of.tolist())

    def _read_people(self, names: Sequence[str]) -> Sequence[str | None]:
        return self._read(self.files.identities, names, bool, "a file name and an identity")

    def _read_partitions(self, names: Sequence[str]) -> Sequence[str | None]:
        sides = self._read(self.files.partitions, names, is_side, "a file name and one of 0, 1, 2")
        meanings: Mapping[str | None, str | None] = {side: read_side(side) for side in set(sides) if side}
        return list(map(meanings.get, sides))

    def _read(
        self, path: Path | None, names: Sequence[str], check: Callable[[str], bool], expected: str
    ) -> Sequence[str | None]:
        if path is None:
            return [None] * len(names)
        values = read_values(path, names, check, expected)
        unlisted = values.count(None)
        if unlisted:
            count = "none" if unlisted == len(names) else f"{len(names) - unlisted}"
            self._remarks.append(f"{path} lists {count} of the {len(names)} images.")
        return values

    def _choose_sides(
        self, sides: Sequence[str | None], paths: Sequence[str], folder: Path
    ) -> Sequence[SplitName | None]:
        """Returns the sides of the split, and holds random images out if the partition has no test image that is here."""
        by_folder = self._read_folders(paths, folder)
        if by_folder:
            return by_folder
        if self.test_split != "given":
            return [None] * len(sides)
        present = set(sides) - {None}
        test = "test" if "test" in present else "validation"
        if test not in present or present == {test}:
            self.test_split = CelebA.test_split
            self._remarks.append(f"{self.files.partitions} divides no images that are here: random ones are held out.")
        else:
            self._check_partition(sides, paths)
        sides_of: Mapping[str | None, SplitName | None] = {"train": "train", "validation": "train", test: "test"}
        return list(map(sides_of.get, sides))

    def _read_folders(self, paths: Sequence[str], folder: Path) -> Sequence[SplitName | None]:
        """Returns the sides that folders such as train/ and test/ say, if there is no partition and no other choice."""
        chosen = vars(self).get("test_split", "given") != "given"
        by_folder = [] if chosen or self.files.partitions else read_sides(folder, paths)
        if by_folder:
            self.test_split = "given"
            self._remarks.append(
                f"The split is that of the folders in {folder}; to hold random images out: {self.option('test_split=random')}"
            )
        return by_folder

    def _check_partition(self, sides: Sequence[str | None], paths: Sequence[str]) -> None:
        if None in sides:
            raise DataError(
                f"{self.files.partitions}: does not list {sides.count(None)} of the images, such as "
                f"'{paths[sides.index(None)]}'. Complete it,"
                f" or hold random images out: {self.option('test_split=random')}"
            )
        otherwise = f"to hold 2,000 random images out, as in the paper: {self.option('test_split=random')}"
        self._remarks.append(Remark("inferred", f"the split is that of {self.files.partitions}", otherwise))

    def _leave_out(self, absent: Sequence[str], names: Sequence[str], folder: Path) -> None:
        """Says that listed images are absent; DataError unless they may be left out and some are there."""
        some = ", ".join(absent[:3]) + (", …" if len(absent) > 3 else "")
        file = self.files.attributes.name if self.files.attributes else ATTRIBUTE_FILE
        problem = f"{len(absent)} of the {len(names)} images that {file} lists are absent ({some})"
        others = len(absent) < len(names)
        if others and self.on_bad_image == "skip":
            self._remarks.append(Remark("left out", problem))
            return
        skip = f", or train on the others: {self.option('on_bad_image=skip')}" if others else ""
        raise DataError(f"{folder}: {problem}. Unpack the image archive so that {folder / absent[0]} exists{skip}")

    def counterfactual(self, example: Example, labels: Mapping[str, LabelValue]) -> Image.Image | None:
        """Draws the same person on the same background with another gender, hair, age, smile or expression.

        `redraw` says what follows from a change. Returns None for a photograph, and if an attribute cannot be drawn.
        """
        seed = read_seed(self.root)
        path = Path(str(example.image))
        if seed is None or not path.stem.isdigit():
            return None
        index = int(path.stem) - 1
        drawn = _stand_in_portrait(path.parent, index, seed)
        return redraw(drawn, labels, ("celeba", seed, "changed", index // IMAGES_PER_PERSON))

    counterfactual_across = counterfactual

    @classmethod
    def draw_stand_in(cls, root: Path, *, images: int, people: int, seed: int) -> None:  # noqa: ARG003
        """Draws CelebA-like avatars with their annotations under `root`.

        Each person is drawn twice, serious and smiling. Attributes that an avatar shows have the value that it shows;
        the others are -1. Old people have grey hair, so none of the paper's three colours is set for them.

        Args:
            root: the dataset's folder, which exists and is empty.
            images: how many images.
            people: not used, since there are two images per person.
            seed: the same seed writes the same bytes.

        Raises:
            PluginError: the packages that draw are not installed.
        """
        (root / IMAGE_FOLDER).mkdir(parents=True)
        portraits = [_stand_in_portrait(root / IMAGE_FOLDER, index, seed) for index in range(images)]
        write_portraits(portraits)
        _write_attributes(root / ATTRIBUTE_FILE, portraits)
        names = [portrait.path.name for portrait in portraits]
        _write_pairs(root / IDENTITY_FILE, {name: str(i // IMAGES_PER_PERSON + 1) for i, name in enumerate(names)})
        write_seed(root, seed)


@hookimpl
def register_datasets(register: Callable[[type[Dataset]], None]) -> None:
    register(CelebA)


def _keep(items: Iterable[T], here: Sequence[bool]) -> Sequence[T]:
    return list(compress(items, here))


def _group_rows(values: NDArray[np.int8]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Returns the first row of each group of equal rows, and each row's group."""
    first, group_of = np.zeros(min(1, len(values)), np.intp), np.zeros(len(values), np.intp)
    for start in range(0, values.shape[1], CODES_TOGETHER):
        part = values[:, start : start + CODES_TOGETHER]
        codes = part @ 3 ** np.arange(part.shape[1]) + group_of * 3**CODES_TOGETHER
        _, first, group_of = np.unique(codes, return_index=True, return_inverse=True)
    return first, group_of


def _check_selection(selected: Sequence[str], own: Sequence[str]) -> None:
    """Raises ConfigError unless CelebA or the file of one's own, with the columns `own`, has the selected attributes."""
    known = (*own, *(name for name in COLUMNS if name not in own))
    if not selected:
        raise ConfigError("celeba: `attributes` is empty. Name at least one attribute, or leave the key out.")
    for index, name in enumerate(selected):
        if name not in known:
            whose = "the attribute file" if own else "CelebA"
            raise ConfigError(
                f"celeba: `attributes` names '{name}', which {whose} does not have; {closest(name, own or COLUMNS)}"
            )
        if name in selected[:index]:
            raise ConfigError(f"celeba: `attributes` names '{name}' twice. Remove one.")


def _select_hair_group(selected: Sequence[str]) -> tuple[str, ...]:
    """Returns the selected hair colours, or none if only one is selected, which makes no group."""
    hair = tuple(name for name in selected if name in HAIR_COLORS)
    return hair if len(hair) > 1 else ()


def _build_attributes(selected: Sequence[str], hair: Sequence[str]) -> list[Attribute]:
    """Returns the attributes in order of appearance; the hair group takes the place of its first member."""
    attributes: list[Attribute] = []
    for name in selected:
        if name not in hair:
            attributes.append(Binary(name))
        elif name == hair[0]:
            attributes.append(Exclusive("hair", list(hair)))
    return attributes


def is_celeba(folder: Path) -> bool:
    """Returns whether the folder, or one two levels below, holds CelebA's attribute file."""
    return CelebAFiles.find(folder, depth=2).attributes is not None


def _require_attributes(files: CelebAFiles) -> Path:
    """Returns the attribute file; DataError if there is none, or if the folder of images is something else."""
    root, images = files.root, files.root / IMAGE_FOLDER
    if len(files.rivals) > 1:
        ways = " or ".join(f"--datasets {shlex.quote(f'celeba:{path.parent}')}" for path in files.rivals[:3])
        raise DataError(f"{root}: holds {len(files.rivals)} attribute files. Name the folder of one: {ways}")
    if files.attributes and (images.is_dir() or not images.exists()):
        return files.attributes
    if root.is_dir():
        problem = f"holds no {IMAGE_FOLDER} folder" if files.attributes else f"holds no {ATTRIBUTE_FILE}"
    else:
        problem = "no such folder" if not root.exists() else "not a folder"
    raise DataError(
        f"{root}: {problem}. CelebA's folder holds {IMAGE_FOLDER}/ and {ATTRIBUTE_FILE}."
        f"{suggest_location(CelebA.name, root, is_celeba)}"
    )


def _stand_in_portrait(folder: Path, index: int, seed: int) -> Portrait:
    """Returns stand-in image `index`: its person, its expression and a plain background of its own."""
    person, turn = divmod(index, IMAGES_PER_PERSON)
    return Portrait(
        path=folder / f"{index + 1:06d}.jpg",
        look=draw_look(seeded_random("celeba", seed, "person", person)),
        expression=("neutral", "happy")[turn],
        background=draw_soft_color(seeded_random("celeba", seed, "image", index)),
        size=IMAGE_SIZE,
    )


def _shown_attributes(look: Look, expression: str) -> dict[str, bool]:
    """Returns the values of the columns that the drawing shows."""
    beard, top, smiling = look.facial_hair or "", look.top, expression == "happy"
    return {
        "Bald": top == "sides",
        "Bangs": top in FRINGES,
        "Black_Hair": look.hair == "black",
        "Blond_Hair": look.hair == "blond",
        "Brown_Hair": look.hair == "brown",
        "Eyeglasses": look.glasses is not None,
        "Gray_Hair": look.hair == "grey",
        "Male": look.male,
        "Mouth_Slightly_Open": smiling,
        "Mustache": beard.startswith("moustache"),
        "No_Beard": not beard,
        "Pale_Skin": look.skin_tone == 0,
        "Receding_Hairline": top == "sides",
        "Sideburns": beard.startswith("beard"),
        "Smiling": smiling,
        "Straight_Hair": top.startswith("straight") or top in {"bob", "longButNotTooLong"},
        "Wavy_Hair": top in {"curly", "curvy", "shortCurly", "shortWaved"},
        "Young": look.young,
    }


def _write_attributes(path: Path, portraits: Sequence[Portrait]) -> None:
    lines = [str(len(portraits)), " ".join(COLUMNS)]
    for portrait in portraits:
        shown = _shown_attributes(portrait.look, portrait.expression)
        lines.append(" ".join([portrait.path.name, *(f"{1 if shown.get(name) else -1:2d}" for name in COLUMNS)]))
    _write_lines(path, lines)


def _write_pairs(path: Path, pairs: Mapping[str, str]) -> None:
    _write_lines(path, [f"{name} {value}" for name, value in pairs.items()])


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    path.write_text("\n".join([*lines, ""]), encoding="utf-8", newline="\n")
