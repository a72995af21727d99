"""The parameter column of Table 3, added up here from the layers alone, and what the framework counts."""

from itertools import pairwise

import pytest

from stargan_fw.components import complete, count_config_parameters
from stargan_fw.config_layers import Layer, merge
from stargan_fw.plugin_manager import PluginManager
from stargan_fw_registry import Binary, Categorical, LabelSchema, LabelSpace

PLUGINS = PluginManager.discover()
EXPRESSIONS = ["angry", "contemptuous", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"]
RAFD = LabelSpace([LabelSchema("rafd", [Categorical("expression", EXPRESSIONS)])])


def count(preset, space=RAFD, **method):
    layers = [Layer.from_file(PLUGINS.index("preset").get(preset)), Layer("test", {"method": method})]
    return count_config_parameters(complete(merge(layers), PLUGINS), space, PLUGINS)


def column(found):
    """As the paper gives it: millions a model, and how many models."""
    return round(found.per_model / 1e6, 1), found.models


def conv(before, after, side, *, bias=False):
    return before * after * side**2 + (after if bias else 0)


def chain(widths, side, *, bias=False):
    return sum(conv(before, after, side, bias=bias) for before, after in pairwise(widths))


def normed(widths):
    """Scale and shift of a norm behind each layer."""
    return sum(2 * width for width in widths)


STARGAN_D_TRUNK = chain([3, 64, 128, 256, 512, 1024, 2048], 4, bias=True) + conv(2048, 1, 3)
RESNET_AROUND = conv(3, 64, 7) + conv(64, 128, 3) + conv(128, 256, 3)
RESNET_AROUND += conv(256, 128, 3) + conv(128, 64, 3) + conv(64, 3, 7, bias=True)
RESNET_BLOCK = 2 * conv(256, 256, 3)
PATCH_D = conv(3, 64, 4, bias=True) + chain([64, 128, 256, 512], 4) + conv(512, 1, 4, bias=True)


def stargan():
    generator = conv(3 + 8, 64, 7) + conv(64, 128, 4) + conv(128, 256, 4) + 12 * conv(256, 256, 3)
    generator += conv(256, 128, 4) + conv(128, 64, 4) + conv(64, 3, 7)
    generator += normed([64, 128, 256, *[256] * 12, 128, 64])
    return generator + STARGAN_D_TRUNK + conv(2048, 8, 2)


def icgan(kernel):
    widths = [1024, 512, 256, 128, 64]
    generator = conv(100 + 8, 1024, 4) + chain(widths, 4) + conv(64, 3, 4, bias=True) + normed(widths)
    discriminator = conv(3, 64, 4, bias=True) + conv(64 + 8, 128, 4) + chain([128, 256, 512, 1024], 4)
    discriminator += conv(1024, 1, 4, bias=True) + normed([128, 256, 512, 1024])
    encoders = 0
    for hidden, out in ((4096, 100), (512, 8)):
        encoders += chain([3, 32, 64, 128, 256, 512], kernel) + 512 * 4 * 4 * hidden + hidden * out + out
        encoders += normed([32, 64, 128, 256, 512, hidden])
    return generator + discriminator + encoders


BY_HAND = {
    "StarGAN": ("paper", {}, (53.2, 1), stargan()),
    "DIAT": (
        "paper_diat",
        {"source": "neutral"},
        (52.6, 7),
        7 * (RESNET_AROUND + 6 * RESNET_BLOCK + STARGAN_D_TRUNK),
    ),
    "CycleGAN": (
        "paper_cyclegan",
        {"source": "neutral"},
        (52.6, 14),
        14 * (RESNET_AROUND + 6 * RESNET_BLOCK + STARGAN_D_TRUNK),
    ),
    "IcGAN": ("paper_icgan", {}, (67.8, 1), icgan(kernel=4)),
}


@pytest.mark.parametrize(("preset", "method", "expected", "by_hand"), BY_HAND.values(), ids=BY_HAND)
def test_the_presets_have_the_papers_parameters(preset, method, expected, by_hand):
    found = count(preset, **method)
    assert column(found) == expected
    assert str(found).split() == [str(expected[0]), "M", "\N{MULTIPLICATION SIGN}", str(expected[1])]
    assert found.total == by_hand


def test_cyclegan_as_its_authors_describe_it_has_14_million():
    layers = [Layer("test", {"method": {"name": "cyclegan", "source": "neutral"}})]
    found = count_config_parameters(complete(merge(layers), PLUGINS), RAFD, PLUGINS)
    assert column(found) == (14.1, 14)
    assert found.networks["generator"] == 14 * (RESNET_AROUND + 9 * RESNET_BLOCK)
    assert found.networks["discriminator"] == 14 * PATCH_D


def test_icgan_with_the_published_encoders_has_71_million():
    found = count("paper_icgan", encoder_kernel=5)
    assert column(found) == (71.0, 1)
    assert found.total == icgan(kernel=5)


def test_without_a_source_there_is_a_model_for_every_pair():
    assert count("paper_cyclegan").models == 56
    assert count("paper_diat").models == 56


def test_binary_attributes_are_pairs():
    celeba = LabelSpace([LabelSchema("celeba", [Binary("Male"), Binary("Young")])])
    assert count("paper_cyclegan", celeba).models == 4
    assert count("paper_diat", celeba, source="Male=0").models == 3


def test_what_only_training_needs_is_not_counted():
    layers = [Layer.from_file(PLUGINS.index("preset").get("diat_64")), Layer("test", {"method": {"source": "neutral"}})]
    found = count_config_parameters(complete(merge(layers), PLUGINS), RAFD, PLUGINS)
    assert set(found.networks) == {"generator", "discriminator"}
