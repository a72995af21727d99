"""Pastes a translation into its picture, at the picture's own resolution."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

FADE = 1 / 16  # share of the square's side over which an edit fades out towards the rest of the picture
# How much a change varies around a pixel, in [-1, 1], if the original's detail begins to go there, and if it is gone.
DETAIL_GOES, DETAIL_GONE = 0.05, 0.2


def paste(original: Tensor, before: Tensor, edited: Tensor, *, fade: tuple[bool, bool] = (False, False)) -> Tensor:
    """Returns the original with the edit in it.

    The model's result is enlarged and gets the detail that the model never saw, original - enlarge(before). Without
    this detail the middle of a sharp picture would be blurred. The detail is left out where the change has a shape of
    its own, such as a new mouth, because there the old detail would shine through as a ghost.

    Args:
        original: (B, 3, H, W) in [-1, 1].
        before: (B, 3, h, w), the original at the model's size.
        edited: (B, 3, h, w), the model's result.
        fade: whether the picture goes on to the left and right, and above and below; the edit fades out there.

    Returns:
        (B, 3, H, W) in [-1, 1].
    """
    size = (original.shape[-2], original.shape[-1])
    before, edited = before.float(), edited.float()
    detail = original - _enlarge(before, size)
    ghosts = _enlarge(_ghost_mask(edited - before), size).clamp(0, 1)
    change = _enlarge(edited - before, size) - ghosts * detail
    across, down = (
        _ramp(side, original) if fades else torch.ones(side).to(original)
        for side, fades in zip(reversed(size), fade, strict=True)
    )
    return (original + change * down[:, None] * across).clamp(-1, 1)


def _ghost_mask(change: Tensor) -> Tensor:
    """Returns (B, 1, h, w) from 0 to 1: the share of the old detail that a change (B, 3, h, w) has to hide."""
    radius = max(2, change.shape[-1] // 32)
    varies = (change - _blur(change, radius)).abs().amax(dim=1, keepdim=True)
    varies = F.max_pool2d(varies, 3, 1, 1)
    return _blur(((varies - DETAIL_GOES) / (DETAIL_GONE - DETAIL_GOES)).clamp(0, 1), 1)


def _blur(images: Tensor, radius: int) -> Tensor:
    return F.avg_pool2d(F.pad(images, (radius,) * 4, mode="replicate"), 2 * radius + 1, 1)


def _enlarge(images: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(images, size, mode="bicubic", antialias=True)


def _ramp(side: int, like: Tensor) -> Tensor:
    """Returns (side,) factors that rise smoothly from 0 at both ends to 1."""
    distance = torch.arange(side).to(like).add(0.5)
    distance = torch.minimum(distance, distance.flip(0)) / max(1.0, side * FADE)
    return distance.clamp(max=1).mul(torch.pi / 2).sin().square()
