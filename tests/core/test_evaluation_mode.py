"""Samples are drawn in evaluation mode and leave no trace: the fake generator has a batch norm."""

import pytest
import torch
from torch import nn

from stargan_fw import evaluating
from stargan_fw.models.loading import open_model


def test_every_module_gets_its_own_mode_back():
    network = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.5))
    network[1].eval()
    with evaluating(network):
        assert not any(module.training for module in network.modules())
        network(torch.rand(4, 2))
    assert [module.training for module in network.modules()] == [True, True, False]
    assert network[0].num_batches_tracked == 0


def test_the_mode_comes_back_after_an_error():
    network = nn.Dropout(0.5)
    with pytest.raises(KeyError), evaluating(network):
        raise KeyError
    assert network.training


def sheet(run, step):
    return (run / f"samples/step-{step:08d}.png").read_bytes()


def test_a_sample_changes_no_bit_of_a_run(train, tensors, tmp_path):
    rare, often, resumed = (tmp_path / name for name in ("rare", "often", "resumed"))
    assert train(out=rare).code == 0
    assert train("--set", "training.sample_every=1", out=often).code == 0
    assert train("--set", "training.sample_every=1", "--max-steps", 5, out=resumed).code == 0
    assert train("--resume", "--set", "training.sample_every=3", out=resumed).code == 0

    expected = tensors(rare, 12)
    assert expected["generator/norm.num_batches_tracked"] == 12  # one fake per step, and no sheet
    for other in (often, resumed):
        found = tensors(other, 12)
        assert found.keys() == expected.keys()
        assert [name for name in found if not torch.equal(found[name], expected[name])] == []
        assert sheet(other, 12) == sheet(rare, 12)


PLUGIN = """
from fake_plugins import Swap
from stargan_fw import Phase, hookimpl


class Painter(Swap):
    name = "painter"
    phases = (Phase("d", ("critic",)), Phase("g", ("painter",)))
    averaged = "painter"
    translating = ("painter",)
    reading = ("critic",)
    compilable = ()

    def __init__(self, space, image_size, build, *, keep: float = 1.0):
        super().__init__(space, image_size, build, keep=keep)
        self.networks = {"painter": self.generator, "critic": self.discriminator}

    def losses(self, batch, due):
        return (item for item in super().losses(batch, due) if item[0] in due)


@hookimpl
def register_methods(register):
    register(Painter)
"""


def test_the_average_is_of_the_network_that_the_method_names(train, tensors, tmp_path):
    plugin, run = tmp_path / "painter.py", tmp_path / "run"
    plugin.write_text(PLUGIN)
    assert train("--plugin", plugin, "--set", "method.name=painter", "--max-steps", 4).code == 0
    saved = tensors(run, 4)
    assert not torch.equal(saved["ema/first.weight"], saved["painter/first.weight"])

    model = open_model(run, plugins=[plugin])
    model.load("painter")
    assert torch.equal(model.method.networks["painter"].first.weight, saved["ema/first.weight"])
