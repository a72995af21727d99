"""The base class of datasets with their labels in the columns of a table."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

from stargan_fw import Dataset, Example
from stargan_fw.errors import DataError
from stargan_fw_plugins.datasets.columns import interpret
from stargan_fw_plugins.datasets.doubts import Finding, as_remarks
from stargan_fw_plugins.datasets.records import label_name
from stargan_fw_plugins.datasets.repeated_rows import merge_repeated
from stargan_fw_registry import Continuous

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stargan_fw import Crop
    from stargan_fw.interfaces.dataset import ImageSource, SplitName
    from stargan_fw_plugins.datasets.columns import Annotations
    from stargan_fw_plugins.datasets.records import ColumnOptions, Records
    from stargan_fw_registry import Attribute


class Tabular(Dataset):
    """A dataset with labels from columns; a subclass says where the table and its images are.

    Attributes:
        column_options: what the configuration says about the columns.
        crop: finds the square of every image; None means the centre.
    """

    on_contradiction = "unknown"

    column_options: ColumnOptions
    crop: Crop | None = None

    @property
    @abstractmethod
    def records(self) -> Records:
        """Returns the table."""

    @property
    @abstractmethod
    def image_column(self) -> str:
        """Returns the name of the column of images."""

    @abstractmethod
    def images(self) -> Sequence[ImageSource]:
        """Returns the image of each row."""

    def row_splits(self, annotations: Annotations) -> Sequence[SplitName | None]:
        """Returns "train", "test" or None for each row."""
        return annotations.splits

    @cached_property
    def attributes(self) -> Sequence[Attribute]:  # type: ignore[override]
        """Returns the attributes that the columns describe.

        Raises:
            DataError: the table is missing or broken, or a column cannot be a label.
        """
        return self._annotations.attributes

    @property
    def findings(self) -> Sequence[Finding]:
        """Returns what was inferred from the columns and rows, left out, or looks like a mistake."""
        read = [Finding("role", note) for note in self.records.notes]
        return [*read, *self._annotations.findings, *self._row_findings]

    @property
    def found_options(self) -> Mapping[str, Any]:
        """Returns the ranges of numbers that were taken from the data."""
        numbers = {each.name: each for each in self.attributes if isinstance(each, Continuous)}
        chosen = self.column_options.continuous
        found = {column: [numbers[label_name(column)].low, numbers[label_name(column)].high] for column in chosen}
        return {"continuous": found} if "data" in chosen.values() else {}

    @property
    def remarks(self) -> Sequence[str]:
        return as_remarks(self.findings)

    def examples(self) -> Iterable[Example]:
        """Returns one example per image, in the order of the table.

        Raises:
            DataError: the table is missing or broken, a column cannot be a label, or an image is missing.
        """
        annotations = self._annotations
        rows = zip(self._images, annotations.identities, self.row_splits(annotations), strict=True)
        examples = [
            Example(image, annotations.row(row), identity, side, self.crop)
            for row, (image, identity, side) in enumerate(rows)
        ]
        examples, findings = merge_repeated(examples, self.records)
        self._row_findings = findings
        return examples

    _row_findings: Sequence[Finding] = ()

    @cached_property
    def _images(self) -> Sequence[ImageSource]:
        return self.images()

    @cached_property
    def _annotations(self) -> Annotations:
        try:
            annotations = interpret(self.records, self.column_options, self.image_column, self.alias or "NAME")
        except DataError as error:
            raise self._with_missing_images(error) from None
        # A value that the configuration or the subclass set on the instance stays.
        if "test_split" not in vars(self):
            if {"train", "test"}.issubset(self.row_splits(annotations)):
                self.test_split = "given"
            elif annotations.by_person:
                self.test_split = "person"
        return annotations

    def _with_missing_images(self, error: DataError) -> DataError:
        """Returns an error with what is wrong with the images as well, so that both are mended in one round."""
        try:
            self._images  # noqa: B018 - looks for them
        except DataError as other:
            if str(other) != str(error):
                return DataError.of([str(error), str(other)])
        return error
