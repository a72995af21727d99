"""CelebA: 202,599 aligned faces of 178 x 218 pixels with 40 binary attributes (Liu et al., 2015)."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stargan_fw import Dataset, Example, hookimpl
from stargan_fw.errors import ConfigError, DataError, closest
from stargan_fw.interfaces.dataset import SplitName
from stargan_fw_plugins.datasets.celeba_files import AttributeFile, read_values
from stargan_fw_plugins.datasets.location import suggest_location
from stargan_fw_plugins.redrawn_faces import change_look, draw_portrait, read_seed, write_seed
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
# 0 is the training, 1 the validation and 2 the test partition. Validation images are trained on: nothing is tuned on them.
PARTITIONS: Mapping[str, SplitName] = {"0": "train", "1": "train", "2": "test"}

IMAGES_PER_PERSON = 2
SMILE = "Smiling"


class CelebA(Dataset):
    """CelebA as distributed.

        root/img_align_celeba/000001.jpg …
        root/list_attr_celeba.txt         count, header of 40 names, then file and -1/1 each
        root/identity_CelebA.txt          optional: file and identity
        root/list_eval_partition.txt      optional: file and 0 (train), 1 (validation, trained on) or 2 (test)

    If two or more hair colours are selected, they are exclusive. All other attributes are binary. On the few images with
    two hair colours the hair is unknown (`on_contradiction`); their other labels stay.

    Args:
        root: the folder above.
        attributes: which of the 40 attributes to learn, in label order; by default the paper's five.

    Raises:
        ConfigError: an attribute is unknown or named twice, or none is selected.
    """

    name = "celeba"
    crop_size = 178
    test_split = "random"
    test_size = 2000
    on_contradiction = "unknown"

    def __init__(self, root: Path, *, attributes: list[str] = PAPER_ATTRIBUTES) -> None:
        super().__init__(root)
        _check_selection(attributes)
        self.selected = tuple(attributes)
        self.attributes: Sequence[Attribute] = _build_attributes(self.selected, _select_hair_group(self.selected))

    def examples(self) -> Iterable[Example]:
        """Returns every image of the attribute file, in its order.

        Raises:
            DataError: the root is missing or one level off, an annotation file is broken or lacks a selected attribute,
                or listed images are absent.
        """
        _check_layout(self.root)
        names, are_set = AttributeFile(self.root / ATTRIBUTE_FILE).read(self.selected)
        people = read_values(self.root / IDENTITY_FILE, names)
        partitions = read_values(self.root / PARTITION_FILE, names, PARTITIONS)
        paths = _find_images(self.root / IMAGE_FOLDER, names)
        return [
            Example(path, labels, person, PARTITIONS[partition] if partition else None)
            for path, labels, person, partition in zip(paths, self._labels(are_set), people, partitions, strict=True)
        ]

    def _labels(self, are_set: NDArray[np.bool_]) -> Iterable[Mapping[str, LabelValue]]:
        """Returns the labels of each image; images with equal labels share one mapping."""
        _, first, group_of = np.unique(
            are_set @ (1 << np.arange(len(self.selected))), return_index=True, return_inverse=True
        )
        labels = [dict(zip(self.selected, bits, strict=True)) for bits in are_set[first].tolist()]
        return map(labels.__getitem__, group_of.tolist())

    def counterfactual(self, example: Example, labels: Mapping[str, LabelValue]) -> Image.Image | None:
        """Draws the same person on the same background with another gender, hair, age or smile.

        `change_look` says what follows from a change. Returns None for a photograph, and if an attribute cannot be drawn.
        """
        seed = read_seed(self.root)
        path = Path(str(example.image))
        if seed is None or not path.stem.isdigit():
            return None
        index = int(path.stem) - 1
        drawn = _stand_in_portrait(path.parent, index, seed)
        rest, smile = {key: value for key, value in labels.items() if key != SMILE}, labels.get(SMILE)
        look = change_look(drawn.look, rest, ("celeba", seed, "changed", index // IMAGES_PER_PERSON))
        if look is None:
            return None
        expression = drawn.expression if smile is None else "happy" if smile else "neutral"
        return draw_portrait(replace(drawn, look=look, expression=expression))

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
        _write_pairs(root / PARTITION_FILE, {name: _stand_in_partition(i, images) for i, name in enumerate(names)})
        write_seed(root, seed)


@hookimpl
def register_datasets(register: Callable[[type[Dataset]], None]) -> None:
    register(CelebA)


def _check_selection(selected: Sequence[str]) -> None:
    if not selected:
        raise ConfigError("celeba: `attributes` is empty. Name at least one attribute, or leave the key out.")
    for index, name in enumerate(selected):
        if name not in COLUMNS:
            raise ConfigError(
                f"celeba: `attributes` names '{name}', which CelebA does not have; {closest(name, COLUMNS)}"
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
    """Returns whether the folder holds CelebA's images and attribute file."""
    return (folder / IMAGE_FOLDER).is_dir() and (folder / ATTRIBUTE_FILE).is_file()


def _check_layout(root: Path) -> None:
    if is_celeba(root):
        return
    if root.is_dir():
        absent = [name for name in (IMAGE_FOLDER, ATTRIBUTE_FILE) if not (root / name).exists()]
        problem = f"holds no {' and no '.join(absent) or IMAGE_FOLDER + ' folder'}"
    else:
        problem = "no such folder" if not root.exists() else "not a folder"
    raise DataError(
        f"{root}: {problem}. CelebA's folder holds {IMAGE_FOLDER}/ and {ATTRIBUTE_FILE}."
        f"{suggest_location(CelebA.name, root, is_celeba)}"
    )


def _find_images(folder: Path, names: Sequence[str]) -> list[str]:
    """Returns the paths of the listed images; raises DataError if some are absent. The folder is read once.

    Paths are strings: making `Path` objects would take as long as everything else in the listing.
    """
    present = set(os.listdir(folder))  # noqa: PTH208 - strings, as above
    absent = [name for name in names if name not in present]
    if absent:
        some = ", ".join(absent[:3]) + (", …" if len(absent) > 3 else "")
        raise DataError(
            f"{folder}: {len(absent)} of the {len(names)} images that {ATTRIBUTE_FILE} lists are absent ({some})."
            f" Unpack the image archive so that {folder / absent[0]} exists."
        )
    start = os.path.join(folder, "")  # noqa: PTH118 - strings, as above
    return [start + name for name in names]


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


def _stand_in_partition(index: int, images: int) -> str:
    """Returns the partition of an image: as in CelebA, the last tenth is for tests, the tenth before for validation."""
    share = index / images
    return "0" if share < 0.8 else "1" if share < 0.9 else "2"
