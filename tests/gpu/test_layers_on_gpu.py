"""Layers for tensor cores and the compiled penalty, on a GPU: the results and gradients that a processor has in fp64."""

import copy

import pytest
import torch
from torch import nn

from stargan_fw_plugins.faster_layers import shorten
from stargan_fw_plugins.gpu_layers import LayoutKeepingNorms, PaddedChannels, SubpixelConvolutions
from stargan_fw_plugins.losses.r1 import SquaredSlope
from stargan_fw_plugins.losses.wgan_gp import UnitSlope
from stargan_fw_plugins.networks.stargan_discriminator import StarGANDiscriminator

# What torch warns of on a GPU differs from version to version, and is not asked here.
pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]

ACCELERATORS = (LayoutKeepingNorms, PaddedChannels, SubpixelConvolutions)
LAYERS = {
    "instance norm": nn.InstanceNorm2d(16, affine=True),
    "upsampling": nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1, bias=False),
    "colours in": nn.Conv2d(3, 16, 7, padding=3, bias=False),
    "colours out": nn.Conv2d(16, 3, 7, padding=3, bias=False),
}
PRECISIONS = {"fp32": (torch.float32, 1e-4), "bf16": (torch.bfloat16, 2e-2)}


def drawn(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def gradients(layer, images):
    images = images.detach().clone().requires_grad_()
    result = layer(images)
    slope = torch.empty_like(result).copy_(drawn(*result.shape, seed=2))
    return [result, *torch.autograd.grad(result, [images, *layer.parameters()], slope)]


def distance(found, expected):
    return ((found.detach().cpu().double() - expected).norm() / expected.norm()).item()


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS.values(), ids=PRECISIONS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["rows", "channels last"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_computes_what_a_processor_does(device, name, layout, dtype, tolerance):
    plain = LAYERS[name].to(dtype)
    images = drawn(4, 3 if name == "colours in" else 16, 16, 16).to(dtype)
    expected = gradients(copy.deepcopy(plain).double(), images.double())
    layer = copy.deepcopy(plain).to(device, memory_format=layout)
    for accelerator in ACCELERATORS:
        accelerator().accelerate(layer)
    assert type(layer) is not type(plain)
    found = gradients(layer, images.to(device, memory_format=layout))
    for own, other in zip(found, expected, strict=True):
        assert distance(own, other) <= tolerance
    if isinstance(layer, nn.InstanceNorm2d):
        assert all(own.is_contiguous(memory_format=layout) for own in found[:2])


@pytest.mark.parametrize("penalty", [UnitSlope, SquaredSlope])
def test_a_compiled_penalty_has_the_gradients_of_the_eager_one(cuda, penalty):
    torch.manual_seed(0)
    critic = shorten(StarGANDiscriminator(image_size=32, label_dim=5, conv_dim=8)).to(cuda)
    images, compiled, found = drawn(4, 3, 32, 32).to(cuda), penalty(), []
    compiled.compile(fullgraph=True)
    for module in (penalty(), compiled):
        critic.zero_grad()
        with torch.autocast("cuda", dtype=torch.bfloat16):
            value = module.penalise(critic.score_images, images)
        value.backward()
        found.append({name: p.grad.cpu().double() for name, p in critic.named_parameters() if p.grad is not None})
    expected, own = found
    assert own.keys() == expected.keys() == {*(f"trunk.{layer}.weight" for layer in (0, 2, 4, 6)), "src.weight"}
    for name, gradient in expected.items():
        assert distance(own[name], gradient) <= 1e-3, name
