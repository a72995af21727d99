"""Convolutions with a third of the multiplications (Winograd, 1980; for networks Lavin and Gray, 2016).

Computed directly, four neighbouring results of a three-tap filter need twelve products. Computed as a product of polynomials,
they need six: evaluate data and filter at six points, multiply, interpolate. In two dimensions, 36 products replace 144 for
16 results. With many channels these are 36 matrix products, and the rest is cheap.

A 4×4 filter that halves the maps is the sum of four 2×2 filters, each over every second row and column. Four results of two
taps need five points; in two dimensions, 25 products replace 64. The transposed convolution that doubles maps is the adjoint.
"""

from __future__ import annotations

import logging
import math
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it
from torch.nn.grad import conv2d_input, conv2d_weight

from stargan_fw_plugins.cpu import kernels
from stargan_fw_plugins.cpu.kernels import LINE, RESULTS, Window, is_fp32_on_cpu, multiply
from stargan_fw_plugins.cpu.native import KERNELS, SWITCH, library

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

logger = logging.getLogger(__name__)

FEWEST_CHANNELS = 64  # with fewer, evaluation and interpolation cost more than the products save
FEWEST_TILES = 48  # per batch; with fewer, evaluating the filters costs more
TOLERANCE = 1e-5  # relative error in the self-check; rounding alone gives a tenth of this
# Data at the points is up to twice as large. A batch is processed in parts that fit the cache.
PART_BYTES = 10 * 2**20
# The points for two and three taps, besides infinity. In fp32 the mean error is 1.2 and 1.4 times that of direct
# convolution; with the usual points 0, 1, −1, 2, −2 it is 2.5 times.
POINTS = {
    2: (Fraction(1, 2), Fraction(-1, 2), Fraction(3, 2), Fraction(-3, 2)),
    3: (Fraction(0), Fraction(2, 3), Fraction(-2, 3), Fraction(3, 2), Fraction(-3, 2)),
}


class Form(NamedTuple):
    """A convolution's kernel side and stride: (3, 1) or (4, 2). The padding is 1 pixel."""

    side: int
    stride: int


SAME, HALVED = Form(3, 1), Form(4, 2)


def convolve(images: Tensor, weight: Tensor, form: Form) -> Tensor:
    """Returns a convolution. It can be differentiated any number of times, except by `torch.func`.

    (B, c, H, W) and (out, c, side, side) in, (B, out, H / stride, W / stride) out. Call it only if `pays` returns True.
    """
    result: Tensor = _Partial.apply(form, images, weight, None)
    return result


def convolve_transposed(maps: Tensor, weight: Tensor) -> Tensor:
    """Returns the transposed convolution that doubles the size. It can be differentiated like `convolve`.

    (B, c, h, w) and (c, out, 4, 4) in, (B, out, 2h, 2w) out. Call it only if `pays_transposed` returns True.
    """
    result: Tensor = _Partial.apply(HALVED, None, weight, maps)
    return result


