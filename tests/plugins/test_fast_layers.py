"""Layers that compute otherwise on processors: the same results and gradients as torch's own."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from stargan_fw_bench.measurement import operations
from stargan_fw_plugins.cpu import accelerate, convolution, kernels, winograd
from stargan_fw_plugins.networks.stargan_generator import LabelledConvolution
from stargan_fw_plugins.networks.unet_generator import GrowingConvolution


def assert_close(actual, expected, tolerance=1e-5):
    difference, norm = (actual.double() - expected).norm().item(), expected.norm().item()
    assert difference <= tolerance * norm


def assert_same(layer, plain, images):
    """Compares results and gradients with those of `plain` in fp64."""
    images.requires_grad_()
    exact, parameters = images.detach().double().requires_grad_(), list(layer.parameters())
    copies = [parameter.detach().double().requires_grad_() for parameter in parameters]
    actual, expected = layer(images), plain(exact, *copies)
    assert_close(actual, expected)
    assert actual.is_contiguous()
    slope = torch.randn(expected.shape, generator=torch.Generator().manual_seed(3))
    found = torch.autograd.grad(actual, [images, *parameters], slope)
    wanted = torch.autograd.grad(expected, [exact, *copies], slope.double())
    for gradient, other in zip(found, wanted, strict=True):
        assert_close(gradient, other)


def fast(layer):
    """Swaps a layer, and asserts that there was something to swap."""
    before = type(layer)
    assert type(accelerate(layer)) is not before
    return layer


def patches(channels, out, **options):
    return fast(nn.Conv2d(channels, out, 4, stride=2, padding=1, **options))


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def calls(monkeypatch):
    """Counts what goes by way of fewer products."""
    if not winograd.kernels_work():
        pytest.skip("no C compiler with OpenMP")
    counted = []
    partial = winograd._Partial.apply
    monkeypatch.setattr(winograd._Partial, "apply", lambda *given: counted.append(1) or partial(*given))
    monkeypatch.setattr(winograd, "FEWEST_TILES", 1)
    monkeypatch.setattr(convolution, "SMALL_MAP", 0)
    return counted


def of_3(channels, out):
    return fast(nn.Conv2d(channels, out, 3, padding=1, bias=False)), lambda x, w: F.conv2d(x, w, padding=1)


def halving(channels, out):
    return fast(nn.Conv2d(channels, out, 4, stride=2, padding=1, bias=False)), lambda x, w: F.conv2d(
        x, w, padding=1, stride=2
    )


def doubling(channels, out):
    layer = fast(nn.ConvTranspose2d(channels, out, 4, stride=2, padding=1, bias=False))
    return layer, lambda x, w: F.conv_transpose2d(x, w, padding=1, stride=2)


def repeating(channels, out):
    return fast(GrowingConvolution(channels, out, 3, padding=1, bias=False)), lambda x, w: F.conv2d(
        F.interpolate(x, scale_factor=2, mode="nearest"), w, padding=1
    )


EACH = pytest.mark.parametrize("make", [of_3, halving, doubling])
REPEATING_TOO = pytest.mark.parametrize("make", [of_3, halving, doubling, repeating])


@REPEATING_TOO
@pytest.mark.parametrize("part", [1, 2**20])
@pytest.mark.parametrize("sides", [(8, 8), (16, 24)])
def test_a_convolution_of_fewer_products_is_the_convolution(monkeypatch, calls, make, part, sides):
    monkeypatch.setattr(winograd, "PART_BYTES", part)
    torch.manual_seed(0)
    assert_same(*make(64, 69), drawn(3, 64, *sides))
    assert calls


@REPEATING_TOO
def test_a_convolution_of_fewer_products_can_be_differentiated_twice(calls, make):
    torch.manual_seed(0)
    layer, plain = make(66, 80)

    def slopes(convolve, images, weight):
        result = convolve(images, weight) if weight.dtype is torch.float64 else layer(images)
        given = torch.autograd.grad(result.square().sum(), [images, weight], create_graph=True)
        return torch.autograd.grad(sum(one.square().sum() for one in given), [images, weight])

    images = drawn(2, 66, 8, 16)
    exact = images.double().requires_grad_(), layer.weight.detach().double().requires_grad_()
    for actual, expected in zip(
        slopes(plain, images.requires_grad_(), layer.weight), slopes(plain, *exact), strict=True
    ):
        assert_close(actual, expected)
    assert len(calls) > 1


@REPEATING_TOO
@pytest.mark.parametrize("of", ["images", "weight"])
def test_a_convolution_of_fewer_products_computes_only_the_gradients_that_are_wanted(calls, make, of):
    torch.manual_seed(0)
    (layer, _), images = make(64, 64), drawn(1, 64, 8, 8)
    layer.weight.requires_grad_(of == "weight")
    images.requires_grad_(of == "images")
    layer(images).sum().backward()
    assert (images.grad is not None, layer.weight.grad is not None) == (of == "images", of == "weight")
    assert calls


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_convolution_of_fewer_products_takes_any_layout(calls, layout):
    torch.manual_seed(0)
    layer, plain = of_3(64, 64)
    images = drawn(2, 128, 8, 8).to(memory_format=layout)[:, 32:96]
    assert_close(layer(images), plain(images.double(), layer.weight.double()))
    assert calls


@EACH
@pytest.mark.parametrize(
    ("channels", "side", "dtype"),
    [(63, 8, torch.float32), (64, 6, torch.float32), (64, 8, torch.float64)],
    ids=["few channels", "an odd side", "fp64"],
)
def test_a_convolution_takes_the_plain_way_where_it_must(calls, make, channels, side, dtype):
    layer, plain = make(channels, channels)
    images = drawn(1, channels, side, side).to(dtype)
    assert torch.equal(layer.to(dtype)(images), plain(images, layer.weight))
    assert not calls


def test_a_convolution_of_few_tiles_takes_the_plain_way(calls, monkeypatch):
    monkeypatch.setattr(winograd, "FEWEST_TILES", 5)
    layer, plain = of_3(64, 64)
    assert torch.equal(layer(drawn(1, 64, 8, 8)), plain(drawn(1, 64, 8, 8), layer.weight))
    layer(drawn(2, 64, 8, 8))
    assert len(calls) == 1


@EACH
def test_a_convolution_of_fewer_products_leaves_bf16_to_the_processor(calls, make):
    with torch.autocast("cpu", torch.bfloat16):
        assert make(64, 64)[0](drawn(1, 64, 8, 8)).dtype is torch.bfloat16
    assert not calls


def test_a_transposed_convolution_takes_the_size_that_is_asked_for():
    layer, _ = doubling(64, 64)
    assert layer(drawn(1, 64, 8, 8), output_size=[17, 16]).shape == (1, 64, 17, 16)


@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_of_patches_takes_fewer_products_for_large_maps(calls, bias):
    torch.manual_seed(0)
    layer = patches(64, 64, bias=bias)
    assert_same(layer, lambda x, w, b=None: F.conv2d(x, w, b, padding=1, stride=2), drawn(2, 64, 16, 16))
    assert calls


def test_a_convolution_of_fewer_products_takes_images_with_a_pending_sign(calls):
    torch.manual_seed(0)
    (layer, plain), pairs = of_3(64, 64), torch.view_as_complex(drawn(2, 64, 8, 8, 2))
    images = pairs.conj().imag
    assert images.is_neg()
    assert_close(layer(images), plain(images.double(), layer.weight.double()))
    assert calls


@EACH
@pytest.mark.parametrize("shape", [(2, 61, 8, 8), (2, 80, 8, 8)])
def test_a_convolution_of_other_channels_is_torchs_error(calls, make, shape):
    with pytest.raises(RuntimeError, match="channels"):
        make(64, 64)[0](drawn(*shape))


@EACH
def test_a_convolution_takes_the_plain_way_for_what_has_no_numbers_here(calls, make):
    layer, _ = make(64, 64)
    layer.to("meta")
    for device in ("meta", "cpu"):
        layer(drawn(2, 64, 8, 8).to(device))
    assert not calls


@EACH
def test_a_convolution_takes_images_without_a_batch(make):
    layer, plain = make(64, 64)
    assert torch.equal(layer(drawn(64, 16, 16)), plain(drawn(64, 16, 16), layer.weight))


def test_a_convolution_computes_on_the_processor_whatever_the_default_device(calls):
    layer, plain = of_3(64, 64)
    images = drawn(2, 64, 8, 8)
    with torch.device("meta"):
        result = layer(images)
    assert_close(result, plain(images.double(), layer.weight.double()))
    assert calls


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 4, (3, 5), padding=1),
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(4, 4, 3, groups=2),
        nn.Conv2d(4, 4, 3, dilation=2),
        nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1),
        nn.InstanceNorm2d(4, track_running_stats=True),
        nn.LeakyReLU(-0.1),
        nn.LeakyReLU(0.1, inplace=True),
        nn.BatchNorm2d(4),
    ],
    ids=str,
)
def test_other_layers_are_left_alone(layer):
    kind = type(layer)
    assert type(accelerate(layer)) is kind


@pytest.mark.parametrize("shape", [(2, 4, 8), (64, 16, 16)], ids=str)
def test_images_without_a_batch_are_torchs(shape):
    layer = fast(nn.Conv2d(shape[0], 4, 3, padding=1))
    assert torch.equal(layer(drawn(*shape)), F.conv2d(drawn(*shape), layer.weight, layer.bias, padding=1))


@pytest.mark.parametrize("more", [True, False])
@pytest.mark.parametrize("layout", ["rows", "columns", "neither"])
@pytest.mark.parametrize(("m", "n", "k"), [(1, 16, 1), (6, 32, 7), (101, 48, 258), (13, 272, 520)])
def test_products_of_matrices_are_torchs(calls, layout, m, n, k, more):
    first, second, result = drawn(3, m, k), drawn(3, k, n), drawn(3, m, n + 16)[:, :, :n]
    if layout == "columns":
        first, second = (matrix.mT.contiguous().mT for matrix in (first, second))
    if layout == "neither":
        first, second = (torch.stack([matrix, matrix], dim=3).flatten(2)[:, :, ::2] for matrix in (first, second))
    expected = first.double() @ second.double() + (result.double() if more else 0)
    assert_close(kernels.multiply(first, second, result, more=more), expected)


def test_products_of_nothing_are_zero(calls):
    empty, result = torch.empty(2, 3, 0), torch.ones(2, 3, 16)
    assert kernels.multiply(empty, torch.empty(2, 0, 16), result, more=True).eq(1).all()
    assert kernels.multiply(empty, torch.empty(2, 0, 16), result).eq(0).all()


@pytest.mark.parametrize(
    ("first", "second", "result"),
    [
        (drawn(1, 2, 3).double(), drawn(1, 3, 16), drawn(1, 2, 16)),
        (drawn(1, 2, 4), drawn(1, 3, 16), drawn(1, 2, 16)),
        (drawn(1, 2, 3), drawn(1, 3, 15), drawn(1, 2, 15)),
        (drawn(1, 2, 3), drawn(1, 3, 16), drawn(1, 16, 2).mT),
    ],
    ids=["fp64", "shapes", "no sixteens", "columns apart"],
)
def test_products_of_what_does_not_fit_are_refused(first, second, result):
    with pytest.raises(ValueError, match="cannot be computed"):
        kernels.multiply(first, second, result)


def test_products_of_matrices_are_counted(calls):
    assert operations(lambda: kernels.multiply(drawn(2, 3, 5), drawn(2, 5, 16), drawn(2, 3, 16))) == 2 * 2 * 3 * 5 * 16


def test_a_gradient_penalty_takes_no_gradient_of_weights_that_it_does_not_need(calls, monkeypatch):
    asked = []
    partials = winograd._partials
    monkeypatch.setattr(winograd, "_partials", lambda form, given, by: asked.append(by) or partials(form, given, by))
    layer, images = of_3(64, 64)[0], drawn(1, 64, 8, 8).requires_grad_()
    result = layer(images).square().sum()
    torch.autograd.grad(result, images, create_graph=True)
    torch.autograd.grad(result, images, retain_graph=True)
    assert asked == [{winograd.RESULT}, {winograd.IMAGES}, {winograd.IMAGES}]
    result.backward()
    assert asked[3:] == [{winograd.IMAGES, winograd.KERNEL}]


def test_a_colour_convolution_is_the_convolution():
    torch.manual_seed(0)
    layer = fast(nn.Conv2d(32, 3, 7, padding=3, bias=False))
    assert_same(layer, lambda x, w: F.conv2d(x, w, padding=3), drawn(2, 32, 6, 12))


def test_a_colour_convolution_takes_the_plain_way_where_it_must():
    layer, images = fast(nn.Conv2d(32, 3, 7, padding=3, bias=False)), drawn(1, 32, 5, 8)
    assert torch.equal(layer(images), F.conv2d(images, layer.weight, padding=3))


@pytest.mark.parametrize("affine", [True, False])
def test_instance_norm_is_torchs(affine):
    layer, plain = fast(nn.InstanceNorm2d(5, affine=affine)), nn.InstanceNorm2d(5, affine=affine)
    if affine:
        layer.load_state_dict({"weight": drawn(5), "bias": drawn(5) + 1})
    assert layer.state_dict().keys() == plain.state_dict().keys()
    assert_same(layer, lambda x, w=None, b=None: F.instance_norm(x, weight=w, bias=b), drawn(3, 5, 7, 9))


@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_of_patches_is_the_convolution_and_can_be_differentiated_twice(bias):
    layer = patches(2, 3, bias=bias).double()
    images = drawn(2, 2, 4, 6).double().requires_grad_()
    given = (images, *layer.parameters())
    plain = F.conv2d(images, layer.weight, layer.bias, stride=2, padding=1)
    assert_close(layer(images), plain)
    assert torch.autograd.gradcheck(lambda x, *_: layer(x), given)
    assert torch.autograd.gradgradcheck(lambda x, *_: layer(x), given)


def test_a_convolution_of_patches_gives_gradients_that_are_added_in_place(monkeypatch):
    """The kernel's gradient is one of the two tensors that the images and the penalty gave, and no third one."""
    given, outer = [], convolution._outer

    def recorded(*tensors):
        result = outer(*tensors)
        given.append(result.data_ptr())
        return result

    monkeypatch.setattr(convolution, "_outer", recorded)
    layer, images = patches(2, 3), drawn(2, 2, 4, 4).requires_grad_()
    (slope,) = torch.autograd.grad(layer(images).square().sum(), images, create_graph=True)
    (layer(drawn(2, 2, 4, 4)).square().sum() + slope.square().sum()).backward()
    assert layer.weight.grad.data_ptr() in given


