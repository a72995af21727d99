"""Puts an edit back into the picture that it was made from, at the picture's own resolution."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

FADE = 1 / 16  # of the square's side: how far the edit fades out where the picture goes on


def square_of(width: int, height: int) -> tuple[int, int, int]:
    """Returns left, top and side of the centred square."""
    side = min(width, height)
    return (width - side) // 2, (height - side) // 2, side


def paste(original: Tensor, before: Tensor, edited: Tensor, *, fade: tuple[bool, bool] = (False, False)) -> Tensor:
    """Returns the original square with the edit in it.

    What the model changed is enlarged and added, so that the detail which it never saw stays: an enlarged result alone
    is a blur in the middle of a sharp picture.

    Args:
        original: (B, 3, side, side) in [-1, 1].
        before: (B, 3, s, s), the original at the model's size.
        edited: (B, 3, s, s), the model's result.
        fade: whether the picture goes on left and right, and above and below, so that the edit fades out there.

    Returns:
        (B, 3, side, side) in [-1, 1].
    """
    side = original.shape[-1]
    change = F.interpolate(edited.float() - before.float(), (side, side), mode="bicubic", antialias=True)
    across = _ramp(side, original) if fade[0] else torch.ones(side).to(original)
    down = _ramp(side, original) if fade[1] else torch.ones(side).to(original)
    return (original + change * down[:, None] * across).clamp(-1, 1)


def _ramp(side: int, like: Tensor) -> Tensor:
    """Returns (side,) factors that rise smoothly from 0 at both ends to 1."""
    distance = torch.arange(side).to(like).add(0.5)
    distance = torch.minimum(distance, distance.flip(0)) / max(1.0, side * FADE)
    return distance.clamp(max=1).mul(torch.pi / 2).sin().square()
