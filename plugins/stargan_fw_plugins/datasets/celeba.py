"""CelebA: 202,599 aligned faces of 178 x 218 pixels with 40 binary attributes (Liu et al., 2015)."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from stargan_fw import Dataset, Example, hookimpl
from stargan_fw.errors import ConfigError, DataError, closest
from stargan_fw.interfaces.dataset import SplitName
from stargan_fw_plugins.changed_looks import changed
from stargan_fw_plugins.datasets.location import advice
from stargan_fw_plugins.sample_faces import (
    Look,
    Portrait,
    draw_look,
    draw_soft_color,
    private_generator,
    write_portraits,
)
from stargan_fw_plugins.stand_in_record import drawn_with, picture, write_record
from stargan_fw_registry import Attribute, Binary, Exclusive, LabelValue

IMAGE_FOLDER = "img_align_celeba"
ATTRIBUTE_FILE = "list_attr_celeba.txt"
IDENTITY_FILE = "identity_CelebA.txt"
PARTITION_FILE = "list_eval_partition.txt"
IMAGE_SIZE = (178, 218)

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
ATTRIBUTE_VALUES = frozenset({"-1", "1"})
# 0 is the training, 1 the validation and 2 the test partition; nothing here is tuned on the validation images.
PARTITIONS: Mapping[str, SplitName] = {"0": "train", "1": "train", "2": "test"}

IMAGES_OF_ONE = 2
SMILE = "Smiling"


class CelebA(Dataset):
    """CelebA as distributed.

        root/img_align_celeba/000001.jpg …
        root/list_attr_celeba.txt         count, header of 40 names, then file and -1/1 each
        root/identity_CelebA.txt          optional: file and identity
        root/list_eval_partition.txt      optional: file and 0 (train), 1 (validation, trained on) or 2 (test)

    The hair colours among the selected attributes, if two or more, are exclusive; all else is binary. A few images
    carry two hair colours: theirs is contradictory and counts as unknown, the other labels stay.

    Args:
        root: the folder above.
        attributes: which of the 40 attributes to learn, in label order; the paper's five unless told otherwise.

    Raises:
        ConfigError: an attribute is unknown or named twice, or there is none.
    """

    name = "celeba"
    crop_size = 178
    test_split = "random"
    test_size = 2000

    def __init__(self, root: Path, *, attributes: list[str] = PAPER_ATTRIBUTES) -> None:
        super().__init__(root)
        _check_selection(attributes)
        self.selected = tuple(attributes)
        self.hair = _exclusive_hair(self.selected)
        self.attributes: Sequence[Attribute] = _attributes(self.selected, self.hair)

    def examples(self) -> Iterable[Example]:
        """Returns every image of the attribute file, in its order.

        Raises:
            DataError: the root is missing or the wrong level, an annotation file is broken or lacks a selected
                attribute, or listed images are absent.
        """
        _check_layout(self.root)
        examples = list(self._read())
        _check_images(self.root / IMAGE_FOLDER, [example.image.name for example in examples])
        return examples

    def _read(self) -> Iterator[Example]:
        table = AttributeFile(self.root / ATTRIBUTE_FILE)
        positions = {name: table.position(name) for name in self.selected}
        hair = [positions[name] for name in self.hair]
        identities = read_pairs(self.root / IDENTITY_FILE)
        partitions = read_pairs(self.root / PARTITION_FILE, PARTITIONS)
        folder = self.root / IMAGE_FOLDER
        for file, fields in table.rows():
            labels: dict[str, LabelValue] = {name: fields[position] == "1" for name, position in positions.items()}
            if [fields[position] for position in hair].count("1") > 1:
                labels |= dict.fromkeys(self.hair)
            partition = partitions.get(file)
            yield Example(folder / file, labels, identities.get(file), PARTITIONS[partition] if partition else None)

    def counterfactual(self, example: Example, labels: Mapping[str, LabelValue]) -> Image.Image | None:
        """Draws the same person on the same background with another gender, hair, age or smile, where it is a stand-in.

        See `changed_looks.changed` for what follows from a change. Attributes that it cannot draw give None.
        """
        seed = drawn_with(self.root)
        if seed is None or not isinstance(example.image, Path) or not example.image.stem.isdigit():
            return None
        index = int(example.image.stem) - 1
        drawn = _stand_in(example.image.parent, index, seed)
        rest, smile = {key: value for key, value in labels.items() if key != SMILE}, labels.get(SMILE)
        look = changed(drawn.look, rest, ("celeba", seed, "changed", index // IMAGES_OF_ONE))
        if look is None:
            return None
        expression = drawn.expression if smile is None else "happy" if smile else "neutral"
        return picture(replace(drawn, look=look, expression=expression))

    @classmethod
    def draw_stand_in(cls, root: Path, *, images: int, people: int, seed: int) -> None:  # noqa: ARG003
        """Draws CelebA-like avatars with their annotations under `root`.

        Each person is drawn twice, serious and smiling. The attributes that an avatar shows are true to it; those
        that it cannot show are -1. The old are grey, so none of the three colours of the paper is set on them.

        Args:
            root: the dataset's folder, existing and empty.
            images: how many images.
            people: not used: two images make a person.
            seed: the same seed writes the same bytes.

        Raises:
            PluginError: the packages that draw are not installed.
        """
        (root / IMAGE_FOLDER).mkdir(parents=True)
        portraits = [_stand_in(root / IMAGE_FOLDER, index, seed) for index in range(images)]
        write_portraits(portraits)
        _write_attributes(root / ATTRIBUTE_FILE, portraits)
        names = [portrait.path.name for portrait in portraits]
        _write_pairs(root / IDENTITY_FILE, {name: str(i // IMAGES_OF_ONE + 1) for i, name in enumerate(names)})
        _write_pairs(root / PARTITION_FILE, {name: _partition(i, images) for i, name in enumerate(names)})
        write_record(root, seed)


@hookimpl
def register_datasets(register: Callable[[type[Dataset]], None]) -> None:
    register(CelebA)


def _check_selection(selected: Sequence[str]) -> None:
    """Raises ConfigError unless the selection names at least one known attribute, each once."""
    if not selected:
        raise ConfigError("celeba: `attributes` is empty. Name at least one attribute, or leave the key out.")
    for index, name in enumerate(selected):
        if name not in COLUMNS:
            raise ConfigError(
                f"celeba: `attributes` names '{name}', which CelebA does not have; {closest(name, COLUMNS)}"
            )
        if name in selected[:index]:
            raise ConfigError(f"celeba: `attributes` names '{name}' twice. Remove one.")


def _exclusive_hair(selected: Sequence[str]) -> tuple[str, ...]:
    """Returns the selected hair colours where they form a group, none where there is only one."""
    hair = tuple(name for name in selected if name in HAIR_COLORS)
    return hair if len(hair) > 1 else ()


def _attributes(selected: Sequence[str], hair: Sequence[str]) -> list[Attribute]:
    """Returns the attributes in order of appearance; the hair group stands where its first member does."""
    attributes: list[Attribute] = []
    for name in selected:
        if name not in hair:
            attributes.append(Binary(name))
        elif name == hair[0]:
            attributes.append(Exclusive("hair", list(hair)))
    return attributes


class AttributeFile:
    """`list_attr_celeba.txt`: a line with the count, a line with the column names, then a line an image.

    Attributes:
        path: the file.
        columns: the names of its columns, in order.

    Raises:
        DataError: a line cannot be read, or their number is not the one that the first line promises.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        first, header, *self._lines = [*path.read_text(encoding="utf-8", errors="replace").splitlines(), "", ""]
        self._count = self._parse_count(first)
        self.columns = header.split()

    def position(self, column: str) -> int:
        """Returns where a row's fields hold the column; 0 is the file name."""
        if column not in self.columns:
            raise DataError(
                f"{self.path}, line 2: no column '{column}'. Restore the file, or leave '{column}' out of"
                f" `attributes`; {closest(column, self.columns)}"
            )
        return self.columns.index(column) + 1

    def rows(self) -> Iterator[tuple[str, list[str]]]:
        """Yields (image file name, fields): the fields are the name and then "1" or "-1" a column."""
        width = len(self.columns) + 1
        rows = 0
        for number, line in enumerate(self._lines, start=3):
            fields = line.split()
            if not fields:
                continue
            if len(fields) != width or not ATTRIBUTE_VALUES.issuperset(fields[1:]):
                raise DataError(self._what_is_wrong(number, fields))
            rows += 1
            yield fields[0], fields
        if rows != self._count:
            raise DataError(
                f"{self.path}, line 1: promises {self._count} images, but {rows} are listed."
                " The file is incomplete or was edited: download it again, or correct the number."
            )

    def _parse_count(self, line: str) -> int:
        if not line.strip().isdigit():
            raise DataError(
                f"{self.path}, line 1: '{line[:40]}' is not the number of images."
                " Expected CelebA's own file: a line with the count, a line with the 40 names, then a line an image."
            )
        return int(line)

    def _what_is_wrong(self, number: int, fields: list[str]) -> str:
        if len(fields) != len(self.columns) + 1:
            return (
                f"{self.path}, line {number}: {len(fields) - 1} values instead of {len(self.columns)}."
                " The line is cut short or damaged: download the file again."
            )
        column, value = next(pair for pair in enumerate(fields) if pair[0] and pair[1] not in ATTRIBUTE_VALUES)
        return (
            f"{self.path}, line {number}, column {self.columns[column - 1]}: '{value}' is not -1 or 1."
            " Correct the value, or download the file again."
        )


