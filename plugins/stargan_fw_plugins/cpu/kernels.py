"""Calls `kernels.c` with fp32 tensors: matrix products, and tiles of feature maps evaluated at Winograd's points."""

import ctypes
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import register_flop_formula

from stargan_fw_plugins.cpu.native import KERNELS, library

LINE = 16  # channels or columns that are computed together: a cache line
RESULTS = 4  # results per tile in each direction, and the distance between tiles


def loaded() -> ctypes.CDLL:
    """Returns the library.

    Raises:
        RuntimeError: if it cannot be used here; see `native.library`.
    """
    found = library(KERNELS)
    if found is None:
        raise RuntimeError(f"{KERNELS.name} cannot be used here: call `winograd.kernels_work` first.")
    return found


def is_fp32_on_cpu(tensor: Tensor) -> bool:
    """Returns whether a tensor holds fp32 numbers in CPU memory. Tracing, for example, uses tensors without numbers."""
    return tensor.device.type == "cpu" and tensor.dtype is torch.float32 and type(tensor) in (Tensor, nn.Parameter)


class _Matrices(ctypes.Structure):
    _fields_ = (("first", ctypes.c_void_p), ("strides", ctypes.c_int64 * 3))


def multiply(first: Tensor, second: Tensor, result: Tensor, *, more: bool = False) -> Tensor:
    """Writes or adds a batch of matrix products; a quarter faster than MKL on an AMD CPU.

    Args:
        first: (count, m, k), fp32 in any layout.
        second: (count, k, n), fp32 in any layout, n a multiple of 16.
        result: (count, m, n), fp32, columns consecutive.
        more: whether to add the products to the result instead of replacing it.

    Returns:
        The result.

    Raises:
        ValueError: if shapes, types or layouts do not fit.
        MemoryError: if there is no memory for the packed second factor.
    """
    matrices = first, second, result
    (count, m, k), n = first.shape, second.shape[2]
    fitting = second.shape == (count, k, n) and result.shape == (count, m, n)
    if not fitting or n % LINE or result.stride(2) != 1 or not all(is_fp32_on_cpu(matrix) for matrix in matrices):
        found = ", ".join(f"{matrix.dtype} {(*matrix.shape,)} on {matrix.device}" for matrix in matrices)
        raise ValueError(f"The product of the first two as the third cannot be computed: {found}.")
    if k:
        torch.ops.stargan_fw.multiply(*matrices, more)
    elif not more:
        result.zero_()
    return result


# Registered as a torch operator, so that tools that count or record operations see it.
@torch.library.custom_op("stargan_fw::multiply", mutates_args=("result",), device_types="cpu")
def _multiply(first: Tensor, second: Tensor, result: Tensor, more: bool) -> None:
    count, m, k = first.shape
    sizes = (ctypes.c_int64(size) for size in (count, m, second.shape[2], k))
    given = (_Matrices(matrix.data_ptr(), (ctypes.c_int64 * 3)(*matrix.stride())) for matrix in (first, second, result))
    _check(loaded().multiply(*sizes, *given, more, torch.get_num_threads()))


@register_flop_formula(torch.ops.stargan_fw.multiply)
def _operations(first: torch.Size, second: torch.Size, *_: Any, **__: Any) -> int:
    count, m, k = first
    return 2 * count * m * k * second[2]


class Window(NamedTuple):
    """The tiles of feature maps.

    Attributes:
        top, left: the first pixel of the first tile; pixels outside the maps are 0.
        stride: distance in pixels between neighbouring rows or columns of a tile. Tiles are `4 * stride` pixels apart. There
            are `stride²` sets of tiles: one begins at each of the first `stride` rows and columns.
        down, right: number of tiles per set.
    """

    top: int
    left: int
    stride: int
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


def padded_channels(channels: int) -> int:
    """Returns the number of channels at the points: rounded up to whole lines, which zeros fill."""
    return -(-channels // LINE) * LINE


def evaluate(maps: Tensor, window: Window, matrix: Tensor, points: Tensor) -> None:
    """Writes `matrix · tile · matrixᵀ` for all tiles.

    Args:
        maps: (B, channels, H, W), in any layout.
        window: the tiles, of n × n pixels.
        matrix: (p, n), from pixels to points, consecutive.
        points: (p², B · down · right, stride² · padded_channels(channels)), consecutive channels and rows, every
            line aligned to 64 bytes: the result. The padded channels of the first set of tiles come first, then those of
            the set that begins one column further, and so on.

    Raises:
        MemoryError: if there is no memory for a row of tiles.
    """
    sizes = matrix.shape[1], matrix.shape[0]
    _check(loaded().to_points(*sizes, _maps(maps, window), _first(matrix), _points(points), torch.get_num_threads()))


def combine(points: Tensor, window: Window, matrix: Tensor, maps: Tensor) -> None:
    """Writes `matrix · point · matrixᵀ` as tiles of maps. Overlapping tiles add up.

    Args:
        points: (p², B · down · right, stride² · padded_channels(channels)), in the layout of `evaluate`.
        window: the tiles, of n × n pixels, which cover the maps.
        matrix: (n, p), from points to pixels, consecutive.
        maps: (B, channels, H, W), in any layout: the result.

    Raises:
        MemoryError: if there is no memory for a row of tiles.
    """
    given = _maps(maps, window), _first(matrix), _points(points), torch.get_num_threads()
    _check(loaded().from_points(*matrix.shape, *given))


def _maps(maps: Tensor, window: Window) -> _Maps:
    longs = ctypes.c_int64 * 4
    return _Maps(_first(maps), longs(*maps.shape), longs(*maps.stride()), (ctypes.c_int64 * 5)(*window))


def _points(points: Tensor) -> _Points:
    return _Points(_first(points), points.stride(0), points.stride(1))


def _first(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


NO_SUCH_SIZES, NO_MEMORY = 1, 2  # return values of `kernels.c`


def _check(status: int) -> None:
    assert status != NO_SUCH_SIZES, "kernels.c has no such sizes"
    if status == NO_MEMORY:
        raise MemoryError("a convolution finds no memory for its tiles. Use smaller batches.")
