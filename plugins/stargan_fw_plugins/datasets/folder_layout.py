"""Which folders of a folder of images are classes, which are sides of a split, and which are people."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from stargan_fw import Remark
from stargan_fw.data.images import is_image_name, is_junk
from stargan_fw.errors import DataError
from stargan_fw_plugins.datasets.folder_tree import (
    ImageTree,
    compose_name,
    count_files,
    describe_others,
    fold_name,
    read_tree,
)
from stargan_fw_plugins.datasets.location import write_location
from stargan_fw_plugins.datasets.split_names import sides_of
from stargan_fw_registry.split_words import SPLIT_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from stargan_fw.interfaces.dataset import SplitName

Levels: TypeAlias = Literal["class", "class/identity", "identity/class"]
Side: TypeAlias = "SplitName | None"

LAYOUT = "Put the images of each class into a folder of its own, in this folder or in its train/ and test/."
# Words beside that of a split which say nothing: "train_images", "TestSet", "val2017".
FILLER = r"(?:sets?|splits?|data|dataset|images?|imgs?|pictures?|pics|photos?|faces|folder|dir|s?daten|s?bilder|集|\d+)"
WORDS = "|".join(sorted(SPLIT_WORDS, key=len, reverse=True))
SPLIT = re.compile(rf"(?:{FILLER})*({WORDS})(?:{FILLER})*")
GAP = r"[\s_.\-+]+"
MANY = 12  # names in a message


@dataclass(frozen=True)
class Picture:
    """An image file with its class, and the side and the person that its folders name."""

    path: Path
    label: str
    side: Side
    identity: str | None = None


@dataclass
class Group:
    """The folders of one class on one side of the split."""

    label: str
    folders: list[ImageTree]


@dataclass
class Layout:
    """The classes of each side of the split, or of the side None if there is no split, with remarks for the user."""

    sides: dict[Side, dict[str, Group]]
    remarks: list[str]

    @property
    def labels(self) -> dict[str, str]:
        """Key → class, as the first side that has the class writes it."""
        named: dict[str, str] = {}
        for groups in self.sides.values():
            for key, group in groups.items():
                named.setdefault(key, group.label)
        return named

    def pictures(self, levels: Levels) -> Iterator[Picture]:
        """Yields the images: side by side, class by class, each sorted by path."""
        labels = self.labels
        for side, groups in self.sides.items():
            for key in sorted(groups, key=labels.__getitem__):
                found = sorted(image for folder in groups[key].folders for image in _images_of(folder, levels))
                yield from (Picture(path, labels[key], side, person or None) for path, person in found)


def read_layout(root: Path, levels: Levels | None, *, pool: bool = False) -> Layout:
    """Returns the classes and sides that the folders of `root` say.

    Args:
        root: the folder.
        levels: what the folders are, from above; None decides by their names, and asks if they leave it open.
        pool: whether the split is drawn anew, so that a class may be absent on one side.

    Raises:
        DataError: the folder holds no classes, or what its folders mean is in doubt.
    """
    if not root.is_dir():
        here = "" if root.is_absolute() else f" in {Path.cwd()}"
        raise DataError(f"{root}: {'not a folder' if root.exists() else f'no such folder{here}'}. {LAYOUT}")
    tree = read_tree(root)
    sides = _read_splits(tree)
    remarks: list[str] = list(_remark_loose(tree, sides))
    if levels == "identity/class":
        remarks += [text for folders in sides.values() for person in folders for text in _remark_beside(person)]
        sides = {side: _below(folders) for side, folders in sides.items()}
    elif levels is None:
        remarks += _ask_for_levels(tree, [folder for folders in sides.values() for folder in folders])
    layout = Layout(_group(sides), [*remarks, *describe_others(tree)])
    layout.remarks += _remark_alike(layout)
    _check_classes(tree, layout, pool=pool)
    return layout


def _images_of(folder: ImageTree, levels: Levels) -> Iterator[tuple[Path, str]]:
    """Yields each image of a class with its person, who is "" if no folder names one."""
    if levels == "class":
        yield from ((path, "") for path in folder.all_images())
    elif levels == "identity/class":
        yield from ((path, folder.path.parent.name) for path in folder.all_images())
    else:
        yield from ((path, person.name) for person in folder.folders for path in person.all_images())
        yield from ((path, "") for path in folder.images)


def read_split_name(name: str) -> str | None:
    """Returns "train", "test" or "val" if a folder's name is that of a split and of nothing else."""
    found = SPLIT.fullmatch(re.sub(r"[\W_]+", "", fold_name(name)))
    return SPLIT_WORDS[found[1]] if found else None


