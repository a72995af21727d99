"""Every way to compute a step that a processor has, against the plain implementation of the paper's equations."""

import importlib.util
from pathlib import Path

import pytest
import torch

from stargan_fw.compute.machine import compile_networks
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.training.optimisation import PhaseOptimizer
from stargan_fw_plugins.cpu import winograd

_spec = importlib.util.spec_from_file_location("paper", Path(__file__).with_name("test_paper_equations.py"))
paper = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(paper)

CPU = torch.device("cpu")


def accelerated(networks, *, unmeasured):
    """Swaps in the layers of all accelerators for processors, and those that wait for another device, too."""
    accelerators = PluginManager.discover().index("accelerator")
    for name in accelerators.names():
        accelerator = accelerators.get(name)()
        if accelerator.suits(CPU) or (unmeasured and accelerator.unmeasured_on):
            for network in networks:
                accelerator.accelerate(network)


def as_built(networks):
    pass


def as_by_default(networks):
    accelerated(networks, unmeasured=False)


def with_all_layers(networks):
    accelerated(networks, unmeasured=True)


def channels_last(networks):
    accelerated(networks, unmeasured=True)
    for network in networks:
        network.to(memory_format=torch.channels_last)


def compiled(networks):
    """The generator alone: the discriminator is differentiated twice."""
    accelerated(networks, unmeasured=True)
    assert compile_networks(networks[:1], CPU)


@pytest.mark.parametrize("change", [as_built, as_by_default, with_all_layers, channels_last, compiled])
def test_twenty_steps_follow_the_papers_equations_in_every_way(monkeypatch, tiny_stargan, draw_batch, change):
    monkeypatch.setattr(winograd, "FEWEST_TILES", 1)
    monkeypatch.setattr(winograd, "FEWEST_CHANNELS", 4)
    method = tiny_stargan("celeba", "rafd", accelerated=False)
    plain = paper.PlainStarGAN(("celeba", "rafd"), method.generator, method.discriminator)
    change([method.generator, method.discriminator])
    optimizers = {phase.name: PhaseOptimizer(phase, method, (paper.BETA_1, paper.BETA_2)) for phase in method.phases}
    for step in range(20):
        batch, due = draw_batch(("celeba", "rafd")[step % 2], 500 + step), {"d", "g"} if step % 10 > 7 else {"d"}
        torch.manual_seed(step)
        expected = plain.update(batch, due)
        torch.manual_seed(step)
        for phase, losses in method.losses(batch, due):
            optimizers[phase].update(losses, paper.RATE)
            assert losses.total.item() == pytest.approx(expected[phase][1].item(), rel=1e-4), f"{step} {phase}"
