"""Puts an edit back into the picture that it was made from, at the picture's own resolution."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

FADE = 1 / 16  # of the square's side: how far the edit fades out where the picture goes on
# How much a change may vary around a pixel, in [-1, 1], before the original's detail there starts to go, and is gone.
DETAIL_GOES, DETAIL_GONE = 0.05, 0.2


def square_of(width: int, height: int) -> tuple[int, int, int]:
    """Returns left, top and side of the centred square."""
    side = min(width, height)
    return (width - side) // 2, (height - side) // 2, side


def paste(original: Tensor, before: Tensor, edited: Tensor, *, fade: tuple[bool, bool] = (False, False)) -> Tensor:
    """Returns the original square with the edit in it.

    The result is enlarged, and the detail that the model never saw, original - enlarged(before), is put over it: without
    it there is a blur in the middle of a sharp picture. Where the change has a shape of its own, a new mouth for instance,
    the old detail would shine through as a ghost, and is left out.

    Args:
        original: (B, 3, side, side) in [-1, 1].
        before: (B, 3, s, s), the original at the model's size.
        edited: (B, 3, s, s), the model's result.
        fade: whether the picture goes on left and right, and above and below, so that the edit fades out there.

    Returns:
        (B, 3, side, side) in [-1, 1].
    """
    side = original.shape[-1]
    before, edited = before.float(), edited.float()
    detail = original - _enlarged(before, side)
    ghosts = _enlarged(_ghosts(edited - before), side).clamp(0, 1)
    change = _enlarged(edited - before, side) - ghosts * detail
    across = _ramp(side, original) if fade[0] else torch.ones(side).to(original)
    down = _ramp(side, original) if fade[1] else torch.ones(side).to(original)
    return (original + change * down[:, None] * across).clamp(-1, 1)


def _ghosts(change: Tensor) -> Tensor:
    """Returns (B, 1, s, s) from 0 to 1: how much of the old detail would shine through a change (B, 3, s, s)."""
    radius = max(2, change.shape[-1] // 32)
    varies = (change - _blurred(change, radius)).abs().amax(dim=1, keepdim=True)
    varies = F.max_pool2d(varies, 3, 1, 1)
    return _blurred(((varies - DETAIL_GOES) / (DETAIL_GONE - DETAIL_GOES)).clamp(0, 1), 1)


def _blurred(images: Tensor, radius: int) -> Tensor:
    return F.avg_pool2d(F.pad(images, (radius,) * 4, mode="replicate"), 2 * radius + 1, 1)


def _enlarged(images: Tensor, side: int) -> Tensor:
    return F.interpolate(images, (side, side), mode="bicubic", antialias=True)


def _ramp(side: int, like: Tensor) -> Tensor:
    """Returns (side,) factors that rise smoothly from 0 at both ends to 1."""
    distance = torch.arange(side).to(like).add(0.5)
    distance = torch.minimum(distance, distance.flip(0)) / max(1.0, side * FADE)
    return distance.clamp(max=1).mul(torch.pi / 2).sin().square()
