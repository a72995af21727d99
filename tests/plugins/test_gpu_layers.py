"""Layers for GPUs give torch's own results and gradients. Here they run on the processor, eagerly and compiled."""

import copy
import itertools
import shutil

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from stargan_fw.compute.machine import accelerate_networks
from stargan_fw.plugin_manager import PluginManager
from stargan_fw_plugins.faster_layers import SingleChannelNorm, shorten
from stargan_fw_plugins.gpu_layers import (
    LayoutKeepingNorm,
    LayoutKeepingNorms,
    PaddedChannels,
    PaddedConvolution,
    SubpixelConvolutions,
)
from stargan_fw_plugins.networks.attention_generator import AttentionGenerator, ConditionalNorm
from stargan_fw_plugins.networks.stargan_discriminator import StarGANDiscriminator
from stargan_fw_plugins.networks.stargan_generator import LabelledConvolution, StarGANGenerator

ACCELERATORS = (LayoutKeepingNorms, PaddedChannels, SubpixelConvolutions)
LAYOUTS = (torch.contiguous_format, torch.channels_last)
EACH_LAYOUT = pytest.mark.parametrize("layout", LAYOUTS, ids=["rows", "channels last"])


def drawn(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def swapped(layer, accelerator):
    """Swaps a layer, and asserts that there was something to swap."""
    before = type(layer)
    assert type(accelerator().accelerate(layer)) is not before
    return layer


def norm(affine=True, plain=False):
    layer = nn.InstanceNorm2d(5, affine=affine)
    if affine:
        layer.load_state_dict({"weight": drawn(5), "bias": drawn(5, seed=2) + 1})
    return layer if plain else swapped(layer, LayoutKeepingNorms)


def derivatives(function, given, slope):
    """Returns the result, its gradients and the gradients of a function of these."""
    given = [tensor.detach().clone().requires_grad_() for tensor in given]
    result = function(*given)
    first = torch.autograd.grad(result, given, slope.to(result.dtype), create_graph=True)
    second = torch.autograd.grad(sum(one.square().sum() for one in first), given, allow_unused=True)
    return [result, *first, *(one for one in second if one is not None)]


def assert_close(found, expected, tolerance=1e-5):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert (one.double() - other).abs().max() <= tolerance * other.abs().max()


NORM_CASES = {"affine": True, "plain": False}


@EACH_LAYOUT
@pytest.mark.parametrize("affine", NORM_CASES.values(), ids=NORM_CASES)
def test_instance_norm_is_torchs_with_its_first_and_second_derivatives(affine, layout):
    layer, maps = norm(affine), drawn(3, 5, 7, 9).to(memory_format=layout)
    parameters = [*layer.parameters()]

    def plain(x, weight=None, bias=None):
        return F.instance_norm(x, weight=weight, bias=bias)

    def own(x, *values):
        return torch.func.functional_call(layer, dict(zip(dict(layer.named_parameters()), values, strict=True)), (x,))

    slope = drawn(3, 5, 7, 9, seed=3)
    exact = derivatives(plain, [tensor.double() for tensor in (maps, *parameters)], slope)
    assert_close(derivatives(own, [maps, *parameters], slope), exact)
    assert torch.autograd.gradgradcheck(layer.double(), maps.double().requires_grad_())


@EACH_LAYOUT
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_norms_keep_the_layout_of_maps_and_of_gradients(layout, compiled):
    conditional = swapped(ConditionalNorm(5, 2), LayoutKeepingNorms)
    for layer, more in ((norm(), ()), (conditional, (drawn(2, 2),))):
        torch.compiler.reset()  # maps of another layout would be compiled for sizes and strides of all kinds
        call = torch.compile(layer, backend="aot_eager", fullgraph=True) if compiled else layer
        maps = drawn(2, 5, 4, 6).to(memory_format=layout).requires_grad_()
        result = call(maps, *more)
        assert result.is_contiguous(memory_format=layout)
        (gradient,) = torch.autograd.grad(result.square().sum(), maps)
        assert gradient.is_contiguous(memory_format=layout)


def test_norms_of_maps_with_a_large_mean_keep_their_digits():
    maps = drawn(2, 5, 16, 16) + 1000
    exact = F.instance_norm(maps.double())
    error = (norm(affine=False)(maps) - exact).abs().max()
    assert error <= (F.instance_norm(maps) - exact).abs().max()
    assert error < 1e-4


@EACH_LAYOUT
def test_norms_in_bf16_round_no_more_than_torchs(layout):
    maps = (3 * drawn(2, 5, 16, 16) + 2).bfloat16().to(memory_format=layout)
    layer, plain = norm(), norm(plain=True)
    exact = F.instance_norm(maps.double(), weight=layer.weight.double(), bias=layer.bias.double())
    with torch.autocast("cpu", torch.bfloat16):
        result, other = layer(maps), plain(maps)
    assert result.dtype is torch.bfloat16
    assert (result - exact).norm() <= (other - exact).norm() * (1 + 1e-6)
    rounded = exact.bfloat16()
    assert (result.double() - exact).norm() <= 1.001 * (rounded.double() - exact).norm()


def test_a_norm_of_one_pixel_is_torchs_error():
    for layer, more in ((norm(), ()), (swapped(ConditionalNorm(5, 2), LayoutKeepingNorms), (drawn(2, 2),))):
        with pytest.raises(ValueError, match="Expected more than 1"):
            layer(drawn(2, 5, 1, 1), *more)


def test_a_compiled_conditional_norm_has_no_instance_norm():
    """torch 2.11 says that it exports while it compiles, and for exports there is an instance norm."""
    called = []

    def record(graph, _):
        called.extend(node.target for node in graph.graph.nodes if node.op == "call_function")
        return graph

    torch.compiler.reset()
    torch.compile(ConditionalNorm(5, 2), backend=record, fullgraph=True)(drawn(2, 5, 4, 6), drawn(2, 2))
    assert F.group_norm in called
    assert F.instance_norm not in called


@EACH_LAYOUT
def test_a_conditional_norm_is_the_plain_one(layout):
    layer = ConditionalNorm(5, 2)
    maps, labels, slope = drawn(3, 5, 4, 6).to(memory_format=layout), drawn(3, 2), drawn(3, 5, 4, 6, seed=3)
    expected = derivatives(layer.double(), [maps.double(), labels.double()], slope)
    assert_close(derivatives(swapped(layer.float(), LayoutKeepingNorms), [maps, labels], slope), expected)


@pytest.mark.parametrize("kind", [nn.InstanceNorm2d, SingleChannelNorm])
def test_running_statistics_are_torchs(kind):
    layer = nn.InstanceNorm2d(5, track_running_stats=True)
    layer.__class__ = kind
    assert type(LayoutKeepingNorms().accelerate(layer)) is kind


def convolutions():
    """Those with few channels: the first and the last of the generator and of the discriminator."""
    yield "colours in", nn.Conv2d(3, 16, 7, padding=3, bias=False), (3, 8, 10)
    yield "colours out", nn.Conv2d(16, 3, 7, padding=3, bias=False), (16, 8, 10)
    yield "halving", nn.Conv2d(3, 12, 4, stride=2, padding=1), (3, 8, 10)
    yield "scores", nn.Conv2d(16, 1, 3, padding=1, bias=False), (16, 3, 3)


CONVOLUTIONS = {name: (layer, shape) for name, layer, shape in convolutions()}


@EACH_LAYOUT
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_padded_convolutions_have_the_gradients_of_plain_ones(name, layout):
    plain, shape = CONVOLUTIONS[name]
    layer = PaddedChannels().accelerate(copy.deepcopy(plain)).to(memory_format=layout)
    assert type(layer) is PaddedConvolution
    images = drawn(2, *shape).to(memory_format=layout)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(images).dtype is torch.bfloat16
    assert torch.equal(layer(images), plain(images)), "fp32 is left alone"
    found = _gradients(layer.to(torch.bfloat16), images.bfloat16())
    expected = _gradients(copy.deepcopy(plain).to(torch.bfloat16).double(), images.bfloat16().double())
    # One rounding of a result, and sums of bf16 products in fp32.
    for one, other in zip(found, expected, strict=True):
        assert (one.double() - other).norm() <= 2**-8 * other.norm()
        assert one.shape == other.shape


def test_padded_convolutions_over_labels_are_the_plain_ones():
    images, labels = drawn(2, 3, 8, 10).bfloat16(), drawn(2, 5)
    plain = LabelledConvolution(3 + 5, 12, 7, padding=3, bias=False)
    exact = plain(images.float(), labels)
    for layer in (copy.deepcopy(plain), shorten(copy.deepcopy(plain))):
        with torch.autocast("cpu", torch.bfloat16):
            result = swapped(layer, PaddedChannels)(images, labels)
        assert (result - exact).norm() <= 0.01 * exact.norm()


@EACH_LAYOUT
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_upsampling_by_a_convolution_is_the_transposed_convolution(layout, bias, compiled):
    layer, maps = nn.ConvTranspose2d(6, 5, 4, stride=2, padding=1, bias=bias), drawn(2, 6, 4, 7)
    expected = _gradients(copy.deepcopy(layer).double(), maps.double())
    layer = swapped(layer, SubpixelConvolutions).to(memory_format=layout)
    call = torch.compile(layer, backend="aot_eager", fullgraph=True) if compiled else layer
    assert_close(_gradients(layer, maps.to(memory_format=layout), call), expected)


@EACH_LAYOUT
def test_upsampling_can_be_differentiated_twice(layout):
    layer = swapped(nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1), SubpixelConvolutions)
    layer = layer.double().to(memory_format=layout)
    maps = drawn(1, 3, 3, 2).double().to(memory_format=layout).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x, *_: layer(x), (maps, *layer.parameters()))


