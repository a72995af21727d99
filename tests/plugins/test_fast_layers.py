"""Layers that compute otherwise on processors: the same results and gradients as torch's own."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from stargan_fw_plugins.networks import patch_convolution, winograd
from stargan_fw_plugins.networks.colour_convolution import ColourConvolution
from stargan_fw_plugins.networks.instance_norm import InstanceNorm
from stargan_fw_plugins.networks.leaky_relu import LeakyReLU
from stargan_fw_plugins.networks.patch_convolution import PatchConvolution
from stargan_fw_plugins.networks.stargan_generator import LabelConvolution
from stargan_fw_plugins.networks.winograd import WinogradConvolution


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


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def calls(monkeypatch):
    """Counts what goes by way of fewer products."""
    counted = []
    convolve = winograd._Convolve.apply
    monkeypatch.setattr(winograd._Convolve, "apply", lambda *given: counted.append(1) or convolve(*given))
    return counted


@pytest.mark.parametrize(("part", "kept"), [(1, 0), (2**20, 0), (2**20, 2**30)], ids=["parts", "again", "kept"])
@pytest.mark.parametrize("sides", [(8, 8), (4, 12)])
def test_a_convolution_of_fewer_products_is_the_convolution(monkeypatch, calls, part, kept, sides):
    monkeypatch.setattr(winograd, "PART_BYTES", part)
    monkeypatch.setattr(winograd, "KEPT_BYTES", kept)
    torch.manual_seed(0)
    layer = WinogradConvolution(128, 136)
    assert_same(layer, lambda x, w: F.conv2d(x, w, padding=1), drawn(2, 128, *sides))
    assert calls


@pytest.mark.parametrize("of", ["images", "weight"])
def test_a_convolution_of_fewer_products_computes_only_the_gradients_that_are_wanted(of):
    torch.manual_seed(0)
    layer, images = WinogradConvolution(128, 128), drawn(1, 128, 4, 4)
    layer.weight.requires_grad_(of == "weight")
    images.requires_grad_(of == "images")
    layer(images).sum().backward()
    assert (images.grad is not None, layer.weight.grad is not None) == (of == "images", of == "weight")


@pytest.mark.parametrize(
    ("channels", "side", "dtype"),
    [(127, 8, torch.float32), (128, 6, torch.float32), (128, 8, torch.float64)],
    ids=["few channels", "an odd side", "fp64"],
)
def test_a_convolution_takes_the_plain_way_where_it_must(calls, channels, side, dtype):
    layer, images = WinogradConvolution(channels, channels).to(dtype), drawn(1, channels, side, side).to(dtype)
    assert torch.equal(layer(images), F.conv2d(images, layer.weight, padding=1))
    assert not calls


def test_a_convolution_of_fewer_products_leaves_bf16_to_the_processor(calls):
    with torch.autocast("cpu", torch.bfloat16):
        assert WinogradConvolution(128, 128)(drawn(1, 128, 4, 4)).dtype is torch.bfloat16
    assert not calls


def test_a_colour_convolution_is_the_convolution():
    torch.manual_seed(0)
    layer = ColourConvolution(8, 3, 7, padding=3, bias=False)
    assert_same(layer, lambda x, w: F.conv2d(x, w, padding=3), drawn(2, 8, 6, 12))


def test_a_colour_convolution_takes_the_plain_way_where_it_must():
    layer, images = ColourConvolution(8, 3, 7, padding=3, bias=False), drawn(1, 8, 5, 8)
    assert torch.equal(layer(images), F.conv2d(images, layer.weight, padding=3))


@pytest.mark.parametrize("affine", [True, False])
def test_instance_norm_is_torchs(affine):
    layer, plain = InstanceNorm(5, affine=affine), nn.InstanceNorm2d(5, affine=affine)
    if affine:
        layer.load_state_dict({"weight": drawn(5), "bias": drawn(5) + 1})
    assert layer.state_dict().keys() == plain.state_dict().keys()
    assert_same(layer, lambda x, w=None, b=None: F.instance_norm(x, weight=w, bias=b), drawn(3, 5, 7, 9))


@pytest.mark.parametrize("bias", [True, False])
def test_a_convolution_of_patches_is_the_convolution_and_can_be_differentiated_twice(bias):
    layer = PatchConvolution(2, 3, 4, stride=2, padding=1, bias=bias).double()
    images = drawn(2, 2, 4, 6).double().requires_grad_()
    given = (images, *layer.parameters())
    plain = F.conv2d(images, layer.weight, layer.bias, stride=2, padding=1)
    assert_close(layer(images), plain)
    assert torch.autograd.gradcheck(lambda x, *_: layer(x), given)
    assert torch.autograd.gradgradcheck(lambda x, *_: layer(x), given)


def test_a_convolution_of_patches_gives_gradients_that_are_added_in_place(monkeypatch):
    """The kernel's gradient is one of the two tensors that the images and the penalty gave, and no third one."""
    given, outer = [], patch_convolution._outer

    def recorded(*tensors):
        result = outer(*tensors)
        given.append(result.data_ptr())
        return result

    monkeypatch.setattr(patch_convolution, "_outer", recorded)
    layer, images = PatchConvolution(2, 3, 4, stride=2, padding=1), drawn(2, 2, 4, 4).requires_grad_()
    (slope,) = torch.autograd.grad(layer(images).square().sum(), images, create_graph=True)
    (layer(drawn(2, 2, 4, 4)).square().sum() + slope.square().sum()).backward()
    assert layer.weight.grad.data_ptr() in given


def test_a_convolution_of_patches_takes_any_layout_of_its_kernel():
    layer = PatchConvolution(2, 3, 4, stride=2, padding=1)
    (expected,) = torch.autograd.grad(layer(drawn(2, 2, 4, 4)).square().sum(), layer.weight)
    layer = layer.to(memory_format=torch.channels_last)
    (actual,) = torch.autograd.grad(layer(drawn(2, 2, 4, 4)).square().sum(), layer.weight)
    assert_close(actual, expected)


def test_a_convolution_of_patches_takes_no_images():
    assert PatchConvolution(2, 3, 4, stride=2, padding=1)(torch.empty(0, 2, 4, 6)).shape == (0, 3, 2, 3)


def test_leaky_relu_is_torchs_and_can_be_differentiated_twice():
    layer, x = LeakyReLU(0.1), drawn(3, 5).double().requires_grad_()
    assert torch.equal(layer(x), F.leaky_relu(x, 0.1))
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradgradcheck(layer, x)


def test_the_gradient_of_a_gradient_takes_the_slopes_of_leaky_relu_as_constants():
    x, weight = drawn(3, 5).requires_grad_(), drawn(5).requires_grad_()
    (slope,) = torch.autograd.grad((LeakyReLU(0.1)(x) * weight).sum(), x, create_graph=True)
    to_x, to_weight = torch.autograd.grad(slope.square().sum(), [x, weight], allow_unused=True)
    assert to_x is None
    assert_close(to_weight, (2 * weight * torch.where(x > 0, 1, 0.1) ** 2).sum(0))


def test_a_negative_slope_is_refused():
    with pytest.raises(ValueError, match="slope = -1"):
        LeakyReLU(-1)


def test_labels_are_added_in_fp32_where_convolutions_are_in_bf16():
    layer = LabelConvolution(3 + 2, 4, 7, padding=3, bias=False)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(drawn(1, 3, 8, 8), torch.eye(2)[:1]).dtype is torch.float32
