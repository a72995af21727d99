"""A 3×3 convolution with a quarter of the multiplications (Winograd, 1980; for networks Lavin and Gray, 2016).

Four results in a row of a filter of three taps need twelve products. As the value of one polynomial product they need
six: evaluate data and filter at six points, multiply, interpolate. In two dimensions 36 products serve 16 results, which
need 144. For maps of many channels those products are 36 matrix products, and the rest is cheap.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

TAPS = 3
RESULTS = 4  # of a tile, in each direction
TILE = RESULTS + TAPS - 1
OVERLAP = TILE - RESULTS
FEWEST_CHANNELS = 128  # below, what is cheap costs more than the products save
# Data at the points is over twice as large as it was. A batch goes in parts whose data stays in the cache, where the
# matrices of the transforms run twice as fast.
PART_BYTES = 10 * 2**20
# Data and filters at the points that wait for the backward pass; what is larger is computed again.
KEPT_BYTES = 5 * 2**20
# With 0 and infinity, the points of six: in fp32 the mean error is 1.4 times that of adding up the products, with the
# usual 1, −1, 2, −2 it is 2.5 times.
POINTS = (Fraction(0), Fraction(2, 3), Fraction(-2, 3), Fraction(3, 2), Fraction(-3, 2))


class WinogradConvolution(nn.Conv2d):
    """A 3×3 convolution of stride 1 that keeps the size: fast in fp32 on processors, `nn.Conv2d` elsewhere.

    GPUs choose such algorithms themselves, and units for bf16 matrices outrun them. It cannot be differentiated twice.

    (B, c, H, W) and out; sides that are no multiple of 4 take the plain way.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, TAPS, padding=1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        if not _pays(images, self.weight):
            return super().forward(images)
        result: Tensor = _Convolve.apply(images, self.weight)
        return result


def _pays(images: Tensor, weight: Tensor) -> bool:
    return (
        images.device.type == "cpu"
        and images.dtype is weight.dtype is torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and len(images) > 0
        and min(weight.shape[:2]) >= FEWEST_CHANNELS
        and all(side % RESULTS == 0 for side in images.shape[2:])
    )