def test_upsampling_takes_the_size_that_is_asked_for():
    layer = swapped(nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1), SubpixelConvolutions)
    assert layer(drawn(1, 3, 4, 4), output_size=[9, 8]).shape == (1, 2, 9, 8)
    assert layer(drawn(3, 4, 4)).shape == (2, 8, 8)


@pytest.mark.parametrize(
    "layer",
    [
        nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1),
        nn.ConvTranspose2d(4, 4, 4),
        nn.Conv2d(6, 6, 3, groups=2),
        nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(16, 64, 3),
        nn.BatchNorm2d(4),
    ],
    ids=str,
)
def test_other_layers_are_left_alone(layer):
    kind = type(layer)
    for accelerator in ACCELERATORS:
        accelerator().accelerate(layer)
    assert type(layer) is kind


def test_no_device_swaps_what_nobody_measured_there(monkeypatch):
    monkeypatch.delenv("STARGAN_FW_ACCELERATE", raising=False)
    plugins = PluginManager.discover()
    assert {kind.name for kind in ACCELERATORS} <= {name for name, _ in plugins.index("accelerator").items()}
    for device, unmeasured in itertools.product(("cpu", "cuda", "mps"), (False, True)):
        network = StarGANGenerator(image_size=32, label_dim=2, conv_dim=4, repeat_num=1)
        accelerate_networks([network], plugins, torch.device(device), unmeasured=unmeasured)
        swapped_in = any(type(layer).__module__.endswith("gpu_layers") for layer in network.modules())
        assert swapped_in == (unmeasured and device != "cpu")


