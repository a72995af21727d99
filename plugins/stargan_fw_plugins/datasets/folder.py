"""The dataset `folder`: images in one folder per class."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

from stargan_fw import Dataset, Example, hookimpl
from stargan_fw.errors import DataError, LabelError
from stargan_fw.interfaces.dataset import SplitName
from stargan_fw_plugins.datasets.location import find_nearby
from stargan_fw_plugins.datasets.split_names import is_split, resolve_splits
from stargan_fw_plugins.face_crop import FaceChoice, describe_face_crop, make_face_crop
from stargan_fw_registry import Attribute, Categorical

IMAGE_SUFFIXES = frozenset(".jpg .jpeg .jfif .png .webp .bmp .gif .tif .tiff .ppm .pgm".split())  # noqa: SIM905
LAYOUT = "An image folder holds a folder of images for each class, or train/ and test/ which hold those."


class Folder(Dataset):
    """Images in one folder per class, at any depth; names that start with a dot are skipped.

        root/<class>/….jpg, .png, .webp, …

    Already split, with the same classes on each side (`test_split` becomes "given"). Images in val/ are trained on; if
    there is no test/, val/ is the test split:

        root/train/<class>/….jpg
        root/test/<class>/….jpg

    Used as `--datasets pets=folder:~/pets`.

    Args:
        root: the folder above.
        attribute: the name of the attribute that has the classes as values.
        face: "detect" crops to the face that OpenCV finds (the extra `faces`), or to the middle square if it finds none,
            and `crop_size` is not used; "none" looks for no face.
    """

    name = "folder"
    crop_size = None
    test_split: Literal["random", "person", "given"] = "random"
    test_size = 0.1

    def __init__(self, root: Path, *, attribute: str = "class", face: FaceChoice = "none") -> None:
        super().__init__(root)
        self.attribute = attribute
        self._crop = make_face_crop(face)
        self._face = face
        if _split_folders(root):
            self.test_split = "given"

    @property
    def own_crops(self) -> str:
        return describe_face_crop(self._face)

    @cached_property
    def attributes(self) -> Sequence[Attribute]:  # type: ignore[override]
        """Returns one attribute with the classes, sorted by name.

        Raises:
            DataError: the root is no image folder, or the name of a class cannot be a label.
        """
        classes = sorted({name for _, folders in self._sides for name in folders})
        try:
            return [Categorical(self.attribute, classes)]
        except LabelError as error:
            raise DataError(f"{self.root}: {error}.") from None

    def examples(self) -> Iterable[Example]:
        """Returns the images, class by class, each sorted by path.

        Raises:
            DataError: the root is no image folder, or a class has no images.
        """
        classes = self.attributes[0].label_names
        return [
            Example(path, {self.attribute: name}, split=split, crop=self._crop)
            for split, folders in self._sides
            for name in classes
            for path in _images_of_class(folders[name])
        ]

    @cached_property
    def _sides(self) -> list[tuple[SplitName | None, Mapping[str, Path]]]:
        """The folders by class, for each side of the split, or once with None if there is no split."""
        _check_root(self.root)
        splits = _split_folders(self.root)
        if not splits:
            return [(None, _class_folders(self.root))]
        found: list[tuple[SplitName | None, Mapping[str, Path]]] = []
        for name, side in splits.items():
            found.append((side, _class_folders(self.root / name)))
            _check_same_classes(self.root, next(iter(splits)), found[0][1], name, found[-1][1])
        return found


@hookimpl
def register_datasets(register: Callable[[type[Dataset]], None]) -> None:
    register(Folder)


def _folders(root: Path) -> list[Path]:
    """Returns the folders directly in `root`, sorted, without hidden ones."""
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _images(root: Path) -> list[Path]:
    """Returns the images at any depth below `root`, sorted, without hidden ones."""
    found = (path for path in root.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(root).parts))


def _images_of_class(folder: Path) -> list[Path]:
    images = _images(folder)
    if not images:
        raise DataError(f"{folder}: the class '{folder.name}' has no images. Put some there, or remove the folder.")
    return images


def _split_folders(root: Path) -> dict[str, SplitName]:
    """Returns folder name → "train" or "test", train first, if `root` holds both; else nothing."""
    found = resolve_splits(folder.name for folder in _folders(root))
    return dict(sorted(found.items(), key=lambda item: item[1], reverse=True)) if len(set(found.values())) > 1 else {}


def _is_image_folder(folder: Path) -> bool:
    """Returns whether at least two class folders hold images directly, here or on every side of a split."""
    if splits := _split_folders(folder):
        return all(_is_image_folder(folder / name) for name in splits)
    holding = [path for path in _folders(folder) if any(map(_is_image, path.iterdir()))]
    return len(holding) > 1


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def _check_root(root: Path) -> None:
    """Raises DataError if `root` is no folder, holds one side of a split only, or other folders beside a split."""
    if not root.is_dir():
        problem = "not a folder" if root.exists() else "no such folder"
        raise DataError(f"{root}: {problem}. {LAYOUT}{_suggest_location(root)}")
    names = [folder.name for folder in _folders(root)]
    splits = [name for name in names if is_split(name)]
    if len(splits) == 1 == len(names):
        raise DataError(
            f"{root}: holds the split '{splits[0]}' and no other, instead of classes. Add the other side as"
            f" {root / 'test'}, or use --datasets folder:{root / splits[0]} to have a test set drawn from it."
        )
    if _split_folders(root) and len(splits) < len(names):
        other = next(name for name in names if not is_split(name))
        raise DataError(f"{root}: '{other}' lies beside the splits {', '.join(splits)}. Move it out of the folder.")


def _class_folders(root: Path) -> dict[str, Path]:
    """Returns the folder of each class; DataError if there are fewer than two."""
    folders = {folder.name: folder for folder in _folders(root)}
    if len(folders) > 1:
        return folders
    if folders:
        (only,) = folders
        raise DataError(
            f"{root}: holds one class only, '{only}': there is nothing to translate to. {LAYOUT}{_suggest_location(root)}"
        )
    loose = "images but no class folders" if any(map(_is_image, root.iterdir())) else "no class folders"
    raise DataError(f"{root}: holds {loose}. {LAYOUT}{_suggest_location(root)}")


def _suggest_location(root: Path) -> str:
    found = find_nearby(root, _is_image_folder)
    if found is None:
        return f" Name the right folder with --datasets {Folder.name}:FOLDER."
    return f" It seems to be one level off: use --datasets {Folder.name}:{found}"


def _check_same_classes(
    root: Path, first: str, expected: Mapping[str, Path], split: str, classes: Mapping[str, Path]
) -> None:
    """Raises DataError if two sides of a split have different classes."""
    for name, has, lacks in [(first, expected, split), (split, classes, first)]:
        absent = sorted(has.keys() - (classes if lacks == split else expected).keys())
        if absent:
            raise DataError(
                f"{root}: the class '{absent[0]}' is in {name}/ but not in {lacks}/."
                " Every side of a split has the same class folders: add it there, or remove it here."
            )
