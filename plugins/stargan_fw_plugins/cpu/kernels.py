"""`kernels.c` as functions of tensors in fp32: products of matrices, and feature maps as tiles at Winograd's points."""

import ctypes
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import register_flop_formula

from stargan_fw_plugins.cpu.native import KERNELS, library

LINE = 16  # channels or columns that are computed together
RESULTS = 4  # of a tile, in each direction: as far as it is from one tile to the next


def loaded() -> ctypes.CDLL:
    """Returns the library.

    Raises:
        RuntimeError: it cannot be used here, as `native.library` says.
    """
    found = library(KERNELS)
    if found is None:
        raise RuntimeError(f"{KERNELS.name} cannot be used here: ask `winograd.kernels_work` first.")
    return found


def fp32_here(tensor: Tensor) -> bool:
    """Returns whether a tensor has numbers in fp32 in the processor's memory: no stand-in that is traced."""
    return tensor.device.type == "cpu" and tensor.dtype is torch.float32 and type(tensor) in (Tensor, nn.Parameter)


class _Matrices(ctypes.Structure):
    _fields_ = (("first", ctypes.c_void_p), ("strides", ctypes.c_int64 * 3))


def multiply(first: Tensor, second: Tensor, result: Tensor, *, more: bool = False) -> Tensor:
    """Writes the products of as many matrices, or adds them: by a quarter faster than MKL on a processor of AMD's.

    Args:
        first: (count, m, k), fp32 of any layout.
        second: (count, k, n), fp32 of any layout, n a multiple of 16.
        result: (count, m, n), fp32, columns consecutive.
        more: whether products are added to the result.

    Returns:
        The result.

    Raises:
        ValueError: the matrices are not such.
        MemoryError: no room is left for what is packed.
    """
    matrices = first, second, result
    (count, m, k), n = first.shape, second.shape[2]
    fitting = second.shape == (count, k, n) and result.shape == (count, m, n)
    if not fitting or n % LINE or result.stride(2) != 1 or not all(fp32_here(matrix) for matrix in matrices):
        given = ", ".join(f"{matrix.dtype} {(*matrix.shape,)} on {matrix.device}" for matrix in matrices)
        raise ValueError(f"The product of the first two as the third cannot be computed: {given}.")
    if k:
        torch.ops.stargan_fw.multiply(*matrices, more)
    elif not more:
        result.zero_()
    return result


# An operator of torch's, so that whatever counts or records operations sees it.
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

    Raises:
        MemoryError: no room is left for a row of tiles.
    """
    sizes = matrix.shape[1], matrix.shape[0]
    _check(loaded().to_points(*sizes, _maps(maps, window), _first(matrix), _points(points), torch.get_num_threads()))


def combine(points: Tensor, window: Window, matrix: Tensor, maps: Tensor) -> None:
    """Writes `matrix · point · matrixᵀ` as tiles of maps, which are added up where they overlap.

    Args:
        points: (p², B · down · right, pace² · filled(channels)), as `evaluate` writes them.
        window: the tiles, of n × n pixels, which cover the maps.
        matrix: (n, p), from points to pixels, consecutive.
        maps: (B, channels, H, W), of any layout: the result.

    Raises:
        MemoryError: no room is left for a row of tiles.
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


NO_SUCH_SIZES, NO_MEMORY = 1, 2  # what `kernels.c` returns


def _check(status: int) -> None:
    assert status != NO_SUCH_SIZES, "kernels.c has no such sizes"
    if status == NO_MEMORY:
        raise MemoryError("a convolution finds no memory for its tiles. Use smaller batches.")