def read_pairs(path: Path, allowed: Iterable[str] = ()) -> dict[str, str]:
    """Returns image file name → value of a two-column annotation file; nothing where there is no such file.

    Args:
        path: the file.
        allowed: the values that may stand in the second column; any where empty.

    Raises:
        DataError: a line has not two fields, or the value is not allowed.
    """
    if not path.exists():
        return {}
    values = frozenset(allowed)
    pairs: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != 2 or (values and fields[1] not in values):
            expected = (
                f"a file name and one of {', '.join(sorted(values))}" if values else "a file name and an identity"
            )
            raise DataError(
                f"{path}, line {number}: '{line[:60]}' is not {expected}."
                " Download the file again, or remove it: it is optional."
            )
        pairs[fields[0]] = fields[1]
    return pairs


def is_celeba(folder: Path) -> bool:
    """Whether the folder holds CelebA's images and attribute file."""
    return (folder / IMAGE_FOLDER).is_dir() and (folder / ATTRIBUTE_FILE).is_file()


def _check_layout(root: Path) -> None:
    """Raises DataError unless `root` holds the image folder and the attribute file."""
    if is_celeba(root):
        return
    if root.is_dir():
        absent = [name for name in (IMAGE_FOLDER, ATTRIBUTE_FILE) if not (root / name).exists()]
        problem = f"holds no {' and no '.join(absent) or IMAGE_FOLDER + ' folder'}"
    else:
        problem = "no such folder" if not root.exists() else "not a folder"
    raise DataError(
        f"{root}: {problem}. CelebA's folder holds {IMAGE_FOLDER}/ and {ATTRIBUTE_FILE}."
        f"{advice(CelebA.name, root, is_celeba)}"
    )


