"""What is compiled and captured in graphs, and what is said where that is impossible."""

import logging
from contextlib import ExitStack, nullcontext

import pytest
import torch
from torch import nn

from stargan_fw.training import plan as compilation
from stargan_fw.training.plan import compile_trained
from stargan_fw.training.session import _train


@pytest.fixture
def trainer(trainer):
    """Makes trainers whose networks are to be compiled."""
    return lambda *settings: trainer("training.compile=on", *settings)


@pytest.fixture
def modes(monkeypatch):
    """As on a machine with a GPU: what networks are compiled with, and nothing is compiled."""
    found = []
    monkeypatch.setattr("stargan_fw.compute.machine._compile", lambda network, mode: found.append(mode))
    monkeypatch.setattr("stargan_fw.compute.machine._cpp_compiler", lambda: "g++")
    monkeypatch.setattr(compilation, "has_graphs", lambda device: True)
    return found


def cycle(trainer):
    """Trains until the phases that are due repeat."""
    for _ in range(trainer.cycle_steps):
        trainer.step += 1
        trainer.update(trainer.load())


def weights_after_a_cycle(trainer):
    cycle(trainer)
    networks = {name: dict(network.state_dict()) for name, network in trainer.method.networks.items()}
    return {**networks, "average": trainer.average.weights, "adam": trainer.optimizers["g"].state()}


def same(one, other):
    return all(torch.equal(value, other[part][name]) for part, values in one.items() for name, value in values.items())


def test_graphs_begin_with_each_step_and_change_nothing(trainer, modes, monkeypatch):
    begun = []
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: begun.append(1))
    plain, captured = trainer(), trainer("training.graphs=on")

    assert compile_trained(plain)
    assert compile_trained(captured)

    assert modes == [None, "reduce-overhead"]
    assert same(weights_after_a_cycle(plain), weights_after_a_cycle(captured))
    assert len(begun) == 8  # four steps on each of two datasets


@pytest.mark.parametrize("captures", [False, True])
def test_losses_stay_if_a_graph_overwrites_what_it_returned(trainer, modes, monkeypatch, captures):
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: None)
    trained, terms = trainer(), []
    trained.captures = captures
    losses = trained.method.losses

    def noted(batch, due):
        for phase, values in losses(batch, due):
            terms.extend(values.terms.values())
            yield phase, values

    trained.method.losses = noted
    trained.step += 1
    trained.update(trained.load())
    (values,) = trained.pending.values()
    before = {name: float(value) for name, value in values.items()}
    for term in terms:
        term.data.fill_(7)
    assert ({name: float(value) for name, value in values.items()} == before) == captures


@pytest.mark.parametrize(("graphs", "notes"), [("on", 1), ("off", 0)])
def test_where_graphs_fail_the_error_says_how_to_do_without(trainer, modes, monkeypatch, graphs, notes):
    failing = trainer(f"training.graphs={graphs}")
    compile_trained(failing)

    def load():
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(failing, "load", load)
    with pytest.raises(RuntimeError) as caught:
        _train(failing, 1, ExitStack(), failing.run)
    assert len(getattr(caught.value, "__notes__", [])) == notes
    assert all("Set training.graphs to off" in note for note in getattr(caught.value, "__notes__", []))


def test_a_device_without_graphs_launches_kernels_one_by_one(trainer, modes, monkeypatch, caplog):
    monkeypatch.setattr(compilation, "has_graphs", lambda device: False)
    with caplog.at_level(logging.WARNING):
        assert compile_trained(trainer("training.graphs=on"))
    assert modes == [None]
    assert [record.getMessage() for record in caplog.records] == [
        "training.graphs = on: only CUDA has graphs, and kernels are launched one by one on cpu."
    ]


def test_nothing_is_compiled_of_itself(trainer, modes):
    assert not compile_trained(trainer("training.compile=auto"))
    assert modes == []


def test_graphs_of_nothing_are_no_graphs(trainer, modes, caplog):
    with caplog.at_level(logging.WARNING):
        assert not compile_trained(trainer("training.graphs=on", "training.compile=off"))
    assert [record.getMessage() for record in caplog.records] == [
        "training.graphs = on: nothing is compiled, and so nothing is captured. Set training.compile to on."
    ]


def test_sheets_are_drawn_without_graphs(trainer, modes, monkeypatch):
    stances = []
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: None)
    monkeypatch.setattr(torch.compiler, "set_stance", lambda stance: stances.append(stance) or nullcontext())
    captured = trainer("training.graphs=on")
    compile_trained(captured)
    monkeypatch.setattr(captured.sample, "draw", lambda method: stances.append("drawn"))
    monkeypatch.setattr(captured.run, "save_sample", lambda step, sheet: None)
    captured.draw_sample()
    assert stances == ["force_eager", "drawn"]


def test_channels_last_goes_on_where_a_checkpoint_ends(trainer):
    whole, begun, resumed = (trainer("training.channels_last=on", "training.compile=off") for _ in range(3))
    cycle(whole)
    cycle(begun)
    begun.save()
    resumed.run = begun.run
    resumed.resume()
    assert same(weights_after_a_cycle(whole), weights_after_a_cycle(resumed))


def test_channels_last_trains_the_same(trainer):
    settings = ("training.precision=fp32", "training.compile=off")
    plain, last = (trainer(f"training.channels_last={choice}", *settings) for choice in ("off", "on"))
    for _ in range(2):
        cycle(plain)
        cycle(last)

    convolutions = (m for m in last.method.networks["discriminator"].modules() if isinstance(m, nn.Conv2d))
    layer = next(m for m in convolutions if m.kernel_size == (4, 4))
    assert layer.weight.is_contiguous(memory_format=torch.channels_last)
    assert not layer.weight.is_contiguous()
    assert plain.pending.keys() == {"dataset0", "dataset1"}
    for dataset, values in plain.pending.items():
        for name, value in values.items():
            assert float(last.pending[dataset][name]) == pytest.approx(float(value), rel=1e-3, abs=1e-5), name