GENERATORS = {"stargan": StarGANGenerator, "attention": AttentionGenerator}


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("shortened", [False, True], ids=["alone", "with shortcuts"])
def test_a_generator_of_these_layers_is_the_plain_one(name, shortened):
    torch.manual_seed(0)
    plain = GENERATORS[name](image_size=32, label_dim=5, conv_dim=4, repeat_num=1)
    network = shorten(copy.deepcopy(plain)) if shortened else copy.deepcopy(plain)
    for accelerator, _ in itertools.product(ACCELERATORS, range(2)):
        accelerator().accelerate(network)
    assert network.state_dict().keys() == plain.state_dict().keys()
    images, labels = drawn(2, 3, 32, 32), drawn(2, 5)
    exact = plain.double()(images.double(), labels.double())
    network.to(memory_format=torch.channels_last)
    for given in (images, images.to(memory_format=torch.channels_last)):
        torch.testing.assert_close(network(given, labels), exact.float(), rtol=0, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        error = (network(images, labels) - exact).norm()
        other = (plain.float()(images, labels) - exact).norm()
    assert error <= 1.2 * other


def test_a_channels_last_generator_copies_no_maps():
    """Every norm gets maps in channels-last layout and gives such."""
    network = StarGANGenerator(image_size=32, label_dim=5, conv_dim=8, repeat_num=1).to(
        memory_format=torch.channels_last
    )
    for accelerator in ACCELERATORS:
        accelerator().accelerate(network)
    seen = []
    for layer in network.modules():
        if isinstance(layer, LayoutKeepingNorm):
            layer.register_forward_hook(lambda _, given, result: seen.append((given[0].stride(), result)))
    with torch.autocast("cpu", torch.bfloat16):
        network(drawn(2, 3, 32, 32).to(memory_format=torch.channels_last), drawn(2, 5))
    assert len(seen) == 7
    for strides, result in seen:
        assert strides[1] == 1
        assert result.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.filterwarnings("ignore:.torch.jit.*:DeprecationWarning")  # of Inductor in torch 2.11
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_inductors_values_after_an_instance_norm_are_right():
    """In torch 2.11 what Inductor fused after an instance norm was wrong (pytorch#183601)."""
    layers = nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1, bias=False), norm(), nn.ReLU(), nn.Conv2d(5, 3, 3, padding=1), nn.Tanh()
    )
    layers.to(memory_format=torch.channels_last)
    images = drawn(2, 3, 8, 8).to(memory_format=torch.channels_last)
    expected = _gradients(copy.deepcopy(layers), images)
    assert_close(_gradients(layers, images, torch.compile(layers, fullgraph=True)), expected)


def test_a_discriminator_of_padded_channels_can_be_differentiated_twice():
    torch.manual_seed(0)
    critic = StarGANDiscriminator(image_size=32, label_dim=5, conv_dim=4)
    padded = PaddedChannels().accelerate(copy.deepcopy(critic))
    images, found = drawn(2, 3, 32, 32), []
    for network in (critic.double(), padded.bfloat16()):
        given = images.to(network.src.weight.dtype).requires_grad_()
        (slope,) = torch.autograd.grad(network.score_images(given).sum(), given, create_graph=True)
        slope.square().sum().backward()
        found.append([p.grad.double() for p in network.parameters() if p.grad is not None and p.grad.any()])
    for expected, one in zip(*found, strict=True):
        assert (one - expected).norm() <= 0.1 * expected.norm()


def _gradients(layer, images, call=None):
    images = images.detach().clone().requires_grad_()
    result = (layer if call is None else call)(images)
    gradients = torch.autograd.grad(
        result, [images, *layer.parameters()], drawn(*result.shape, seed=4).to(result.dtype)
    )
    return [result, *gradients]
