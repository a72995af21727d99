"""What only some plugins can do: core asks for it, and says so if it is not there."""

import pytest
import torch
from fake_plugins import Colours, Shapes, Swap

from stargan_fw.components import build_method, complete
from stargan_fw.config import Layer, merge
from stargan_fw.data.source import Source
from stargan_fw.data.stand_in import draw_stand_ins
from stargan_fw.errors import ModelError
from stargan_fw.evaluation.ground_truth import GroundTruth
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
        (Swap, "mask", "wrong", "'swap' has no mask: there is no wrong one to translate with"),
        (Negating, "mask", "wrong", "'swap' has no mask: there is no wrong one"),
        (Negating, "label", "non", "'swap' has no non label; did you mean 'none'"),
    ):
        with pytest.raises(ModelError, match=message):
            variant_of(build(kind), part, setting)


def test_a_sheet_and_an_evaluation_of_a_method_without_a_mask_are_refused(cli, trained_once, small_data, tmp_path):
    picture = min((small_data / "shapes").glob("*.png"))
    for command in (("sheet", trained_once, picture, "-o", tmp_path / "sheet.png"), ("evaluate", trained_once)):
        outcome = cli(*command, "--mask", "wrong")
        assert (outcome.code, "'swap' has no mask: there is no wrong one" in outcome.err) == (2, True)
    assert not (tmp_path / "sheet.png").exists()


def test_stand_in_data_is_of_those_that_draw_it(monkeypatch, tmp_path):
    monkeypatch.setattr(Colours, "draw_stand_in", None)
    drawn = dict(draw_stand_ins(PluginManager.discover(), tmp_path, images=3, people=1, seed=0))
    assert drawn == {"shapes": tmp_path / "shapes"}
    assert len(list((tmp_path / "shapes").iterdir())) == 3


def test_a_dataset_that_draws_no_counterfactuals_has_no_ground_truth(small_data):
    config = merge([Layer("test", {"data": {"path": str(small_data)}, "datasets": {"shapes": {}}})])
    source = Source.open("shapes", config.datasets["shapes"], config.data.path, PluginManager.discover())
    assert GroundTruth.of(source, store=None) == (None, "")
