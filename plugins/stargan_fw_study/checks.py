"""Attention checks: questions with a known answer, which nobody who looks gets wrong (Sec. 5.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from collections.abc import Callable

FEWEST = 3
GUESSED = 0.01  # the largest share of those who answer at random that may pass them all
TILES = 4  # a side
NOISE = 0.8  # the share of the noise in what is spoilt with it


def how_many_checks(options: int) -> int:
    """Returns how many checks keep all but one in a hundred out of those who answer at random.

    Args:
        options: of a question.
    """
    count = FEWEST
    while options**-count > GUESSED:
        count += 1
    return count


def draw_check(picture: Image.Image, options: int, rng: np.random.Generator) -> list[Image.Image]:
    """Returns the options of a check that asks for no change: first the right one, then spoilt pictures.

    The right one is off by at most one level in 255, so that it looks like the input and has other bytes in the page.

    Args:
        picture: the input, RGB.
        options: how many, with the right one.
        rng: spoils.
    """
    kinds = rng.permutation(len(SPOILT))
    wrong = [SPOILT[kinds[number % len(kinds)]](picture, rng) for number in range(options - 1)]
    return [_nudged(picture, rng), *wrong]


def _nudged(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    pixels = np.asarray(picture).astype(np.int16)
    return Image.fromarray((pixels + rng.integers(-1, 2, pixels.shape)).clip(0, 255).astype(np.uint8))


def _noisy(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    pixels = np.asarray(picture)
    noise = Image.fromarray(rng.integers(0, 256, pixels.shape, dtype=np.uint8))
    return Image.blend(picture, noise, NOISE)


def _scrambled(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    width, height = (side // TILES for side in picture.size)
    corners = [(width * (i % TILES), height * (i // TILES)) for i in range(TILES**2)]
    scrambled = picture.copy()
    for (left, top), source in zip(corners, rng.permutation(len(corners)), strict=True):
        x, y = corners[source]
        scrambled.paste(picture.crop((x, y, x + width, y + height)), (left, top))
    return scrambled


def _negative(picture: Image.Image, rng: np.random.Generator) -> Image.Image:  # noqa: ARG001
    return ImageOps.invert(picture)


def _upside_down(picture: Image.Image, rng: np.random.Generator) -> Image.Image:  # noqa: ARG001
    return ImageOps.flip(picture)


SPOILT: tuple[Callable[[Image.Image, np.random.Generator], Image.Image], ...] = (
    _noisy,
    _scrambled,
    _negative,
    _upside_down,
)