def test_a_convolution_of_patches_takes_any_layout_of_its_kernel():
    layer = patches(2, 3)
    (expected,) = torch.autograd.grad(layer(drawn(2, 2, 4, 4)).square().sum(), layer.weight)
    layer = layer.to(memory_format=torch.channels_last)
    (actual,) = torch.autograd.grad(layer(drawn(2, 2, 4, 4)).square().sum(), layer.weight)
    assert_close(actual, expected)


def test_a_convolution_of_patches_refuses_other_channels():
    with pytest.raises(RuntimeError, match="channels"):
        patches(2, 16)(torch.zeros(1, 3, 4, 4))


def test_a_convolution_of_patches_takes_no_images():
    layer = patches(2, 16)
    result = layer(torch.empty(0, 2, 4, 6))
    assert result.shape == (0, 16, 2, 3)
    result.sum().backward()
    assert layer.weight.grad.eq(0).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_convolution_of_patches_refuses_images_of_another_type(dtype):
    layer = patches(64, 64, bias=False).to(dtype)
    with pytest.raises(RuntimeError):
        layer(drawn(1, 64, 4, 4))


def test_a_convolution_of_patches_is_compiled_whole():
    layer, images = patches(4, 16), drawn(2, 4, 4, 4).requires_grad_()
    result = torch.compile(layer, backend="aot_eager", fullgraph=True)(images)
    assert_close(result, layer(images))
    result.sum().backward()


