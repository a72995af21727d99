"""A sheet of a dataset's images with their labels, to look at before training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from stargan_fw.data.images import open_image, prepare
from stargan_fw.data.source import name_of
from stargan_fw.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stargan_fw.data.check import Checked
    from stargan_fw.interfaces import Example

SIDE, GAP, ACROSS, DOWN, LINE = 128, 4, 8, 3, 12
INK, BACKGROUND = (30, 30, 30), (255, 255, 255)
WIDEST, LINES = 21, 5  # characters and lines that fit below a picture, about


def draw_contact_sheet(checked: Sequence[Checked], path: Path) -> None:
    """Writes images drawn from each dataset, cropped as for training, above the labels that are set; `?` is unknown.

    Raises:
        DataError: the file cannot be written.
    """
    cells = [cell for dataset in checked for cell in _cells(dataset)]
    height = SIDE + LINES * LINE + GAP
    rows = max(1, -(-len(cells) // ACROSS))
    sheet = Image.new("RGB", (ACROSS * (SIDE + GAP) + GAP, rows * height + GAP), BACKGROUND)
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
    for index in _chosen(dataset, ACROSS * DOWN):
        example = dataset.examples[index]
        with open_image(example.image) as image:
            picture = prepare(image, SIDE, dataset.crop_size, example.crop)
        row = dataset.labels[index]
        note = _note(dataset, example)
        said = [f"({note})"] if note else []
        said += [name for name, value in zip(dataset.names, row, strict=True) if value == 1]
        said += [f"{name}?" for name, value in zip(dataset.names, row, strict=True) if np.isnan(value)]
        lines = [dataset.report.alias, *(name[:WIDEST] for name in said)]
        if len(lines) > LINES:
            lines[LINES - 1 :] = [f"and {len(lines) - LINES + 1} more"]
        yield picture, "\n".join(lines)


def _chosen(dataset: Checked, count: int) -> list[int]:
    """Returns up to `count` examples: some with notes, one of each label, and any others.

    They are drawn, with a seed of their own: at a fixed step, images that are sorted by label would show a few alone.
    """
    order = np.random.default_rng(0).permutation(len(dataset.examples))
    noted = [index for index in order if _note(dataset, dataset.examples[index])] if dataset.report.notes else []
    chosen = noted[: count // 3]
    for has_label in (dataset.labels == 1).T:
        if has_label.any() and not has_label[chosen].any():
            chosen.append(order[has_label[order]][0])
    return sorted(list(dict.fromkeys([*chosen, *order]))[:count])


def _note(dataset: Checked, example: Example) -> str | None:
    return dataset.report.notes.get(name_of(example, Path(dataset.report.root)))