class _Convolve(torch.autograd.Function):
    """`Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A` (Lavin and Gray, Eq. 8), and its adjoints."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor) -> Tensor:
        kernel, parts = _kernel(weight), _parts(images)
        result = images.new_empty(len(images), len(weight), *images.shape[2:])
        for part, place in zip(parts, _cut_as(parts, result), strict=True):
            data = _data(part)
            _join(_in_both(_transforms().result, data @ kernel), place)
        ctx.kept = len(parts) == 1 and data.nbytes + kernel.nbytes <= KEPT_BYTES
        ctx.save_for_backward(*((data, kernel) if ctx.kept else (images, weight)))
        ctx.shapes = images.shape, weight.shape
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        images, kernel = ctx.saved_tensors  # or both at the points, where they are small
        shape, weight = ctx.shapes
        kernel = kernel if ctx.kept else _kernel(kernel)
        parts = (gradient,) if ctx.kept else _parts(images)
        to_images, to_kernel = gradient.new_empty(shape), torch.zeros_like(kernel)
        for part, slope, place in zip(parts, _cut_as(parts, gradient), _cut_as(parts, to_images), strict=True):
            products = _in_both(_transforms().result.T, _split(slope)).view(TILE**2, -1, weight[0])
            if ctx.needs_input_grad[0]:
                _add(_in_both(_transforms().data.T, products @ kernel.mT), place)
            if ctx.needs_input_grad[1]:
                to_kernel.baddbmm_((images if ctx.kept else _data(part)).mT, products)
        return (
            to_images if ctx.needs_input_grad[0] else None,
            _taps(_in_both(_transforms().kernel.T, to_kernel), weight) if ctx.needs_input_grad[1] else None,
        )


def _parts(images: Tensor) -> tuple[Tensor, ...]:
    """Cuts a batch into parts whose data fits a processor's cache."""
    bytes_each = images[0].nbytes * TILE**2 // RESULTS**2
    return torch.split(images, max(1, PART_BYTES // bytes_each))


def _cut_as(parts: tuple[Tensor, ...], maps: Tensor) -> tuple[Tensor, ...]:
    """Cuts maps where the parts are cut."""
    return torch.split(maps, [len(part) for part in parts])


def _data(images: Tensor) -> Tensor:
    """Returns the overlapping tiles of padded images, evaluated at the points: (36, tiles, channels)."""
    batch, channels, height, width = images.shape
    # Channels last, so that every tile is rows of consecutive numbers.
    padded = images.new_zeros(batch, height + OVERLAP, width + OVERLAP, channels)
    padded[:, 1:-1, 1:-1] = _channels_last(images)
    tiles = padded.unfold(1, TILE, RESULTS).unfold(2, TILE, RESULTS).permute(4, 5, 0, 1, 2, 3)
    return _in_both(_transforms().data, tiles.reshape(TILE**2, -1)).view(TILE**2, -1, channels)


def _channels_last(maps: Tensor) -> Tensor:
    """Returns (B, H, W, channels), consecutive.

    Image by image, since torch transposes matrices in blocks, twice as fast as a dimension of a larger tensor.
    """
    batch, channels, height, width = maps.shape
    result = maps.new_empty(batch, height, width, channels)
    for here, there in zip(maps, result, strict=True):
        there.view(-1, channels).copy_(here.reshape(channels, -1).T)
    return result


def _kernel(weight: Tensor) -> Tensor:
    """Returns the filters, evaluated at the points: (36, channels, out channels)."""
    taps = weight.permute(2, 3, 1, 0).reshape(TAPS**2, -1)
    return _in_both(_transforms().kernel, taps).view(TILE**2, weight.shape[1], weight.shape[0])


def _taps(flat: Tensor, shape: torch.Size) -> Tensor:
    """Returns (9, channels · out channels) as a weight of that shape."""
    return flat.view(TAPS, TAPS, shape[1], shape[0]).permute(3, 2, 0, 1)


def _in_both(matrix: Tensor, squares: Tensor) -> Tensor:
    """Applies (m, n) to both directions of (n², …): (m², all others), in half of the products of their square or fewer."""
    m, n = matrix.shape
    down = matrix @ squares.reshape(n, -1)
    return (matrix @ down.view(m, n, -1)).view(m**2, -1)


def _join(flat: Tensor, maps: Tensor) -> None:
    """Puts tiles of results, (16, tiles · channels), together in maps of (B, channels, H, W)."""
    batch, channels, height, width = maps.shape
    tiles = flat.view(RESULTS, RESULTS, batch, height // RESULTS, width // RESULTS, channels)
    places = maps.view(batch, channels, height // RESULTS, RESULTS, width // RESULTS, RESULTS)
    places.copy_(tiles.permute(2, 5, 3, 0, 4, 1))


def _split(maps: Tensor) -> Tensor:
    """The adjoint of `_join`."""
    batch, channels, height, width = maps.shape
    tiles = _channels_last(maps).view(batch, height // RESULTS, RESULTS, width // RESULTS, RESULTS, channels)
    return tiles.permute(2, 4, 0, 1, 3, 5).reshape(RESULTS**2, -1)


def _add(flat: Tensor, maps: Tensor) -> None:
    """The adjoint of cutting padded images into tiles that overlap, (36, tiles · channels): adds them up in `maps`."""
    batch, channels, height, width = maps.shape
    down, right = height // RESULTS, width // RESULTS
    tiles = flat.view(TILE, TILE, batch, down, right, channels)
    padded = flat.new_zeros(batch, down + 1, RESULTS, right + 1, RESULTS, channels)
    added = padded.permute(2, 4, 0, 1, 3, 5)
    added[:, :, :, :-1, :-1] = tiles[:RESULTS, :RESULTS]
    added[:OVERLAP, :, :, 1:, :-1] += tiles[RESULTS:, :RESULTS]
    added[:, :OVERLAP, :, :-1, 1:] += tiles[:RESULTS, RESULTS:]
    added[:OVERLAP, :OVERLAP, :, 1:, 1:] += tiles[RESULTS:, RESULTS:]
    whole = padded.view(batch, height + RESULTS, width + RESULTS, channels)
    maps.copy_(whole[:, 1 : height + 1, 1 : width + 1].permute(0, 3, 1, 2))


class _Transforms:
    """The matrices of one direction.

    Attributes:
        data: Bᵀ, (6, 6), from a tile to its values at the points.
        kernel: G, (6, 3), from taps to their values at the points.
        result: Aᵀ, (4, 6), from the products of both to the results.
    """

    def __init__(self) -> None:
        # Evaluation at a point x is Σ tap_k x^k, at infinity the last coefficient. By transposition the results are
        # evaluations too, and the data is what Lagrange's interpolation takes: coefficients of Π_{j≠i} (x − x_j).
        norms = [_product([x - y for y in POINTS if y != x]) for x in POINTS]
        kernel = [[x**k / norm for k in range(TAPS)] for x, norm in zip(POINTS, norms, strict=True)]
        result = [[x**k for x in POINTS] + [Fraction(k == RESULTS - 1)] for k in range(RESULTS)]
        data = [[*_coefficients([y for y in POINTS if y != x]), Fraction(0)] for x in POINTS]
        self.data = _matrix([*data, _coefficients(list(POINTS))])
        self.kernel = _matrix([*kernel, [Fraction(k == TAPS - 1) for k in range(TAPS)]])
        self.result = _matrix(result)


@cache
def _transforms() -> _Transforms:
    return _Transforms()


def _product(factors: list[Fraction]) -> Fraction:
    total = Fraction(1)
    for factor in factors:
        total *= factor
    return total


def _coefficients(roots: list[Fraction]) -> list[Fraction]:
    """Returns those of Π (x − root), the constant first."""
    found = [Fraction(1)]
    for root in roots:
        found = [
            before - root * here for before, here in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)
        ]
    return found


def _matrix(rows: list[list[Fraction]]) -> Tensor:
    return torch.tensor([[float(value) for value in row] for row in rows], dtype=torch.float32)