def _check_images(folder: Path, names: Sequence[str]) -> None:
    """Raises DataError where listed images are not in the folder; reads the folder once."""
    with os.scandir(folder) as entries:
        present = {entry.name for entry in entries}
    absent = [name for name in names if name not in present]
    if absent:
        some = ", ".join(absent[:3]) + (", …" if len(absent) > 3 else "")
        raise DataError(
            f"{folder}: {len(absent)} of the {len(names)} images that {ATTRIBUTE_FILE} lists are absent ({some})."
            f" Unpack the image archive so that {folder / absent[0]} exists."
        )


def _stand_in(folder: Path, index: int, seed: int) -> Portrait:
    """Returns image `index` of the stand-in data: the person, the expression and a plain background of its own."""
    person, turn = divmod(index, IMAGES_OF_ONE)
    return Portrait(
        path=folder / f"{index + 1:06d}.jpg",
        look=draw_look(private_generator("celeba", seed, "person", person)),
        expression=("neutral", "happy")[turn],
        background=draw_soft_color(private_generator("celeba", seed, "image", index)),
        size=IMAGE_SIZE,
    )


def _shown_attributes(look: Look, expression: str) -> dict[str, bool]:
    """Returns the columns that the drawing shows, as it shows them."""
    beard, top, smiling = look.facial_hair or "", look.top, expression == "happy"
    return {
        "Bald": top == "sides",
        "Bangs": top in {"bob", "curvy", "straightAndStrand"},
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


def _partition(index: int, images: int) -> str:
    """Returns the partition of an image: as in CelebA, the last tenth is for tests and the tenth before to validate."""
    share = index / images
    return "0" if share < 0.8 else "1" if share < 0.9 else "2"
