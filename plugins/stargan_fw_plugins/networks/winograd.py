"""Convolutions with a third of the multiplications (Winograd, 1980; for networks Lavin and Gray, 2016).

Four results in a row of a filter of three taps need twelve products. As the value of one polynomial product they need
six: evaluate data and filter at six points, multiply, interpolate. In two dimensions 36 products serve 16 results, which
need 144. For maps of many channels those products are 36 matrix products, and the rest is cheap.

A filter of 4×4 that halves the maps is the sum of four, of 2×2, each over every second row and column: four results of
two taps need five points, in two dimensions 25 products instead of 64. The one that doubles them is its adjoint.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw_plugins.networks import tiles
from stargan_fw_plugins.networks.gradients import asked_for
from stargan_fw_plugins.networks.native import LINE, available
from stargan_fw_plugins.networks.products import fp32_here, multiply
from stargan_fw_plugins.networks.tiles import RESULTS, Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FEWEST_CHANNELS = 64  # below, what is cheap costs more than the products save
FEWEST_TILES = 48  # of a batch: below, the filters at the points cost more
# Data at the points is up to twice as large as it was. A batch goes in parts whose data stays in the cache.
PART_BYTES = 10 * 2**20
# With infinity, the points of two and of three taps. In fp32 the mean error is 1.2 and 1.4 times that of adding up the
# products; with the usual 0, 1, −1, 2, −2 it is 2.5 times.
POINTS = {
    2: (Fraction(1, 2), Fraction(-1, 2), Fraction(3, 2), Fraction(-3, 2)),
    3: (Fraction(0), Fraction(2, 3), Fraction(-2, 3), Fraction(3, 2), Fraction(-3, 2)),
}


class Form(NamedTuple):
    """Which convolution: the side of its kernels and its stride, (3, 1) or (4, 2). It is padded by 1 pixel."""

    side: int
    stride: int


SAME, HALVED = Form(3, 1), Form(4, 2)


class WinogradConvolution(nn.Conv2d):
    """A convolution of 3×3 that keeps the size, or of 4×4 that halves it: fast in fp32 on processors.

    Elsewhere, and where it does not pay, it is `nn.Conv2d`: GPUs choose such algorithms themselves, and units for bf16
    matrices outrun them. (B, c, H, W) in.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1) -> None:
        if (kernel_size, stride) not in (SAME, HALVED):
            raise ValueError(f"kernel_size = {kernel_size}, stride = {stride}: they must be 3 and 1, or 4 and 2.")
        super().__init__(in_channels, out_channels, kernel_size, stride, padding=1, bias=False)
        self.form = Form(kernel_size, stride)

    def forward(self, images: Tensor) -> Tensor:
        if not pays(images, self.weight, self.form):
            return super().forward(images)
        return convolve(images, self.weight, self.form)


