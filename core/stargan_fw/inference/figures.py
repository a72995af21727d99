"""Draws figures that compare several models, or variants of one, in rows of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from PIL import Image

from stargan_fw.errors import LabelError, ModelError
from stargan_fw.inference.inputs import as_input
from stargan_fw.rendering.pictures import to_pictures
from stargan_fw.rendering.sheets import draw_sheet, format_heading, list_domains, list_headings
from stargan_fw_registry import Edit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stargan_fw.inference.inputs import Reading
    from stargan_fw.inference.target_labels import Current
    from stargan_fw_registry import LabelSpace


NO_WAY = (128, 128, 128)  # zeros in [-1, 1], as `sheets.translate_to_all` draws them


class Translates(Protocol):
    """The part of a `Translator` that a figure uses."""

    labels: LabelSpace
    image_size: int

    def reading(self) -> Reading: ...

    def translate(self, images: Any, to: Any, *, current: Current = None) -> Any: ...


@dataclass(frozen=True, slots=True)
class FigureRow:
    """A model that gets a row for every image.

    Attributes:
        translator: the model.
        name: the text to the left of the row.
    """

    translator: Translates
    name: str = ""


def draw_figure(
    rows: Sequence[FigureRow],
    images: Sequence[Image.Image | str | Path],
    to: Sequence[str] | None = None,
    current: Current = None,
    dataset: str | None = None,
    *,
    down: Sequence[str] = (),
) -> Image.Image:
    """Returns a sheet with one row per image and model: the input, and then the image under every edit.

    With edits in `down`, further rows have the image under both edits, the row's and the column's. A cell is grey if the
    model has no way from the image's labels to the edit.

    Args:
        rows: the models; at least one.
        images: PIL images or paths.
        to: the edits; None shows every domain that all models know, without those of the datasets in `down`.
        current: the current labels that you know, as `Translator.translate` takes them.
        dataset: show the domains of this dataset only, if `to` is None; None shows those of all datasets.
        down: edits that get a row each, besides the row without them.

    Raises:
        LabelError: no domain is known to all models, an edit is not known to one of them, or two contradict each other.
        DataError: a picture cannot be read.
        ModelError: a model has no way from any image to any edit.
    """
    columns = {edit: format_heading(edit) for edit in to} if to else _shared_columns(rows, dataset, down)
    side = max(row.translator.image_size for row in rows)
    inputs = [to_pictures(as_input(image, rows[0].translator.reading()).square(side))[0] for image in images]
    lines = [["", *columns], *([own, *(f"{edit},{own}" for edit in columns)] for own in down)]
    edits = [edit for line in lines for edit in line if edit]
    translated = [dict(zip(edits, _columns(row, images, edits, current), strict=True)) for row in rows]
    cells = [
        [of_row[edit][number] if edit else before for edit in line]
        for number, before in enumerate(inputs)
        for of_row in translated
        for line in lines
    ]
    names = [f"{row.name} {name}".strip() for row in rows for name in ("", *map(format_heading, down))]
    return draw_sheet(cells, ["input", *columns.values()], names=names * len(inputs))


def _columns(
    row: FigureRow, images: Sequence[Image.Image | str | Path], edits: Sequence[str], current: Current
) -> list[list[Image.Image]]:
    """Returns the images under each edit. If the model cannot translate all at once, it translates one by one."""
    try:
        return cast("list[list[Image.Image]]", row.translator.translate(images, edits, current=current))
    except ModelError as error:
        reason = error
    each = [current] * len(images) if current is None or isinstance(current, str | Edit) else list(current)
    columns = [[_cell(row, image, edit, own) for image, own in zip(images, each, strict=True)] for edit in edits]
    if not any(cell for column in columns for cell in column):
        raise reason
    side = row.translator.image_size
    return [[cell or Image.new("RGB", (side, side), NO_WAY) for cell in column] for column in columns]


def _cell(row: FigureRow, image: Image.Image | str | Path, edit: str, current: Current) -> Image.Image | None:
    try:
        (cell,) = row.translator.translate([image], edit, current=current)
    except ModelError:
        return None
    return cast("Image.Image", cell)


def _shared_columns(rows: Sequence[FigureRow], dataset: str | None, down: Sequence[str]) -> dict[str, str]:
    """Returns the headings of the domains that all models know, by their edits."""
    first, *others = (row.translator.labels for row in rows)
    taken = {edit.dataset for text in down for edit in first.resolve_all(text)}
    shared = [domain for domain in list_domains(first) if all(domain in list_domains(space) for space in others)]
    shown = [one for one in shared if one.dataset not in taken and dataset in (None, one.dataset)]
    if down and shared and not shown:
        raise LabelError(f"the rows ({' and '.join(down)}) leave no domains for columns: name some (--to)")
    if not shown:
        known = "; ".join(", ".join(row.translator.labels.datasets) for row in rows)
        raise LabelError(f"no domain to show is common to all models ({known}): name edits that each of them knows")
    return dict(zip((one.edit for one in shown), list_headings(shown), strict=True))