def pays(images: Tensor, weight: Tensor, form: Form) -> bool:
    """Returns whether `convolve` supports these tensors and is faster than torch."""
    even = all(side % form.stride == 0 for side in images.shape[2:])
    small = torch.Size(side // form.stride for side in images.shape[2:])
    return even and _pays(images, weight, weight.shape[1], small)


def pays_transposed(maps: Tensor, weight: Tensor) -> bool:
    """Returns whether `convolve_transposed` supports these tensors and is faster than torch."""
    return _pays(maps, weight, weight.shape[0], maps.shape[2:])


def _pays(images: Tensor, weight: Tensor, channels: int, size: torch.Size) -> bool:
    """`size` is the height and width of the smaller maps."""
    return (
        is_fp32_on_cpu(images)
        and is_fp32_on_cpu(weight)
        and images.dim() == weight.dim() == 4
        and images.shape[1] == channels
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        and min(weight.shape[:2]) >= FEWEST_CHANNELS
        and all(side % RESULTS == 0 for side in size)
        and len(images) * size.numel() >= FEWEST_TILES * RESULTS**2
        and kernels_work()
    )


@cache
def kernels_work() -> bool:
    """Returns whether the C code can be used: it loads, and a self-check gives torch's results.

    A separate thread does this, so that the caller's settings do not apply: autocast, inference mode, counters of operations,
    a default device.
    """
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(_load_and_check).result()


def _load_and_check() -> bool:
    if library(KERNELS) is None:
        return False
    with torch.no_grad():
        apart = max(_errors())
    if apart <= TOLERANCE:
        return True
    logger.warning(
        "%s computes other results than torch on this processor (off by %.1g), so torch convolves, which takes longer. "
        "%s=0 leaves it out without this check.",
        KERNELS.name,
        apart,
        SWITCH,
    )
    return False


def _errors() -> Iterator[float]:
    """Yields the relative error of every kernel and size, compared with torch in fp64."""
    random = torch.Generator(device="cpu").manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float32, device="cpu")

    for form in (SAME, HALVED):
        # Channels that do not fill a line, more than one tile in each direction, and more terms than are packed at once.
        given = {IMAGES: draw(2, 19, 16, 24), KERNEL: draw(35, 19, form.side, form.side)}
        given[RESULT] = draw(2, 35, 16 // form.stride, 24 // form.stride)
        images, kernel, result = (given[by].double() for by in (IMAGES, KERNEL, RESULT))
        exact = {
            IMAGES: conv2d_input(images.shape, kernel, result, form.stride, 1),  # type: ignore[no-untyped-call]
            KERNEL: conv2d_weight(images, kernel.shape, result, form.stride, 1),  # type: ignore[no-untyped-call]
            RESULT: F.conv2d(images, kernel, stride=form.stride, padding=1),
        }
        for by, expected in exact.items():
            others = {other: factor for other, factor in given.items() if other != by}
            yield _error(_partials(form, others, {by})[by], expected)
    first, second, sums = draw(1, 29, 300), draw(1, 300, 48), draw(1, 29, 48)
    expected = sums.double() + first.double() @ second.double()
    yield _error(multiply(first, second, sums, more=True), expected)


def _error(found: Tensor, expected: Tensor) -> float:
    apart = (found.double() - expected).norm().item() / expected.norm().item()
    return math.inf if math.isnan(apart) else apart


def needed_gradients(ctx: Any, arguments: Iterable[int]) -> list[int]:
    """Returns the arguments of a `torch.autograd.Function` for which this backward pass needs gradients.

    `ctx.needs_input_grad` is also true if only some other backward pass needs them. With a gradient penalty, which
    differentiates by the images alone, the weights' gradients would be computed in vain.

    Args:
        ctx: the context of the function's backward pass.
        arguments: the positions of all tensors in the function's arguments.
    """
    nodes = (node for node, _ in ctx.next_functions)
    return [place for place, node in zip(arguments, nodes, strict=True) if ctx.needs_input_grad[place] and _runs(node)]


def _runs(node: Any) -> bool:
    try:
        return bool(torch._C._will_engine_execute_node(node))  # noqa: SLF001 - what torch.autograd.graph asks
    except (AttributeError, RuntimeError):  # raised for a leaf if `autograd.grad` returns its gradient
        return True


IMAGES, KERNEL, RESULT = range(3)


class _Partial(torch.autograd.Function):
    """The derivative of `⟨result, images ∗ kernel⟩`, linear in each of the three, by the factor that is None.

    By the result this is the convolution, by the images its adjoint, by the kernel the gradient for training. The derivatives
    of each of these are the other two.
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
        wanted = {
            place - 1 for place in needed_gradients(ctx, [1 + by for by in (IMAGES, KERNEL, RESULT) if by != ctx.by])
        }
        if torch.is_grad_enabled():
            found = {by: _Partial.apply(ctx.form, *factors[:by], None, *factors[by + 1 :]) for by in wanted}
        else:
            found = _partials(ctx.form, dict(enumerate(factors)), wanted)
        return None, *(found.get(by) for by in (IMAGES, KERNEL, RESULT))


def _partials(form: Form, given: Mapping[int, Tensor], wanted: set[int]) -> dict[int, Tensor]:
    """Returns the derivatives by the wanted factors, each computed from the other two.

    By the result this is `Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A` (Lavin and Gray, Eq. 8), by the others its adjoints.
    """
    shapes, transforms = _shapes(form, given), _transforms(form.side // form.stride)
    windows = _windows(form, shapes[RESULT])
    given = {by: factor.resolve_neg() for by, factor in given.items()}
    found = {by: torch.empty(shapes[by], dtype=torch.float32, device="cpu") for by in wanted}
    needed = [by for by in given if wanted - {by}]

    def cut(by: int, maps: Tensor) -> Tensor:
        """Returns the tiles at the points: (points, tiles, channels of all filters)."""
        window, matrix = windows[by], transforms.to_points[by]
        rows, columns = (
            len(maps) * window.down * window.right,
            window.stride**2 * kernels.padded_channels(maps.shape[1]),
        )
        points = _empty(len(matrix) ** 2, rows, columns)
        kernels.evaluate(maps, window, matrix, points)
        return points

    def join(by: int, points: Tensor, maps: Tensor) -> None:
        kernels.combine(points, windows[by], transforms.from_points[by], maps)

    filters = {KERNEL: _pad_filters(cut(KERNEL, given[KERNEL]))} if KERNEL in needed else {}
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
    """Returns the shapes of all three factors from two of them."""
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
    """Returns the tiles of each factor. The convolution is a sum of `stride²` filters with one result."""
    down, right = (side // RESULTS for side in result[2:])
    return {
        IMAGES: Window(-1, -1, form.stride, down, right),
        KERNEL: Window(0, 0, form.stride, 1, 1),
        RESULT: Window(0, 0, 1, down, right),
    }


def _product(first: Tensor, second: Tensor) -> Tensor:
    return multiply(first, second, _empty(len(first), first.shape[1], second.shape[2]))


def _pad_filters(filters: Tensor) -> Tensor:
    """Pads the filters with zeros, up to the padded number of result channels."""
    missing = kernels.padded_channels(filters.shape[1]) - filters.shape[1]
    return F.pad(filters, (0, 0, 0, missing)) if missing else filters


def _empty(count: int, rows: int, columns: int) -> Tensor:
    """Returns matrices with an unused line between them, because power-of-two distances collide in the cache."""
    flat = torch.empty(count, rows * columns + LINE, dtype=torch.float32, device="cpu")
    return flat[:, :-LINE].view(count, rows, columns)


def _parts(images: tuple[int, ...], growth: float) -> Iterator[slice]:
    """Cuts a batch into parts that fit the CPU's cache at the points."""
    size = max(1, int(PART_BYTES / (4 * math.prod(images[1:]) * growth)))
    return (slice(first, first + size) for first in range(0, images[0], size))


class _Transforms:
    """The one-dimensional matrices for filters with a number of taps.

    Attributes:
        to_points: Bᵀ for the images and G for the kernel, from tiles or taps to values at the points; A for the results.
        from_points: their transposes, such as Aᵀ for the results, from products at the points to results.
        growth: the size of the images at the points, relative to the images themselves.
    """

    def __init__(self, taps: int) -> None:
        # The value at a point x is Σ tap_k x^k, and at infinity the last coefficient. By transposition, results are
        # evaluated too, and the data's rows are those of Lagrange interpolation: coefficients of Π_{j≠i} (x − x_j).
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
    """Returns the coefficients of Π (x − root), the constant first."""
    found = [Fraction(1)]
    for root in roots:
        found = [
            before - root * here for before, here in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)
        ]
    return found


def _matrix(rows: list[list[Fraction]]) -> Tensor:
    return torch.tensor([[float(value) for value in row] for row in rows], dtype=torch.float32, device="cpu")
