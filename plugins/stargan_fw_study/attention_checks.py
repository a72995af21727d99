"""Attention checks: questions whose answer is known and plain to everybody who looks (Sec. 5.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from collections.abc import Callable

FEWEST_CHECKS = 3
LUCKY_SHARE = 0.01  # of those who answer at random, at most so many may pass all checks
TILES = 4  # per side of a scrambled picture
NOISE = 0.8  # the share of noise in a noisy picture


def how_many_checks(options: int) -> int:
    """Returns how many checks a study needs so that at most one in a hundred who answer at random passes them all.

    Args:
        options: the number of options of a question.
    """
    count = FEWEST_CHECKS
    while options**-count > LUCKY_SHARE:
        count += 1
    return count


def draw_check(picture: Image.Image, options: int, rng: np.random.Generator) -> list[Image.Image]:
    """Returns the options of a check that asks for no change: first the right option, then spoilt pictures.

    The right option differs from the input by at most one level in 255. It looks the same, and has other bytes in the page.

    Args:
        picture: the input, RGB.
        options: the number of options, the right one included.
        rng: draws how pictures are spoilt.
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