def read_class_of_split(name: str) -> tuple[str, str] | None:
    """Returns the split and the class of a name such as "trainA", "test_cats" or "A-train", or None."""
    apart = [rf"({WORDS}){GAP}(.+)", rf"(.+?){GAP}({WORDS})"]
    for pattern in apart:
        if found := re.fullmatch(pattern, name.strip(), re.IGNORECASE):
            return _order(found[1], found[2])
    words = "|".join(f"{word}|{word.capitalize()}|{word.upper()}" for word in WORDS.split("|"))
    for pattern in (
        rf"((?:{words}))((?<=[a-z])[A-Z0-9].*|[A-Z][a-z].*|\d+|[A-Za-z])",
        rf"(.*[a-z0-9]|[A-Za-z])((?:{'|'.join(word.capitalize() for word in WORDS.split('|'))}))",
    ):
        if found := re.fullmatch(pattern, name.strip()):
            return _order(found[1], found[2])
    for pattern in (rf"({WORDS})(.+)", rf"(.+?)({WORDS})"):
        if found := re.fullmatch(pattern, name.strip(), re.IGNORECASE):
            return _order(found[1], found[2])
    return None


def _order(first: str, second: str) -> tuple[str, str]:
    if first.casefold() in SPLIT_WORDS:
        return SPLIT_WORDS[first.casefold()], second
    return SPLIT_WORDS[second.casefold()], first


def _read_splits(tree: ImageTree) -> dict[Side, list[ImageTree]]:
    """Returns the folders of classes by side, training first; the side is None if there is no split."""
    if paired := _read_paired(tree):
        return paired
    kinds = {folder.name: read_split_name(folder.name) for folder in tree.folders}
    sides = sides_of(kind for kind in kinds.values() if kind)
    if len({sides[kind] for kind in kinds.values() if kind}) > 1:
        _check_beside(tree, [name for name, kind in kinds.items() if kind])
        return _by_side((sides[kind], _unwrap(folder)) for folder in tree.folders if (kind := kinds[folder.name]))
    return _read_inner(tree) or {None: tree.folders}


def _read_paired(tree: ImageTree) -> dict[Side, list[ImageTree]]:
    """Returns the folders of trainA, trainB, testA, testB by side, named by their class, if those are what there is."""
    pairs = {folder.name: pair for folder in tree.folders if (pair := read_class_of_split(folder.name))}
    sides = sides_of(kind for kind, _ in pairs.values())
    classes: dict[str, set[str]] = {"train": set(), "test": set()}
    for kind, label in pairs.values():
        classes[sides[kind]].add(fold_name(label))
    named = [folder for folder in tree.folders if folder.name in pairs]
    sure = any(folder.images for folder in named) or not any(read_split_name(folder.name) for folder in named)
    if not classes["train"] & classes["test"] or len(classes["train"] | classes["test"]) < 2 or not sure:
        return _read_bare(tree, pairs)
    _check_beside(tree, list(pairs))
    return _by_side((sides[pairs[folder.name][0]], [replace(folder, name=pairs[folder.name][1])]) for folder in named)


def _read_bare(tree: ImageTree, pairs: Mapping[str, tuple[str, str]]) -> dict[Side, list[ImageTree]]:
    """Returns the folders of A, B, testA, testB by side, named by their class, if those are what there is."""
    bare = {fold_name(folder.name): folder for folder in tree.folders if folder.name not in pairs}
    kinds = {kind for kind, _ in pairs.values()}
    partners = sorted(fold_name(label) for _, label in pairs.values())
    if len(kinds) != 1 or kinds == {"train"} or len(bare) < 2 or partners != sorted(bare):
        return {}
    held_out = [replace(folder, name=pairs[folder.name][1]) for folder in tree.folders if folder.name in pairs]
    return {"train": list(bare.values()), "test": held_out}


def _read_inner(tree: ImageTree) -> dict[Side, list[ImageTree]]:
    """Returns the folders of cat/train, cat/test, dog/train, dog/test by side, named by their class."""
    inner = [(folder, part) for folder in tree.folders for part in folder.folders]
    kinds = {part.path: read_split_name(part.name) for _, part in inner}
    sides = sides_of(kind for kind in kinds.values() if kind)
    found = [(sides[kind], [replace(part, name=folder.name)]) for folder, part in inner if (kind := kinds[part.path])]
    whole = len(tree.folders) > 1 and len(found) == len(inner) and all(folder.folders for folder in tree.folders)
    return _by_side(found) if whole and len({side for side, _ in found}) > 1 else {}


