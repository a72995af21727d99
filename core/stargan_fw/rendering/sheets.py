"""Draws sheets: one row per image, with the input first and then its translation to every domain."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps

from stargan_fw.errors import ModelError
from stargan_fw.interfaces.method import read_labels
from stargan_fw.rendering.pictures import to_pictures, to_tensor
from stargan_fw_registry import quote_name, read_quoted, split_quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from stargan_fw.data.source import Source
    from stargan_fw.interfaces import Method
    from stargan_fw_registry import LabelSpace

INK, BACKGROUND = (30, 30, 30), (255, 255, 255)
GAP = 2
WIDEST_HEADING = 15  # about as many characters fit above a picture


@dataclass(frozen=True, slots=True)
class Domain:
    """A column of a sheet: one edit.

    Attributes:
        dataset: the dataset of the edited label.
        text: the edit without the dataset: "happy", "young=flip", "age=30".
    """

    dataset: str
    text: str

    @property
    def heading(self) -> str:
        """The text above the column."""
        return format_heading(self.text)

    @property
    def edit(self) -> str:
        """The edit, as `Translator.translate` takes it."""
        return f"{self.dataset}.{self.text}"

    def target(self, space: LabelSpace, labels: Tensor) -> Tensor:
        """Returns the edited labels (B, d) for labels (B, d) from 0 to 1; NaN counts as 0 in a flipped label."""
        edit, known = space.resolve(self.edit), labels.clone()
        for label in edit.flips:
            known[:, space.schema(self.dataset).position(label)].nan_to_num_()
        return space.edit(self.dataset, known, edit)


def list_domains(space: LabelSpace) -> list[Domain]:
    """Returns the domains of every dataset: each value of a group, other labels turned over, and numbers spread over a range."""
    return [
        Domain(schema.name, quote_name(name) + end)
        for schema in space.schemas
        for attribute, part in schema.parts
        for name in schema.names[part]
        for end in attribute.shown
    ]


def list_headings(domains: Sequence[Domain]) -> list[str]:
    """Returns the text above each domain's column, with the dataset if another column would have the same."""
    uses = Counter(domain.heading for domain in domains)
    return [one.heading if uses[one.heading] == 1 else format_heading(one.edit) for one in domains]


@torch.no_grad()
def translate_to_all(method: Method, images: Tensor, known: dict[str, Tensor]) -> list[Tensor]:
    """Returns one (B, 3, H, W) tensor per domain; an image is grey if the method cannot translate it.

    Args:
        method: the method, on the images' device.
        images: (B, 3, H, W) in [-1, 1].
        known: labels (B, d) by dataset; those of other datasets, and those that are NaN, are read from the images.
    """
    labels = {name: read_labels(method, images, name, known.get(name)) for name in method.space.datasets}
    return [_translate(method, images, domain, labels[domain.dataset]) for domain in list_domains(method.space)]


def _translate(method: Method, images: Tensor, domain: Domain, labels: Tensor) -> Tensor:
    def translate(some: Tensor, own: Tensor) -> Tensor:
        return method.translate(some, domain.dataset, domain.target(method.space, own), own)

    return translate_if_possible(translate, images, labels)[0]


def translate_if_possible(translate: Callable[..., Tensor], images: Tensor, *labels: Tensor) -> tuple[Tensor, Tensor]:
    """Translates the images of a batch that the method can translate.

    Args:
        translate: called with images and labels; raises ModelError if it cannot translate one of them.
        images: (B, 3, H, W).
        labels: (B, d) each.

    Returns:
        The translations (B, 3, H, W), zeros for images that cannot be translated; and (B,) of bool, True if translated.
    """
    try:
        return translate(images, *labels), torch.ones(len(images), dtype=torch.bool, device=images.device)
    except ModelError:
        if len(images) == 1:
            return torch.zeros_like(images), torch.zeros(1, dtype=torch.bool, device=images.device)
    singles = zip(*(torch.split(tensor, 1) for tensor in (images, *labels)), strict=True)
    translated, possible = zip(*(translate_if_possible(translate, *single) for single in singles), strict=True)
    return torch.cat(translated), torch.cat(possible)


class SampleSheet:
    """Draws fixed images in every domain.

    Args:
        rows: by dataset, RGB pictures of the model's size and their labels (B, d).
        device: the device to translate on.
    """

    def __init__(self, rows: dict[str, tuple[list[Image.Image], Tensor]], device: torch.device) -> None:
        self._rows = {
            name: (pictures, to_tensor(pictures).to(device), labels.to(device))
            for name, (pictures, labels) in rows.items()
        }

    @classmethod
    def of_held_out(
        cls, method: Method, sources: Sequence[Source], count: int, image_size: int, device: torch.device
    ) -> SampleSheet:
        """Chooses about `count` test images, an equal number per dataset, and those that suit the method first."""
        each, rows = max(1, count // len(sources)), {}
        for source in sources:
            suits = method.suits_sheet(source.alias, torch.from_numpy(source.labels[list(source.test)]))
            chosen = source.held_out(each, suits.tolist())
            rows[source.alias] = (source.pictures(chosen, image_size), torch.from_numpy(source.labels[chosen]))
        return cls(rows, device)

    def draw(self, method: Method) -> Image.Image:
        """Returns the sheet."""
        rows: list[Sequence[Image.Image]] = []
        for dataset, (pictures, images, labels) in self._rows.items():
            columns = translate_to_all(method, images, {dataset: labels})
            rows += zip(pictures, *map(to_pictures, columns), strict=True)
        return draw_sheet(rows, ["input", *list_headings(list_domains(method.space))])


def draw_sheet(
    rows: Sequence[Sequence[Image.Image]], headings: Sequence[str], side: int | None = None, names: Sequence[str] = ()
) -> Image.Image:
    """Returns a grid of pictures under headings.

    Args:
        rows: the pictures; each row has one per heading.
        headings: the text above each column.
        side: side of a cell in pixels; None is that of the largest picture, but at least 96.
        names: the text to the left of each row; without names there is no margin.
    """
    side = side or max([96, *(max(picture.size) for row in rows for picture in row)])
    font = ImageFont.load_default(max(9, side // 8))
    lines = [_wrap(heading) for heading in headings]
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


def format_heading(edit: str) -> str:
    """Returns the text above the column of an edit: "flip young" for "young=flip"."""
    parts = [(*read_quoted(part), part.strip()) for part in split_quoted(edit)]
    return ", ".join(f"flip {key}" if value == "flip" else key if value is None else part for key, value, part in parts)


def _wrap(heading: str) -> list[str]:
    """Breaks a heading at blanks and underscores into lines that fit above a picture."""
    lines = [""]
    for word in heading.replace("_", " ").split():
        fits = len(lines[-1]) + len(word) < WIDEST_HEADING
        lines = [*lines[:-1], f"{lines[-1]} {word}".strip()] if fits else [*lines, word]
    return lines
