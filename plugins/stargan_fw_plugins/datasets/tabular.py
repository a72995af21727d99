"""What the datasets have in common whose labels are the columns of a table."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING

from stargan_fw import Dataset, Example
from stargan_fw_plugins.datasets.columns import Choice, interpret

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stargan_fw import Crop
    from stargan_fw.interfaces.dataset import ImageSource, SplitName
    from stargan_fw_plugins.datasets.columns import Meaning, Records
    from stargan_fw_registry import Attribute


class Tabular(Dataset):
    """Labels from columns; a subclass says where the table and its images are.

    Attributes:
        choice: what the configuration says about the columns.
        crop: of every image; None is the centre.
    """

    on_contradiction = "unknown"

    choice: Choice
    crop: Crop | None = None

    @property
    @abstractmethod
    def records(self) -> Records:
        """The table."""

    @property
    @abstractmethod
    def image_column(self) -> str:
        """The column of images."""

    @abstractmethod
    def images(self) -> Sequence[ImageSource]:
        """Returns the image of each row."""

    def sides(self, meaning: Meaning) -> Sequence[SplitName | None]:
        """Returns the side of each row's image."""
        return meaning.splits

    @cached_property
    def attributes(self) -> Sequence[Attribute]:  # type: ignore[override]
        """What the columns mean.

        Raises:
            DataError: the table is missing or broken, or a column cannot be a label.
        """
        return self._meaning.attributes

    def examples(self) -> Iterable[Example]:
        """Returns an example a row, in the order of the table.

        Raises:
            DataError: as `attributes`, or an image is missing.
        """
        meaning = self._meaning
        rows = zip(self.images(), meaning.identities, self.sides(meaning), strict=True)
        return [
            Example(image, meaning.row(row), identity, side, self.crop)
            for row, (image, identity, side) in enumerate(rows)
        ]

    @cached_property
    def _meaning(self) -> Meaning:
        meaning = interpret(self.records, self.choice, self.image_column)
        # What the configuration sets, and what the plugin sets for it, stays.
        if "test_split" not in vars(self) and {"train", "test"}.issubset(self.sides(meaning)):
            self.test_split = "given"
        return meaning