def _unwrap(side: ImageTree) -> list[ImageTree]:
    """Returns the class folders of a side of the split, which may lie in one folder more: train/images/cat."""
    only = side.folders[0] if len(side.folders) == 1 and not side.images else None
    return only.folders if only and len(only.folders) > 1 and not only.images else side.folders


def _by_side(parts: Iterable[tuple[SplitName, Sequence[ImageTree]]]) -> dict[Side, list[ImageTree]]:
    sides: dict[Side, list[ImageTree]] = {"train": [], "test": []}
    for side, folders in parts:
        sides[side] += folders
    return sides


def _check_beside(tree: ImageTree, splits: Sequence[str]) -> None:
    others = [folder.name for folder in tree.folders if folder.name not in splits and folder.has_images()]
    if others:
        raise DataError(
            f"{tree.path}: {_list(others)} lies beside the splits {', '.join(sorted(splits))}. Move it out of the folder."
        )


def _below(folders: Sequence[ImageTree]) -> list[ImageTree]:
    return [inner for folder in folders for inner in folder.folders]


def _group(sides: Mapping[Side, Sequence[ImageTree]]) -> dict[Side, dict[str, Group]]:
    """Returns the folders by class. "Cat" of one side is "cat" of the other, unless a side has both."""
    spelled = {side: {compose_name(folder.name) for folder in folders} for side, folders in sides.items()}
    clashing = {
        fold for names in spelled.values() for fold, count in Counter(map(fold_name, names)).items() if count > 1
    }
    groups: dict[Side, dict[str, Group]] = {side: {} for side in sides}
    for side, folders in sides.items():
        for folder in folders:
            fold = fold_name(folder.name)
            key = compose_name(folder.name) if fold in clashing else fold
            groups[side].setdefault(key, Group(folder.name.strip(), [])).folders.append(folder)
    return groups


def _remark_alike(layout: Layout) -> list[str]:
    folds: dict[str, list[str]] = {}
    for label in layout.labels.values():
        folds.setdefault(fold_name(label), []).append(label)
    return [f"The classes {_list(alike)} differ only in case." for alike in folds.values() if len(alike) > 1]


def _check_classes(tree: ImageTree, layout: Layout, *, pool: bool) -> None:
    """Raises DataError, with all that is wrong in one message, unless there are two classes with images on every side."""
    labels = layout.labels
    if len(labels) < 2 or not all(layout.sides.values()):
        raise DataError(_too_few(tree, layout))
    problems = [f"{link} is a link that leads nowhere. Mend it, or remove it." for link in _broken_links(tree)]
    for groups in layout.sides.values():
        empty = [group for group in groups.values() if not any(folder.has_images() for folder in group.folders)]
        problems += map(_empty, empty)
    if not pool:
        problems += _describe_absent(tree, layout)
    if problems:
        raise DataError(" ".join(problems))


def _broken_links(tree: ImageTree) -> list[Path]:
    return [link for folder in tree.walk() for link in folder.others if link.is_symlink() and not link.exists()]


def _describe_absent(tree: ImageTree, layout: Layout) -> list[str]:
    """Returns a sentence about the classes that a side of the split lacks, with the remedy, or nothing."""
    labels = layout.labels
    absent = {
        side: [labels[key] for key in sorted(labels.keys() - groups.keys())] for side, groups in layout.sides.items()
    }
    lacking = [
        f"the {'class' if len(names) == 1 else 'classes'} {_list(names)} {'is' if len(names) == 1 else 'are'} missing among"
        f" the {'training' if side == 'train' else side} images"
        for side, names in absent.items()
        if names
    ]
    if not lacking:
        return []
    remedy = "Add some, or have the test images drawn from all images: --set datasets.ALIAS.test_split=random"
    if len(lacking) > 1:
        remedy = f"Name the folders of a class alike on both sides. If all of these are classes: {remedy[:1].lower()}{remedy[1:]}"
    return [f"{tree.path}: {'; '.join(lacking)}. {remedy}"]


def _empty(group: Group) -> str:
    folder = group.folders[0]
    unread = sum(len(inner.others) for inner in folder.walk())
    why = f": {count_files(unread)} there cannot be read as pictures" if unread else ""
    return f"{folder.path}: the class '{group.label}' has no images{why}. Put some there, or remove the folder."


