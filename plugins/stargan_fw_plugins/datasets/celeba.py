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
from stargan_fw_plugins.changed_looks import changed
from stargan_fw_plugins.datasets.celeba_files import AttributeFile, read_values
from stargan_fw_plugins.datasets.location import advice
from stargan_fw_plugins.sample_faces import (
    FRINGES,
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
    carry two hair colours, which count as unknown (`on_contradiction`); their other labels stay.

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
    on_contradiction = "unknown"

    def __init__(self, root: Path, *, attributes: list[str] = PAPER_ATTRIBUTES) -> None:
        super().__init__(root)
        _check_selection(attributes)
        self.selected = tuple(attributes)
        self.attributes: Sequence[Attribute] = _attributes(self.selected, _exclusive_hair(self.selected))

    def examples(self) -> Iterable[Example]:
        """Returns every image of the attribute file, in its order.

        Raises:
            DataError: the root is missing or the wrong level, an annotation file is broken or lacks a selected
                attribute, or listed images are absent.
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
        """Returns the labels of each image; images of the same labels share one mapping."""
        _, first, kind_of = np.unique(
            are_set @ (1 << np.arange(len(self.selected))), return_index=True, return_inverse=True
        )
        labels = [dict(zip(self.selected, bits, strict=True)) for bits in are_set[first].tolist()]
        return map(labels.__getitem__, kind_of.tolist())

    def counterfactual(self, example: Example, labels: Mapping[str, LabelValue]) -> Image.Image | None:
        """Draws the same person on the same background with another gender, hair, age or smile, where it is a stand-in.

        See `changed_looks.changed` for what follows from a change. Attributes that it cannot draw give None.
        """
        seed = drawn_with(self.root)
        path = Path(str(example.image))
        if seed is None or not path.stem.isdigit():
            return None
        index = int(path.stem) - 1
        drawn = _stand_in(path.parent, index, seed)
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


def _find_images(folder: Path, names: Sequence[str]) -> list[str]:
    """Returns the paths of listed images; reads the folder once, and raises DataError where some are not in it.

    They are texts: a `Path` each, and its text when it is read, would take as long as all the rest of the listing.
    """
    present = set(os.listdir(folder))  # noqa: PTH208 - likewise
    absent = [name for name in names if name not in present]
    if absent:
        some = ", ".join(absent[:3]) + (", …" if len(absent) > 3 else "")
        raise DataError(
            f"{folder}: {len(absent)} of the {len(names)} images that {ATTRIBUTE_FILE} lists are absent ({some})."
            f" Unpack the image archive so that {folder / absent[0]} exists."
        )
    start = os.path.join(folder, "")  # noqa: PTH118 - likewise
    return [start + name for name in names]


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


def _partition(index: int, images: int) -> str:
    """Returns the partition of an image: as in CelebA, the last tenth is for tests and the tenth before to validate."""
    share = index / images
    return "0" if share < 0.8 else "1" if share < 0.9 else "2"
