"""A sheet of a dataset's images with their labels, to look at before training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from stargan_fw.data.framing import prepare
from stargan_fw.data.images import open_image
from stargan_fw.data.source import name_of
from stargan_fw.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stargan_fw.data.check import Checked

SIDE, GAP, ACROSS, DOWN, LINE = 128, 4, 8, 3, 12
INK, PAPER = (30, 30, 30), (255, 255, 255)
WIDEST, LINES = 21, 5  # characters and lines that fit below a picture, about


def draw_contact_sheet(checked: Sequence[Checked], path: Path) -> None:
    """Writes images spread over each dataset, cropped as for training, above the labels that are set; `?` is unknown.

    Raises:
        DataError: the file cannot be written.
    """
    cells = [cell for dataset in checked for cell in _cells(dataset)]
    height = SIDE + LINES * LINE + GAP
    rows = max(1, -(-len(cells) // ACROSS))
    sheet = Image.new("RGB", (ACROSS * (SIDE + GAP) + GAP, rows * height + GAP), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for number, (picture, caption) in enumerate(cells):
        down, across = divmod(number, ACROSS)
        left, top = GAP + across * (SIDE + GAP), GAP + down * height
        sheet.paste(picture, (left, top))
        draw.multiline_text((left, top + SIDE), caption, INK, font, spacing=1)
    try:
        sheet.save(path)
    except (OSError, ValueError) as error:
        raise DataError(f"The sheet '{path}' cannot be written: {error}. Name a PNG in a folder that exists.") from None


def _cells(dataset: Checked) -> Iterator[tuple[Image.Image, str]]:
    step = max(1, len(dataset.examples) // (ACROSS * DOWN))
    for index in range(0, len(dataset.examples), step)[: ACROSS * DOWN]:
        example = dataset.examples[index]
        with open_image(example.image) as image:
            picture = prepare(image, SIDE, dataset.crop_size, example.crop)
        row = dataset.labels[index]
        note = dataset.report.notes.get(name_of(example, Path(dataset.report.root)))
        said = [f"({note})"] if note else []
        said += [name for name, value in zip(dataset.names, row, strict=True) if value == 1]
        said += [f"{name}?" for name, value in zip(dataset.names, row, strict=True) if np.isnan(value)]
        yield picture, "\n".join([dataset.report.alias, *(name[:WIDEST] for name in said)][:LINES])