def _too_few(tree: ImageTree, layout: Layout) -> str:
    only = tree.folders[0] if len(tree.folders) == 1 else None
    if only and None in layout.sides and read_split_name(only.name):
        return f"{tree.path}: holds the split '{only.name}' and no other, instead of classes. {LAYOUT}"
    bare = [folder for folder in tree.folders if _side_of(tree, folder) and not folder.folders]
    bare = sorted(bare, key=lambda folder: _side_of(tree, folder) != "train") or [tree]
    if not all(layout.sides.values()):
        loose = "images but no class folders" if bare[0].images else "no class folders"
        return f"{bare[0].path}: holds {loose}. {LAYOUT}"
    label = next(iter(layout.labels.values()))
    return f"{tree.path}: holds one class only, '{label}': there is nothing to translate to. {LAYOUT}"


def _side_of(tree: ImageTree, folder: ImageTree) -> Side:
    kinds = [kind for other in tree.folders if (kind := read_split_name(other.name))]
    kind = read_split_name(folder.name)
    return sides_of(kinds)[kind] if kind else None


def _remark_loose(tree: ImageTree, sides: Mapping[Side, Sequence[ImageTree]]) -> Iterator[Remark]:
    """Yields a remark on images beside class folders, which have no class."""
    used = {folder.path for folders in sides.values() for folder in folders}
    for folder in [tree, *(folder for folder in tree.folders if folder.path not in used)]:
        yield from _remark_beside(folder)


def _remark_beside(folder: ImageTree) -> Iterator[Remark]:
    if folder.images and folder.folders:
        count = "1 image lies" if len(folder.images) == 1 else f"{len(folder.images)} images lie"
        place = f"beside the class folders of '{folder.path}' and so without a class"
        yield Remark("left out", f"{count} {place}, such as '{folder.images[0].name}'")


def _ask_for_levels(tree: ImageTree, tops: Sequence[ImageTree]) -> list[Remark]:
    """Asks whether the upper folders are people, if the folders below have the same names again and again."""
    names = Counter(name for top in tops for name in {fold_name(inner.name) for inner in top.folders})
    repeated = [name for name, count in names.items() if count > 1]
    crossed = len(repeated) > 1 and len(repeated) == len(names) and not any(top.images for top in tops)
    if not crossed:
        return []
    above, below = _list(list(dict.fromkeys(top.name for top in tops))), _list(sorted(repeated))
    if len(repeated) <= len({fold_name(top.name) for top in tops}):
        raise DataError(
            f"{tree.path}: the folders {above} hold the same folders {below}. Which are the classes? Say so:"
            " --set datasets.ALIAS.levels=identity/class (the upper folders are people),"
            " --set datasets.ALIAS.levels=class/identity (the lower are), or --set datasets.ALIAS.levels=class"
            " (the lower say nothing)."
        )
    meaning = f"the classes are the folders {above}, which hold the same folders {below}"
    options = [f"--set datasets.ALIAS.levels={levels}" for levels in ("identity/class", "class/identity")]
    return [
        Remark("inferred", meaning, f"if the upper folders are people: {options[0]}; if the lower are: {options[1]}")
    ]


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:MANY])
    return shown if len(names) <= MANY else f"{shown} and {len(names) - MANY} more"


def suggest_folder(plugin: str, root: Path) -> str:
    """Returns the end of an error message: a location near `root` that holds classes, or nothing if there is none."""
    for folder in _nearby(root):
        try:
            read_layout(folder, None)
        except DataError:
            continue
        return f" Use --datasets {write_location(plugin, folder)}"
    return ""


def _nearby(root: Path) -> Iterator[Path]:
    """Yields the folders around `root` that may be meant: those below, to three levels, or the one above."""
    level = [read_tree(root)] if root.is_dir() else []
    for _ in range(3):
        level = _below(level)
        yield from sorted((folder.path for folder in level), key=lambda path: read_split_name(path.name) != "train")
    if root.parent != root and _holds_class_folders(root.parent):
        yield root.parent


def _holds_class_folders(folder: Path) -> bool:
    """Returns whether all folders in a folder hold images directly. Nothing below is read, since that may be a disk."""
    if not folder.is_dir():
        return False
    inner = [path for path in folder.iterdir() if path.is_dir() and not is_junk(path.name)]
    return len(inner) > 1 and all(any(is_image_name(file.name) for file in path.iterdir()) for path in inner)
