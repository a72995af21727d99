"""Draws a contact sheet of checked datasets: pictures as a training would see them, above their labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from stargan_fw.data.images import open_image, prepare
from stargan_fw.data.source import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stargan_fw.interfaces import Example
    from stargan_fw_data.image_check import CheckedDataset
    from stargan_fw_registry import LabelSchema

SIDE, GAP, LINE = 128, 4, 12  # in pixels
COLUMNS, ROWS = 8, 3  # of pictures, the rows per dataset
INK, BACKGROUND = (30, 30, 30), (255, 255, 255)
WIDEST, LINES = 21, 5  # characters and lines that fit below an image


def draw_contact_sheet(checked: Sequence[CheckedDataset]) -> Image.Image:
    """Draws some images per dataset, cropped as for training, above their labels; `?` is unknown."""
    cells = [cell for dataset in checked for cell in _cells(dataset)]
    height = SIDE + LINES * LINE + GAP
    rows = max(1, -(-len(cells) // COLUMNS))
    sheet = Image.new("RGB", (COLUMNS * (SIDE + GAP) + GAP, rows * height + GAP), BACKGROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for number, (image, caption) in enumerate(cells):
        row, column = divmod(number, COLUMNS)
        left, top = GAP + column * (SIDE + GAP), GAP + row * height
        sheet.paste(image, (left, top))
        draw.multiline_text((left, top + SIDE), caption, INK, font, spacing=1)
    return sheet


def _cells(dataset: CheckedDataset) -> Iterator[tuple[Image.Image, str]]:
    for index in _select_cells(dataset, COLUMNS * ROWS):
        example = dataset.examples[index]
        with open_image(example.image) as opened:
            image = prepare(opened, SIDE, dataset.options, example.crop)
        words = _words(dataset.schema, dataset.labels[index].tolist()) if dataset.schema else []
        note = _note(dataset, example)
        words[:0] = [f"({note})"] if note else []
        lines = [dataset.report.alias, *(word[:WIDEST] for word in words)]
        if len(lines) > LINES:
            lines[LINES - 1 :] = [f"and {len(lines) - LINES + 1} more"]
        yield image, "\n".join(lines)


def _words(schema: LabelSchema, labels: Sequence[float]) -> list[str]:
    """Returns the labels that an image has, numbers among them, and then those that nobody knows."""
    known = [text for text in schema.write(schema.known(labels)) if not text.endswith("=0")]
    return known + [f"{name}?" for name, value in zip(schema.names, labels, strict=True) if np.isnan(value)]


def _select_cells(dataset: CheckedDataset, count: int) -> list[int]:
    """Returns up to `count` examples: some with notes, one of each label, and others, drawn with a fixed seed.

    Every n-th example would not do: if images are sorted by label, it would show a few labels only.
    """
    order = np.random.default_rng(0).permutation(len(dataset.examples))
    noted = [index for index in order if _note(dataset, dataset.examples[index])] if dataset.report.notes else []
    chosen = noted[: count // 3]
    for has_label in (dataset.labels == 1).T:
        if has_label.any() and not has_label[chosen].any():
            chosen.append(order[has_label[order]][0])
    return sorted(list(dict.fromkeys([*chosen, *order]))[:count])


def _note(dataset: CheckedDataset, example: Example) -> str | None:
    return dataset.report.notes.get(name_of(example, Path(dataset.report.root)))
