"""What only some plugins can do: core asks for it, and says so if it is not there."""

import pytest
import torch
from fake_plugins import Shapes, Swap

from stargan_fw import Translator
from stargan_fw.components import build_method, complete
from stargan_fw.config_layers import Layer, merge
from stargan_fw.errors import ModelError
from stargan_fw.interfaces import HasVariants, ReadsLabels
from stargan_fw.interfaces.method import read_labels, variant_of
from stargan_fw.plugin_manager import PluginManager
from stargan_fw_registry import LabelSchema, LabelSpace

SPACE = LabelSpace([LabelSchema("shapes", list(Shapes.attributes))])
IMAGES = torch.zeros(2, 3, 16, 16)


@pytest.fixture
def build():
    """Builds a method of a class: `build(Swap)`."""
    plugins = PluginManager.discover()
    config = complete(merge([Layer.from_file(plugins.index("preset").get("small"))]), plugins)

    def build_as(kind):
        method = build_method(config, SPACE, plugins)
        method.__class__ = kind
        return method

    return build_as


class Blind(Swap):
    """Cannot read labels."""

    read_labels = None


class Negating(Swap):
    """Can be shown without its labels."""

    variants = {"label": ("none", "all")}  # noqa: RUF012

    def variant(self, part, setting):
        return part, setting


def test_a_method_reads_labels_if_it_can(build):
    assert isinstance(build(Swap), ReadsLabels)
    assert read_labels(build(Swap), IMAGES, "shapes").shape == (2, 4)
    assert not isinstance(build(Blind), ReadsLabels)
    with pytest.raises(ModelError, match="'swap' cannot read the current labels of 'shapes' .*: name every label"):
        read_labels(build(Blind), IMAGES, "shapes")


def test_a_method_has_the_variants_that_it_offers(build):
    assert isinstance(build(Negating), HasVariants)
    assert variant_of(build(Negating), "label", "none") == ("label", "none")
    for kind, part, setting, message in (
        (Swap, "mask", "wrong", "'swap' has no mask: leave out the wrong one"),
        (Negating, "mask", "wrong", "'swap' has no mask: leave out the wrong one"),
        (Negating, "label", "non", "'swap' has no non label; did you mean 'none'"),
    ):
        with pytest.raises(ModelError, match=message):
            variant_of(build(kind), part, setting)


def test_the_translator_of_a_method_without_a_mask_has_no_variant(trained_once):
    translator = Translator.from_pretrained(trained_once, device="cpu")
    with pytest.raises(ModelError, match="'swap' has no mask: leave out the wrong one"):
        translator.variant("mask", "wrong")
