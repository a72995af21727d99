"""Feature maps as tiles at the points of Winograd's convolutions, and back: `kernels.c` as functions of tensors."""

import ctypes
from typing import NamedTuple

import torch
from torch import Tensor

from stargan_fw_plugins.networks.native import LINE, kernels

RESULTS = 4  # of a tile, in each direction: as far as it is from one tile to the next


class Window(NamedTuple):
    """Which pixels of maps make up their tiles.

    Attributes:
        top, left: where the first tile begins; pixels outside of the maps are 0.
        pace: pixels from a row or column of a tile to the next. Tiles are `4 * pace` pixels apart, and there are `pace²`
            sets of them, which begin at each of the first `pace` rows and columns.
        down, right: number of tiles of a set.
    """

    top: int
    left: int
    pace: int
    down: int
    right: int


class _Maps(ctypes.Structure):
    _fields_ = (
        ("first", ctypes.c_void_p),
        ("shape", ctypes.c_int64 * 4),
        ("strides", ctypes.c_int64 * 4),
        ("window", ctypes.c_int64 * 5),
    )


class _Points(ctypes.Structure):
    _fields_ = (("first", ctypes.c_void_p), ("to_point", ctypes.c_int64), ("to_tile", ctypes.c_int64))


def filled(channels: int) -> int:
    """Returns how many channels points have: so many that they fill the last line, with zeros."""
    return -(-channels // LINE) * LINE


def evaluate(maps: Tensor, window: Window, matrix: Tensor, points: Tensor) -> None:
    """Writes `matrix · tile · matrixᵀ` of all tiles.

    Args:
        maps: (B, channels, H, W), of any layout.
        window: the tiles, of n × n pixels.
        matrix: (p, n), from pixels to points, consecutive.
        points: (p², B · down · right, pace² · filled(channels)), consecutive channels and rows, every
            line aligned to 64 bytes: the result. Its channels are those of the first set, filled up, then those of the
            set one column on, and so on.
    """
    sizes = matrix.shape[1], matrix.shape[0]
    _done(kernels().to_points(*sizes, _maps(maps, window), _first(matrix), _points(points), torch.get_num_threads()))


def combine(points: Tensor, window: Window, matrix: Tensor, maps: Tensor) -> None:
    """Writes `matrix · point · matrixᵀ` as tiles of maps, which are added up where they overlap.

    Args:
        points: (p², B · down · right, pace² · filled(channels)), as `evaluate` writes them.
        window: the tiles, of n × n pixels, which cover the maps.
        matrix: (n, p), from points to pixels, consecutive.
        maps: (B, channels, H, W), of any layout: the result.
    """
    _done(
        kernels().from_points(
            *matrix.shape, _maps(maps, window), _first(matrix), _points(points), torch.get_num_threads()
        )
    )


def _maps(maps: Tensor, window: Window) -> _Maps:
    longs = ctypes.c_int64 * 4
    return _Maps(_first(maps), longs(*maps.shape), longs(*maps.stride()), (ctypes.c_int64 * 5)(*window))


def _points(points: Tensor) -> _Points:
    return _Points(_first(points), points.stride(0), points.stride(1))


def _first(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


def _done(status: int) -> None:
    assert status == 0, "kernels.c has no such sizes"
