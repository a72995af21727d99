"""Sheets: one row per image, first the input, then its translation to every domain."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps
from torch import Tensor

from stargan_fw.interfaces import Method
from stargan_fw.interfaces.method import read_labels, translate_where_possible
from stargan_fw.rendering.pictures import to_pictures, to_tensor
from stargan_fw_registry import LabelSpace

INK, BACKGROUND = (30, 30, 30), (255, 255, 255)
GAP = 2
WIDEST_HEADING = 15  # characters that fit above a picture, about


@dataclass(frozen=True, slots=True)
class Domain:
    """A column of a sheet: one edit.

    Attributes:
        dataset: whose label it edits.
        label: the label's name in that dataset.
        flips: whether it turns a binary label over; otherwise it sets it.
    """

    dataset: str
    label: str
    flips: bool

    @property
    def heading(self) -> str:
        """What stands above the column."""
        return f"flip {self.label}" if self.flips else self.label

    @property
    def edit(self) -> str:
        """The edit that leads there."""
        return f"{self.dataset}.{self.label}" + ("=flip" if self.flips else "")

    def target(self, space: LabelSpace, labels: Tensor) -> Tensor:
        """Returns the edited labels, (B, d), of images whose labels are (B, d) of 0 and 1."""
        if not self.flips:
            return space.edit(self.dataset, labels, f"{self.dataset}.{self.label}")
        position = space.schema(self.dataset).position(self.label)
        flipped = labels.clone()
        flipped[:, position] = 1 - labels[:, position].nan_to_num()
        return flipped


def domains(space: LabelSpace) -> Iterator[Domain]:
    """Yields every domain of every dataset: each value of a group, and each lone label turned over."""
    for dataset in space.datasets:
        schema = space.schema(dataset)
        for attribute, part in schema.parts:
            for name in schema.names[part]:
                yield Domain(dataset, name, flips=attribute.size == 1)


@torch.no_grad()
def translate_to_all(method: Method, images: Tensor, known: dict[str, Tensor]) -> list[Tensor]:
    """Returns the images in every domain, a (B, 3, H, W) tensor each; grey where the method has no way there.

    Args:
        method: translates them.
        images: (B, 3, H, W) in [-1, 1].
        known: labels (B, d) by dataset; those of other datasets are read from the images.
    """
    labels = {
        name: known[name] if name in known else read_labels(method, images, name) for name in method.space.datasets
    }
    return [_translate(method, images, domain, labels[domain.dataset]) for domain in domains(method.space)]


def _translate(method: Method, images: Tensor, domain: Domain, labels: Tensor) -> Tensor:
    def translate(some: Tensor, own: Tensor) -> Tensor:
        return method.translate(some, domain.dataset, domain.target(method.space, own), own)

    return translate_where_possible(translate, images, labels)[0]


class SampleSheet:
    """Draws fixed images in every domain.

    Args:
        rows: by dataset, RGB pictures of the model's size and their labels, (B, d).
        device: to translate on.
    """

    def __init__(self, rows: dict[str, tuple[list[Image.Image], Tensor]], device: torch.device) -> None:
        self._rows = {
            name: (pictures, to_tensor(pictures).to(device), labels.to(device))
            for name, (pictures, labels) in rows.items()
        }

    def draw(self, method: Method) -> Image.Image:
        """Returns the sheet."""
        headings = ["input", *(domain.heading for domain in domains(method.space))]
        rows: list[list[Image.Image]] = []
        for dataset, (pictures, images, labels) in self._rows.items():
            columns = translate_to_all(method, images, {dataset: labels})
            translated = [to_pictures(column) for column in columns]
            rows += [list(row) for row in zip(pictures, *translated, strict=True)]
        return draw_sheet(rows, headings)


def draw_sheet(
    rows: Sequence[Sequence[Image.Image]],
    headings: Sequence[str],
    side: int | None = None,
    names: Sequence[str] = (),
) -> Image.Image:
    """Returns a grid of pictures under headings.

    Args:
        rows: pictures, as many in each row as there are headings.
        headings: of the columns.
        side: of a cell in pixels; None is the widest picture's own, but at least 96.
        names: of the rows, on their left; without any there is no margin for them.
    """
    side = side or max([96, *(max(picture.size) for row in rows for picture in row)])
    font = ImageFont.load_default(max(9, side // 8))
    lines = [_wrapped(heading) for heading in headings]
    top = max(len(parts) for parts in lines) * (side // 6) + 2 * GAP
    margin = max((int(font.getlength(name)) + 4 * GAP for name in names if name), default=0)
    sheet = Image.new("RGB", (margin + len(headings) * (side + GAP) + GAP, top + len(rows) * (side + GAP)), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for down, name in enumerate(names):
        draw.text((margin - 2 * GAP, top + down * (side + GAP) + side // 2), name, INK, font, anchor="rm")
    for column, parts in enumerate(lines):
        centre = margin + GAP + column * (side + GAP) + side // 2
        draw.multiline_text((centre, top - GAP), "\n".join(parts), INK, font, anchor="md", align="center", spacing=2)
    for down, row in enumerate(rows):
        for across, picture in enumerate(row):
            cell = ImageOps.pad(picture, (side, side), Image.Resampling.LANCZOS, color=BACKGROUND)
            sheet.paste(cell, (margin + GAP + across * (side + GAP), top + down * (side + GAP)))
    return sheet


def heading(edit: str) -> str:
    """Returns what stands above the column of an edit."""
    parts = (part.strip() for part in edit.split(","))
    return ", ".join(f"flip {part.removesuffix('=flip')}" if part.endswith("=flip") else part for part in parts)


def _wrapped(heading: str) -> list[str]:
    """Breaks a heading at blanks and underscores into lines that fit above a picture."""
    lines = [""]
    for word in heading.replace("_", " ").split():
        fits = len(lines[-1]) + len(word) < WIDEST_HEADING
        lines = [*lines[:-1], f"{lines[-1]} {word}".strip()] if fits else [*lines, word]
    return lines