class WinogradTransposed(nn.ConvTranspose2d):
    """A transposed convolution of 4×4 that doubles the size: the adjoint of one that halves it, and as fast."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, HALVED.side, HALVED.stride, padding=1, bias=False)

    def forward(self, images: Tensor, output_size: list[int] | None = None) -> Tensor:
        if output_size is not None or not _pays(images, self.weight, self.in_channels, images.shape[2:]):
            return super().forward(images, output_size)
        result: Tensor = _Partial.apply(HALVED, None, self.weight, images)
        return result


def convolve(images: Tensor, weight: Tensor, form: Form) -> Tensor:
    """Returns a convolution that can be differentiated any number of times, but for `torch.func`.

    (B, c, H, W) and (out, c, side, side) in, (B, out, H / stride, W / stride) out; `pays` must have said so.
    """
    result: Tensor = _Partial.apply(form, images, weight, None)
    return result


def pays(images: Tensor, weight: Tensor, form: Form) -> bool:
    """Says whether `convolve` can and should convolve them."""
    even = all(side % form.stride == 0 for side in images.shape[2:])
    return even and _pays(images, weight, weight.shape[1], torch.Size(side // form.stride for side in images.shape[2:]))


def _pays(images: Tensor, weight: Tensor, channels: int, size: torch.Size) -> bool:
    """Says so of images of so many channels; `size` is that of the smaller maps."""
    return (
        fp32_here(images)
        and fp32_here(weight)
        and images.dim() == weight.dim() == 4
        and images.shape[1] == channels
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        and min(weight.shape[:2]) >= FEWEST_CHANNELS
        and all(side % RESULTS == 0 for side in size)
        and len(images) * size.numel() >= FEWEST_TILES * RESULTS**2
        and available()
    )


IMAGES, KERNEL, RESULT = range(3)


class _Partial(torch.autograd.Function):
    """The derivative of `⟨result, images ∗ kernel⟩`, which is linear in each of the three, by the one that is None.

    By the result it is the convolution, by the images its adjoint, by the kernel what training asks for. The derivatives
    of any of them are the others.
    """

    @staticmethod
    def forward(ctx: Any, form: Form, *factors: Tensor | None) -> Tensor:
        given = {by: factor for by, factor in enumerate(factors) if factor is not None}
        (ctx.by,) = {IMAGES, KERNEL, RESULT} - given.keys()
        ctx.form = form
        ctx.save_for_backward(*given.values())
        return _partials(form, given, {ctx.by})[ctx.by]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        factors = list(ctx.saved_tensors)
        factors.insert(ctx.by, gradient)
        wanted = {place - 1 for place in asked_for(ctx, [1 + by for by in (IMAGES, KERNEL, RESULT) if by != ctx.by])}
        if torch.is_grad_enabled():
            found = {by: _Partial.apply(ctx.form, *factors[:by], None, *factors[by + 1 :]) for by in wanted}
        else:
            found = _partials(ctx.form, dict(enumerate(factors)), wanted)
        return None, *(found.get(by) for by in (IMAGES, KERNEL, RESULT))


def _partials(form: Form, given: Mapping[int, Tensor], wanted: set[int]) -> dict[int, Tensor]:
    """Returns the derivatives by what is wanted, each of the other two.

    By the result it is `Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A` (Lavin and Gray, Eq. 8), and else its adjoints.
    """
    shapes, transforms = _shapes(form, given), _transforms(form.side // form.stride)
    windows = _windows(form, shapes[RESULT])
    given = {by: factor.resolve_neg() for by, factor in given.items()}
    found = {by: torch.empty(shapes[by], dtype=torch.float32, device="cpu") for by in wanted}
    needed = [by for by in given if wanted - {by}]

    def cut(by: int, maps: Tensor) -> Tensor:
        """Returns the tiles at the points: (points, tiles, channels of all filters)."""
        window, matrix = windows[by], transforms.to_points[by]
        rows, columns = len(maps) * window.down * window.right, window.pace**2 * tiles.filled(maps.shape[1])
        points = _empty(len(matrix) ** 2, rows, columns)
        tiles.evaluate(maps, window, matrix, points)
        return points

    def join(by: int, points: Tensor, maps: Tensor) -> None:
        tiles.combine(points, windows[by], transforms.from_points[by], maps)

    filters = {KERNEL: _filled(cut(KERNEL, given[KERNEL]))} if KERNEL in needed else {}
    to_filters: Tensor | None = None
    for part in _parts(shapes[IMAGES], transforms.growth):
        at = filters | {by: cut(by, given[by][part]) for by in needed if by != KERNEL}
        if RESULT in wanted:
            join(RESULT, _product(at[IMAGES], at[KERNEL].mT), found[RESULT][part])
        if IMAGES in wanted:
            join(IMAGES, _product(at[RESULT], at[KERNEL]), found[IMAGES][part])
        if KERNEL in wanted and to_filters is None:
            to_filters = _product(at[RESULT].mT, at[IMAGES])
        elif to_filters is not None:
            multiply(at[RESULT].mT, at[IMAGES], to_filters, more=True)
    if to_filters is not None:
        join(KERNEL, to_filters, found[KERNEL])
    return found


def _shapes(form: Form, given: Mapping[int, Tensor]) -> dict[int, tuple[int, ...]]:
    """Returns those of all three, of which two are given."""
    if IMAGES in given:
        batch, channels, height, width = given[IMAGES].shape
    else:
        batch, _, height, width = given[RESULT].shape
        channels, height, width = given[KERNEL].shape[1], height * form.stride, width * form.stride
    out = len(given[KERNEL]) if KERNEL in given else given[RESULT].shape[1]
    return {
        IMAGES: (batch, channels, height, width),
        KERNEL: (out, channels, form.side, form.side),
        RESULT: (batch, out, height // form.stride, width // form.stride),
    }


def _windows(form: Form, result: tuple[int, ...]) -> dict[int, Window]:
    """Returns the tiles of each: of as many filters as the convolution is the sum of, and of their one result."""
    down, right = (side // RESULTS for side in result[2:])
    return {
        IMAGES: Window(-1, -1, form.stride, down, right),
        KERNEL: Window(0, 0, form.stride, 1, 1),
        RESULT: Window(0, 0, 1, down, right),
    }


def _product(first: Tensor, second: Tensor) -> Tensor:
    return multiply(first, second, _empty(len(first), first.shape[1], second.shape[2]))


def _filled(filters: Tensor) -> Tensor:
    """Returns as many filters as the results have channels at the points, where zeros fill them up."""
    missing = tiles.filled(filters.shape[1]) - filters.shape[1]
    return F.pad(filters, (0, 0, 0, missing)) if missing else filters


def _empty(count: int, rows: int, columns: int) -> Tensor:
    """Returns matrices with a line between them: powers of two from one to the next would share a place in the cache."""
    flat = torch.empty(count, rows * columns + LINE, dtype=torch.float32, device="cpu")
    return flat[:, :-LINE].view(count, rows, columns)


def _parts(images: tuple[int, ...], growth: float) -> Iterator[slice]:
    """Cuts a batch into parts whose data at the points fits a processor's cache."""
    size = max(1, int(PART_BYTES / (4 * math.prod(images[1:]) * growth)))
    return (slice(first, first + size) for first in range(0, images[0], size))


