"""The dataset `folder`: images in one folder per class."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

from stargan_fw import Dataset, Example, Remark, hookimpl
from stargan_fw.errors import DataError, LabelError, is_printable
from stargan_fw_plugins.datasets.folder_layout import Layout, Levels, read_layout, suggest_folder
from stargan_fw_plugins.face_crop import FaceChoice, describe_face_crop, make_face_crop
from stargan_fw_registry import Attribute, Categorical


class Folder(Dataset):
    """Images in one folder per class, at any depth. What systems leave behind is passed over.

        root/<class>/….jpg, .png, .webp, …

    Already split, with the same classes on each side (`test_split` becomes "given"), in any of these ways. Images in
    val/ are trained on; if there is no test/, val/ is the test split. Names of splits are known in many spellings:

        root/train/<class>/….jpg    root/test/<class>/….jpg
        root/<class>/train/….jpg    root/<class>/test/….jpg
        root/trainA/….jpg           root/testA/….jpg            (classes A, B, …)
        root/<class>/….jpg          root/test<class>/….jpg

    Used as `--datasets pets=folder:~/pets`.

    Args:
        root: the folder above.
        attribute: the name of the attribute that has the classes as values.
        levels: what the folders mean, from above: "class", "class/identity" or "identity/class". Images of one person
            are then on one side of the split. By default "class"; a folder that looks like "identity/class" asks.
        face: "detect" crops to the face that OpenCV finds (the extra `faces`), or to the middle square if it finds none,
            and `crop_size` is not used; "anywhere" also finds people who are small in the picture; "none" looks for no face.
    """

    name = "folder"
    crop_size = None
    test_split: Literal["random", "person", "given"] = "random"
    test_size = 0.1

    def __init__(
        self, root: Path, *, attribute: str = "class", levels: Levels | None = None, face: FaceChoice = "none"
    ) -> None:
        super().__init__(root)
        self.attribute = attribute
        self.levels = levels
        self._crop = make_face_crop(face)
        self._face = face

    @property
    def own_crops(self) -> str:
        return describe_face_crop(self._face)

    @property
    def remarks(self) -> Sequence[str]:
        return [
            Remark(remark.kind, remark.text, self._name_alias(remark.otherwise))
            if isinstance(remark, Remark)
            else remark
            for remark in self._layout.remarks
        ]

    @cached_property
    def attributes(self) -> Sequence[Attribute]:  # type: ignore[override]
        """Returns one attribute with the classes, sorted by name.

        Raises:
            DataError: the root is no image folder, or the name of a class cannot be a label.
        """
        names = sorted(self._layout.labels.values())
        hidden = [repr(name) for name in names if not is_printable(name)]
        if len(hidden) > 1:
            raise DataError(
                f"{self.root}: the names of {len(hidden)} class folders hold control characters, or others that cannot be"
                f" shown: {', '.join(hidden)}. Rename the folders."
            )
        try:
            return [Categorical(self.attribute, names)]
        except LabelError as error:
            raise DataError(f"{self.root}: {error}.") from None

    def examples(self) -> Iterable[Example]:
        """Returns the images, class by class, each sorted by path.

        Raises:
            DataError: the root is no image folder, or a class has no images.
        """
        (attribute,) = self.attributes
        return [
            Example(picture.path, {attribute.name: picture.label}, picture.identity, picture.side, self._crop)
            for picture in self._layout.pictures(self.levels or "class")
        ]

    @cached_property
    def _layout(self) -> Layout:
        # A value that the configuration set on the instance stays.
        chosen = vars(self).get("test_split")
        try:
            layout = read_layout(self.root, self.levels, pool=chosen in {"random", "person"})
        except DataError as error:
            plugin = f"{self.alias}={self.name}" if self.alias not in {"", self.name} else self.name
            remedy = "" if "--" in str(error) else suggest_folder(plugin, self.root)
            raise DataError(self._name_alias(f"{error}{remedy}")) from None
        if chosen is None and None not in layout.sides:
            self.test_split = "given"
        elif chosen is None and self.levels not in {None, "class"}:
            self.test_split = "person"
        return layout

    def _name_alias(self, message: str) -> str:
        named = re.sub(r"--set datasets\.ALIAS\.([\w=/]+)", lambda found: self.option(found[1]), message)
        return named.replace("datasets.ALIAS.", f"datasets.{self.alias or self.name}.")


@hookimpl
def register_datasets(register: Callable[[type[Dataset]], None]) -> None:
    register(Folder)
