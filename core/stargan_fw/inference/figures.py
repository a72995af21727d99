"""Figures that compare: several models (Fig. 6), or the right and the wrong mask (Fig. 7), a row each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stargan_fw.errors import LabelError
from stargan_fw.inference.inputs import given
from stargan_fw.inference.pictures import to_pictures
from stargan_fw.inference.sheets import Domain, domains, draw_sheet, heading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PIL import Image

    from stargan_fw.inference.pipeline import Mask
    from stargan_fw.inference.translator import Translator


@dataclass(frozen=True, slots=True)
class Row:
    """What every image gets a row for.

    Attributes:
        translator: the model.
        name: what stands before the row; empty for nothing.
        mask: "wrong" translates under the mask of another dataset.
    """

    translator: Translator
    name: str = ""
    mask: Mask = "right"


def draw_figure(
    rows: Sequence[Row], images: Sequence[Image.Image | str | Path], to: Sequence[str] | None = None
) -> Image.Image:
    """Returns a sheet: for each image the rows, each the input and then the image under every edit.

    Args:
        rows: at least one.
        images: PIL images or paths.
        to: the edits; None takes every domain that all models know, and with a wrong mask those of the last dataset.

    Raises:
        LabelError: no domain is known to all models, or an edit is not known to one of them.
        DataError: a picture cannot be read.
    """
    columns = (
        {edit: heading(edit) for edit in to}
        if to
        else {domain.edit: domain.heading for domain in _shared_domains(rows)}
    )
    side = max(row.translator.image_size for row in rows)
    inputs = [to_pictures(given(image).square(side))[0] for image in images]
    translated = [row.translator.translate(images, list(columns), mask=row.mask) for row in rows]
    cells = [
        [before, *(column[number] for column in of_row)]
        for number, before in enumerate(inputs)
        for of_row in translated
    ]
    return draw_sheet(cells, ["input", *columns.values()], names=[row.name for row in rows] * len(inputs))


def _shared_domains(rows: Sequence[Row]) -> list[Domain]:
    first, *others = (row.translator.labels for row in rows)
    shared = [domain for domain in domains(first) if all(domain in domains(space) for space in others)]
    if any(row.mask == "wrong" for row in rows):
        shared = [domain for domain in shared if domain.dataset == first.datasets[-1]]
    if not shared:
        known = "; ".join(", ".join(row.translator.labels.datasets) for row in rows)
        raise LabelError(f"the models share no domain (their datasets: {known}): name edits that each of them knows")
    return shared