def test_leaky_relu_is_torchs_and_can_be_differentiated_twice():
    layer, x = fast(nn.LeakyReLU(0.1)), drawn(3, 5).double().requires_grad_()
    assert torch.equal(layer(x), F.leaky_relu(x, 0.1))
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradgradcheck(layer, x)


def test_the_gradient_of_a_gradient_takes_the_slopes_of_leaky_relu_as_constants():
    x, weight = drawn(3, 5).requires_grad_(), drawn(5).requires_grad_()
    (slope,) = torch.autograd.grad((fast(nn.LeakyReLU(0.1))(x) * weight).sum(), x, create_graph=True)
    to_x, to_weight = torch.autograd.grad(slope.square().sum(), [x, weight], allow_unused=True)
    assert to_x is None
    assert_close(to_weight, (2 * weight * torch.where(x > 0, 1, 0.1) ** 2).sum(0))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("channels", "out", "sides"), [(5, 3, (1, 7)), (64, 8, (4, 6))])
def test_a_convolution_of_repeated_pixels_is_the_convolution(bias, channels, out, sides):
    torch.manual_seed(0)

    def plain(x, w, b=None):
        return F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), w, b, padding=1)

    assert_same(fast(GrowingConvolution(channels, out, 3, padding=1, bias=bias)), plain, drawn(2, channels, *sides))


