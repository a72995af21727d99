"""The learning rate, the optimiser of a phase, and the moving average of weights."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from stargan_fw.interfaces import Losses, Phase
from stargan_fw.training.optimisation import LinearDecay, MovingAverage, PhaseOptimizer


def test_the_rate_is_constant_and_then_falls_in_a_line_to_nothing():
    schedule = LinearDecay(rate=0.1, steps=200, share=0.5)

    assert [schedule.at(step) for step in (1, 50, 100)] == [0.1, 0.1, 0.1]
    assert [schedule.at(step) for step in (110, 150, 190)] == pytest.approx([0.09, 0.05, 0.01])
    assert schedule.at(200) == 0
    assert schedule.at(250) == 0, "not below, should a run go on"


@pytest.mark.parametrize("share", [0.1, 1 / 3, 0.5, 1.0])
def test_the_rate_never_rises_and_ends_at_nothing(share):
    schedule = LinearDecay(rate=1.0, steps=37, share=share)
    rates = [schedule.at(step) for step in range(1, 38)]

    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == 0
    assert sum(rate < 1 for rate in rates) <= share * 37 + 1


def test_no_decay_is_a_constant_rate():
    schedule = LinearDecay(rate=0.1, steps=10, share=0)

    assert {schedule.at(step) for step in range(1, 11)} == {0.1}


def method():
    torch.manual_seed(0)
    return SimpleNamespace(networks={"generator": nn.Linear(3, 2), "discriminator": nn.Linear(2, 1)})


def loss(method, step):
    inputs = torch.linspace(-1, 1 + step, 12).view(4, 3)
    total = method.networks["discriminator"](method.networks["generator"](inputs)).square().mean()
    return Losses(total, {})


def test_a_phase_updates_its_networks_and_gives_no_other_a_gradient():
    networks = method()
    optimizer = PhaseOptimizer(Phase("g", ("generator",)), networks, (0.5, 0.999))
    generator, discriminator = (network.weight for network in networks.networks.values())
    before = generator.detach().clone(), discriminator.detach().clone()

    optimizer.update(loss(networks, 0), rate=0.01)

    # Adam's first step is the rate, in the gradient's direction.
    assert torch.allclose((generator - before[0]).abs(), torch.tensor(0.01), atol=1e-4)
    assert torch.equal(discriminator, before[1])
    assert discriminator.grad is None


def test_a_rate_of_nothing_changes_nothing():
    networks = method()
    optimizer = PhaseOptimizer(Phase("all", ("generator", "discriminator")), networks, (0.5, 0.999))
    before = [parameter.detach().clone() for parameter in optimizer.parameters]

    optimizer.update(loss(networks, 0), rate=0.0)

    assert all(torch.equal(a, b) for a, b in zip(optimizer.parameters, before, strict=True))


def test_an_optimizer_continues_from_its_state():
    one, other = method(), method()
    phase = Phase("all", ("generator", "discriminator"))
    first = PhaseOptimizer(phase, one, (0.5, 0.999))
    for step in range(3):
        first.update(loss(one, step), rate=0.01)
    saved = {name: value.clone() for name, value in first.state().items()}
    for name, network in other.networks.items():
        network.load_state_dict(one.networks[name].state_dict())
    second = PhaseOptimizer(phase, other, (0.5, 0.999))

    second.load_state(saved)
    for step in range(3, 6):
        first.update(loss(one, step), rate=0.005)
        second.update(loss(other, step), rate=0.005)

    assert set(saved) == {f"{i}.{name}" for i in range(4) for name in ("step", "exp_avg", "exp_avg_sq")}
    assert all(torch.equal(a, b) for a, b in zip(first.parameters, second.parameters, strict=True))
    assert all(torch.equal(second.state()[name], value) for name, value in first.state().items())


def test_an_optimizer_that_never_stepped_has_a_state():
    networks = method()
    optimizer = PhaseOptimizer(Phase("g", ("generator",)), networks, (0.5, 0.999))

    assert optimizer.state() == {}
    optimizer.load_state({})
    optimizer.update(loss(networks, 0), rate=0.01)


def test_the_average_follows_the_weights():
    network = nn.Linear(2, 2)
    start = network.weight.detach().clone()
    average = MovingAverage(network, decay=0.75)
    assert torch.equal(average.weights["weight"], start)

    with torch.no_grad():
        network.weight.add_(4.0)
    average.update()
    assert torch.allclose(average.weights["weight"], start + 1)
    average.update()
    assert torch.allclose(average.weights["weight"], start + 1.75)

    assert torch.equal(network.weight, start + 4.0), "the network itself stays"
    assert not average.weights["weight"].requires_grad


def test_the_average_starts_where_the_network_is_and_shares_nothing():
    network = nn.Linear(2, 2)
    average = MovingAverage(network, decay=0.5)
    before = average.weights["bias"].clone()

    with torch.no_grad():
        network.bias.fill_(9)

    assert torch.equal(average.weights["bias"], before)


def test_a_count_is_copied_and_not_averaged():
    network = nn.BatchNorm1d(2)
    average = MovingAverage(network, decay=0.5)
    network(torch.tensor([[0.0, 0.0], [8.0, 8.0]]))
    average.update()

    assert average.weights["num_batches_tracked"] == 1
    assert torch.allclose(average.weights["running_mean"], torch.tensor(0.2)), "half of a tenth of the mean"
