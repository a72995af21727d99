"""What only some plugins can do: core asks, and says so if they cannot."""

import pytest
import torch

from stargan_fw import Dataset
from stargan_fw.data.stand_in import draw_stand_ins
from stargan_fw.errors import DataError, ModelError
from stargan_fw.interfaces.method import read_labels, variant_of
from stargan_fw.plugin_manager import PluginManager
from stargan_fw_registry import Binary


class Plain:
    """A method that can only translate."""

    name = "plain"


class Changeable(Plain):
    """A method that also reads labels, and whose lens can be set."""

    name, variants = "changeable", {"lens": ("blurred", "tinted")}

    def variant(self, part, setting):
        return part, setting

    def read_labels(self, images, dataset):
        return torch.ones(len(images), 2)


def test_a_method_is_asked_for_what_it_can_do():
    assert variant_of(Changeable(), "lens", "blurred") == ("lens", "blurred")
    assert read_labels(Changeable(), torch.zeros(3, 3, 4, 4), "shapes").shape == (3, 2)


@pytest.mark.parametrize(
    ("method", "part", "setting", "message"),
    [
        (Changeable(), "lens", "blured", "has no blured lens; did you mean 'blurred'"),
        (Changeable(), "mask", "wrong", "'changeable' has no mask"),
        (Plain(), "lens", "blurred", "'plain' has no lens"),
    ],
)
def test_what_a_method_cannot_set_is_named(method, part, setting, message):
    with pytest.raises(ModelError, match=message):
        variant_of(method, part, setting)


def test_a_method_that_reads_no_labels_says_so():
    with pytest.raises(ModelError, match="'plain' cannot read the current labels of 'shapes'.*: name every label"):
        read_labels(Plain(), torch.zeros(1, 3, 4, 4), "shapes")


class Photographs(Dataset):
    """A dataset that nobody can draw."""

    name = "photographs"
    attributes = (Binary("old"),)

    def examples(self):
        return []


def test_stand_ins_are_drawn_of_the_datasets_that_can_be(tmp_path):
    plugins = PluginManager.discover()
    plugins.index("dataset").register("photographs", Photographs, "here")

    drawn = dict(draw_stand_ins(plugins, tmp_path, images=12, people=3, seed=1))

    assert {name: len(list(folder.iterdir())) for name, folder in drawn.items()} == {"shapes": 12, "colours": 12}
    assert {path.name for path in tmp_path.iterdir()} == {"shapes", "colours"}
    with pytest.raises(DataError, match="exists already"):
        list(draw_stand_ins(plugins, tmp_path, images=12, people=3, seed=1))


def test_a_stand_in_that_fails_leaves_nothing(tmp_path, monkeypatch):
    from fake_plugins import Shapes

    monkeypatch.setattr(Shapes, "draw", lambda *_, **__: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        list(draw_stand_ins(PluginManager.discover(), tmp_path, images=12, people=3, seed=1))
    assert "shapes" not in {path.name for path in tmp_path.iterdir()}