def test_taps_of_repeated_pixels_are_summed_in_fp32_where_convolutions_are_in_bf16():
    torch.manual_seed(0)
    plain, images = GrowingConvolution(16, 8, 3, padding=1), drawn(2, 16, 8, 8)
    expected = plain(images).detach()
    with torch.autocast("cpu", torch.bfloat16):
        found = fast(plain)(images)
    assert found.dtype is torch.bfloat16
    assert_close(found.detach(), expected.double(), tolerance=5e-3)


@pytest.mark.parametrize(
    "options", [{"padding": 0}, {"padding": 1, "padding_mode": "reflect"}, {"padding": 1, "stride": 2}]
)
def test_other_convolutions_of_repeated_pixels_are_left_alone(options):
    layer = GrowingConvolution(4, 4, 3, **options)
    assert type(accelerate(layer)) is GrowingConvolution


def test_labels_are_added_in_fp32_where_convolutions_are_in_bf16():
    layer = fast(LabelledConvolution(3 + 2, 4, 7, padding=3, bias=False))
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(drawn(1, 3, 8, 8), torch.eye(2)[:1]).dtype is torch.float32


@pytest.mark.parametrize("side", [(8, 9), (5, 16)], ids=["as large as the kernel", "smaller"])
def test_labels_that_are_summed_are_planes_beside_the_image(side):
    images, labels = drawn(2, 3, *side).double(), drawn(2, 5).double()
    plain = LabelledConvolution(3 + 5, 4, 7, padding=3, bias=False).double()
    expected = plain(images, labels)
    torch.testing.assert_close(fast(plain)(images, labels), expected)