class _Transforms:
    """The matrices of one direction, for filters of so many taps.

    Attributes:
        to_points: of the images Bᵀ, of the kernel G, from tiles or taps to their values at the points; of the results A.
        from_points: their transposes: of the results Aᵀ, from the products of both to the results.
        growth: how much larger the images are at the points.
    """

    def __init__(self, taps: int) -> None:
        # Evaluation at a point x is Σ tap_k x^k, at infinity the last coefficient. By transposition the results are
        # evaluations too, and the data is what Lagrange's interpolation takes: coefficients of Π_{j≠i} (x − x_j).
        points = POINTS[taps]
        norms = [math.prod(x - y for y in points if y != x) for x in points]
        kernel = [[x**k / norm for k in range(taps)] for x, norm in zip(points, norms, strict=True)]
        result = [[x**k for k in range(RESULTS)] for x in points]
        data = [[*_coefficients([y for y in points if y != x]), Fraction(0)] for x in points]
        self.to_points = {
            IMAGES: _matrix([*data, _coefficients(points)]),
            KERNEL: _matrix([*kernel, [Fraction(k == taps - 1) for k in range(taps)]]),
            RESULT: _matrix([*result, [Fraction(k == RESULTS - 1) for k in range(RESULTS)]]),
        }
        self.from_points = {by: matrix.T.contiguous() for by, matrix in self.to_points.items()}
        self.growth = (len(points) + 1) ** 2 / RESULTS**2


@cache
def _transforms(taps: int) -> _Transforms:
    return _Transforms(taps)


def _coefficients(roots: Sequence[Fraction]) -> list[Fraction]:
    """Returns those of Π (x − root), the constant first."""
    found = [Fraction(1)]
    for root in roots:
        found = [
            before - root * here for before, here in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)
        ]
    return found


def _matrix(rows: list[list[Fraction]]) -> Tensor:
    return torch.tensor([[float(value) for value in row] for row in rows], dtype=torch.float32, device="cpu")
