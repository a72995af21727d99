"""Graphs are tried before training, and taking them back leaves no trace."""

import logging
from contextlib import nullcontext

import pytest
import torch
from torch import nn

from stargan_fw.training import session as compilation
from stargan_fw.training.session import compile_trained


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


def test_trying_graphs_changes_nothing(trainer, modes, monkeypatch):
    begun = []
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: begun.append(1))
    plain, captured = trainer(), trainer("training.graphs=on")

    assert compile_trained(plain)
    assert compile_trained(captured)

    assert modes == [None, "reduce-overhead"]
    assert (captured.step, set(captured.updates.values())) == (0, {0})
    tried = len(begun)
    assert tried == 24  # three times four steps on each of two datasets, after which the phases that are due repeat
    assert same(weights_after_a_cycle(plain), weights_after_a_cycle(captured))
    assert len(begun) == tried + 8


def test_where_graphs_fail_training_goes_on_without(trainer, modes, monkeypatch, caplog):
    calls = iter(range(100))

    def begin():
        if next(calls) == 5:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nand more")

    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", begin)
    plain, failed = trainer(), trainer("training.graphs=on")

    with caplog.at_level(logging.WARNING):
        assert compile_trained(failed)

    assert modes == ["reduce-overhead", None]
    (record,) = caplog.records
    assert record.getMessage() == (
        "The GPU's kernels cannot be captured in graphs, and are launched one by one: CUDA error: operation not permitted "
        "when stream is capturing"
    )
    assert same(weights_after_a_cycle(plain), weights_after_a_cycle(failed))
    assert next(calls) == 6  # nobody begins a step of graphs any more


def test_a_try_that_fails_halfway_leaves_no_gradients(trainer, modes, monkeypatch):
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: None)
    plain, failed = trainer(), trainer("training.graphs=on")
    adam = failed.optimizers["g"].optimizer

    def step():
        raise AssertionError

    monkeypatch.setattr(adam, "step", step)
    assert compile_trained(failed)

    assert modes[-1] is None
    assert same(weights_after_a_cycle(plain), weights_after_a_cycle(failed))


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
