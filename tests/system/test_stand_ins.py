"""Stand-in data for every dataset that can be drawn."""

import pytest

from stargan_fw.errors import DataError
from stargan_fw.plugin_manager import PluginManager
from stargan_fw_data.stand_ins import draw_stand_ins
from stargan_fw_plugins.datasets.rafd import RaFD


class Photographs(RaFD):
    """Cannot be drawn: neither anew, nor with other labels."""

    name = "photographs"
    draw_stand_in = counterfactual = None


def test_stand_in_data_is_of_those_that_draw_it(tmp_path):
    plugins = PluginManager.discover()
    plugins.index("dataset").register("photographs", Photographs, "here")
    drawn = dict(draw_stand_ins(plugins, tmp_path, images=3, people=1, seed=0))
    assert drawn == {name: tmp_path / name for name in ("celeba", "rafd")}
    assert len(list((tmp_path / "celeba" / "img_align_celeba").iterdir())) == 3


def test_stand_in_data_appears_whole_or_not_at_all(monkeypatch, tmp_path):
    monkeypatch.setattr(RaFD, "draw_stand_in", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(draw_stand_ins(PluginManager.discover(), tmp_path, images=3, people=1, seed=0))
    assert list(tmp_path.iterdir()) == []


def test_stand_in_data_is_not_drawn_over_other_data(tmp_path):
    (tmp_path / "rafd").mkdir()
    with pytest.raises(DataError, match="rafd' exists already"):
        list(draw_stand_ins(PluginManager.discover(), tmp_path, images=3, people=1, seed=0))
    assert [path.name for path in tmp_path.iterdir()] == ["rafd"]
