"""The penalty trains the critic in every way of computing it, and no network that is differentiated twice is ever compiled."""

import itertools
import shutil

import pytest
import torch
from torch import nn

from stargan_fw.components import complete
from stargan_fw.compute.machine import compile_networks
from stargan_fw.config import Config
from stargan_fw.interfaces import score_together
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.training.plan import compile_trained
from stargan_fw_bench import rehearse
from stargan_fw_plugins.cpu import accelerate
from stargan_fw_plugins.faster_layers import shorten
from stargan_fw_plugins.gpu_layers import LayoutKeepingNorms, PaddedChannels
from stargan_fw_plugins.losses import critic_penalty
from stargan_fw_plugins.losses.r1 import SquaredSlope
from stargan_fw_plugins.losses.wgan_gp import WGANGP, UnitSlope
from stargan_fw_plugins.networks.patch_discriminator import PatchDiscriminator
from stargan_fw_plugins.networks.stargan_discriminator import StarGANDiscriminator

PLUGINS = PluginManager.discover()
METHODS, LOSSES = PLUGINS.index("method").names(), PLUGINS.index("loss").names()
CRITICS = {"stargan": StarGANDiscriminator, "patch": PatchDiscriminator}
PENALTIES = {"wgan_gp": UnitSlope, "r1": SquaredSlope}
EACH_PENALTY = pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
EACH_CRITIC = pytest.mark.parametrize("critic", CRITICS.values(), ids=CRITICS)
SMALL = {
    "stargan": {"generator": {"conv_dim": 4, "repeat_num": 1}, "discriminator": {"conv_dim": 4, "repeat_num": 3}},
    "icgan": {"method": {"conv_dim": 4, "hidden_dim": 16, "z_dim": 8}},
}
PAIRWISE = {"generator": {"conv_dim": 4, "repeat_num": 1}, "discriminator": {"conv_dim": 4}}


def accelerate_for_gpus(network):
    for accelerator in (LayoutKeepingNorms(), PaddedChannels()):
        accelerator.accelerate(shorten(network))
    return network


LAYERS = {"plain": lambda network: network, "shortcuts": shorten, "processor": accelerate, "gpu": accelerate_for_gpus}


def drawn(seed, dtype=torch.float32):
    return (torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1).to(dtype)


def make(critic):
    torch.manual_seed(0)
    return critic(image_size=32, label_dim=6, conv_dim=8)


def gradients(penalty, critic, images, **autocast):
    """Returns the penalty and its gradient by each parameter, with None if there is none."""
    critic.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, **{"enabled": False, **autocast}):
        value = penalty.penalise(critic.score_images, images)
    value.backward()
    return value, {name: p.grad for name, p in critic.named_parameters()}


def assert_same(found, expected, tolerance):
    (value, slopes), (other, others) = found, expected
    assert abs(value.item() - other.item()) <= tolerance * abs(other.item())
    for name, gradient in others.items():
        if gradient is None or not gradient.any():
            assert slopes[name] is None or not slopes[name].any(), name
        else:
            assert (slopes[name] - gradient).norm() <= tolerance * gradient.norm(), name


@EACH_PENALTY
@EACH_CRITIC
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 1e-5)], ids=["fp64", "fp32"])
def test_functional_slopes_give_the_numbers_of_autograd(monkeypatch, penalty, critic, dtype, tolerance):
    monkeypatch.setattr(torch.Tensor, "float", lambda tensor: tensor.to(dtype))
    network, images = make(critic).to(dtype), drawn(1, dtype)
    expected = gradients(penalty(), network, images)
    monkeypatch.setattr(critic_penalty, "autograd_slopes", critic_penalty.functional_slopes)
    assert_same(gradients(penalty(), network, images), expected, tolerance)


@EACH_PENALTY
@pytest.mark.parametrize(
    ("critic", "layers"),
    [(StarGANDiscriminator, "plain"), (StarGANDiscriminator, "processor"), (PatchDiscriminator, "gpu")],
    ids=["stargan plain", "stargan processor", "patch gpu"],
)
def test_a_compiled_penalty_has_every_gradient_of_the_eager_one(penalty, critic, layers):
    expected = gradients(penalty(), make(critic), drawn(1))
    compiled = penalty()
    compiled.compile(backend="aot_eager", fullgraph=True)
    network = LAYERS[layers](make(critic))
    found = gradients(compiled, network, drawn(1), enabled=True)
    assert_same(found, expected, 1e-5)
    assert found[1]["cls.weight"] is None, "the slope of the scores does not depend on it"
    torch.compiler.reset()


@pytest.mark.filterwarnings("ignore:.torch.jit.*:DeprecationWarning")  # of Inductor in torch 2.11
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_inductors_penalty_has_every_gradient_of_the_eager_one():
    expected = gradients(UnitSlope(), make(StarGANDiscriminator), drawn(1))
    compiled = UnitSlope()
    compiled.compile(fullgraph=True)
    assert_same(gradients(compiled, shorten(make(StarGANDiscriminator)), drawn(1)), expected, 1e-5)


@pytest.mark.filterwarnings("default")  # torch's compiler warns of its own code
def test_a_penalty_that_cannot_be_compiled_is_the_eager_one(monkeypatch):
    """A batch norm changes its count of batches, which `torch.func.grad` refuses."""
    compile_network, found = nn.Module.compile, []
    monkeypatch.setattr(nn.Module, "compile", lambda module, **_: compile_network(module, backend="aot_eager"))
    monkeypatch.setattr("stargan_fw.compute.machine._cpp_compiler", lambda: "g++")
    compiled = UnitSlope()
    compile_networks([compiled], torch.device("cpu"))
    for penalty in (UnitSlope(), compiled):
        torch.manual_seed(0)
        critic = nn.Sequential(nn.Conv2d(3, 4, 4, 2), nn.BatchNorm2d(4), nn.LeakyReLU(0.1), nn.Conv2d(4, 1, 3))
        value = penalty.penalise(critic, drawn(1))
        value.backward()
        gradients = [p.grad for p in critic.parameters() if p.grad is not None]
        found.append([value.detach(), *gradients, *critic.state_dict().values()])
    assert len(found[0]) == len(found[1])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
    torch.compiler.reset()


def test_critics_of_one_kind_share_a_compiled_penalty():
    compiled, counted = UnitSlope(), []

    def count(graph, _):
        counted.append(graph)
        return graph

    compiled.compile(backend=count, fullgraph=True)
    for seed in range(3):
        torch.manual_seed(seed)
        critic = StarGANDiscriminator(image_size=32, label_dim=0, conv_dim=4)
        compiled.penalise(critic.score_images, drawn(1))
    assert len(counted) == 1
    torch.compiler.reset()


def penalty_of(loss, network, **context):
    """Returns what the penalty alone adds to the gradients of the critic's loss."""
    found = []
    for weight in (loss.lambda_gp, 0.0):
        loss.lambda_gp, before = weight, loss.lambda_gp
        network.zero_grad()
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, **context):
            result = loss.discriminator(*score_together(network.score_images, drawn(1), drawn(2)), network.score_images)
        result.total.backward()
        found.append({name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None})
        loss.lambda_gp = before
    return {name: gradient - found[1][name] for name, gradient in found[0].items()}


def functional(monkeypatch, loss, network):
    monkeypatch.setattr(critic_penalty, "autograd_slopes", critic_penalty.functional_slopes)


def compiled(monkeypatch, loss, network):
    loss.penalty.compile(backend="aot_eager", fullgraph=True)


def eager(monkeypatch, loss, network):
    pass


WAYS = [
    *((layers, way, False) for layers, way in itertools.product(LAYERS, (eager, compiled))),
    ("plain", functional, False),
    ("shortcuts", eager, True),
    ("shortcuts", compiled, True),
]


@pytest.mark.parametrize(("layers", "way", "bf16"), WAYS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_the_penalty_moves_every_weight_of_the_critic_in_every_way(monkeypatch, layers, way, bf16):
    expected = penalty_of(WGANGP(lambda_gp=1000.0), make(StarGANDiscriminator), enabled=False)
    loss, network = WGANGP(lambda_gp=1000.0), LAYERS[layers](make(StarGANDiscriminator))
    way(monkeypatch, loss, network)
    found = penalty_of(loss, network, enabled=bf16)
    moved = [name for name, gradient in expected.items() if gradient.any()]
    assert moved == [*(f"trunk.{layer}.weight" for layer in (0, 2, 4, 6)), "src.weight"]
    for name in moved:
        # The penalty is always in fp32; in bf16 only the rest of the loss, whose gradients were subtracted, rounds.
        assert (found[name] - expected[name]).norm() <= 1e-3 * expected[name].norm(), name
    torch.compiler.reset()


def configure(method, loss, **training):
    parts = SMALL.get(method, PAIRWISE)
    tables = {
        **parts,
        "method": {**parts.get("method", {}), "name": method},
        "loss": {"name": loss},
        "data": {"image_size": 32},
        "embedding": {"name": "classifier", "conv_dim": 4},
        "training": {"batch_size": 8, "n_critic": 2, "accelerate": "off", **training},
    }
    if method != "diat":
        del tables["embedding"]
    return complete(Config.model_validate(tables), PLUGINS)


def parameters_behind(tensors):
    """Returns the parameters that a graph leads to."""
    nodes, seen = [tensor.grad_fn for tensor in tensors], set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            yield node.variable
        nodes += [following for following, _ in node.next_functions]


REFUSED = {("joint", "wgan_gp")}  # the method has no place for a penalty of every update


@pytest.mark.parametrize(("method", "loss"), sorted({*itertools.product(METHODS, LOSSES)} - REFUSED))
def test_no_network_that_is_differentiated_twice_is_compiled(monkeypatch, tmp_path, method, loss):
    """torch raises for such networks, or returns slopes without gradients (pytorch#181581), so the critic trains otherwise."""
    compiled, twice = [], []

    def mark(network, **_):
        compiled.append(network)
        network._compiled_call_impl = network._call_impl

    gradient = torch.autograd.grad

    def recorded(outputs, *given, create_graph=False, **more):
        if create_graph:
            twice.extend(parameters_behind([outputs]))
        return gradient(outputs, *given, create_graph=create_graph, **more)

    monkeypatch.setattr(nn.Module, "compile", mark)
    monkeypatch.setattr(torch.autograd, "grad", recorded)
    monkeypatch.setattr("stargan_fw.compute.machine._cpp_compiler", lambda: "g++")
    trainer = rehearse(configure(method, loss, compile="on"), PLUGINS, (2, 3), torch.device("cpu"), tmp_path)
    compile_trained(trainer)
    interval = max(trainer.intervals.values())
    for _ in range(2 * interval):
        trainer.step += 1
        trainer.update(trainer.load())
    assert bool(twice) == (trainer.method.penalty is not None)
    assert bool(compiled) == bool(trainer.method.compilable)
    inside = {id(parameter) for network in compiled for parameter in network.parameters()}
    assert inside.isdisjoint(map(id, twice))


def test_a_compiled_generator_leaves_the_penalty_to_the_critic(monkeypatch, tmp_path):
    compile_network, found = nn.Module.compile, {}
    monkeypatch.setattr(nn.Module, "compile", lambda network, **_: compile_network(network, backend="aot_eager"))
    monkeypatch.setattr("stargan_fw.compute.machine._cpp_compiler", lambda: "g++")
    for choice, weight in itertools.product(("off", "on"), (0.0, 1000.0)):
        folder = tmp_path / f"{choice} {weight}"
        folder.mkdir()
        trainer = rehearse(
            configure("stargan", "wgan_gp", compile=choice, precision="fp32"),
            *(PLUGINS, (2, 3), torch.device("cpu"), folder),
        )
        assert compile_trained(trainer) == (choice == "on")
        trainer.method.loss.lambda_gp = weight
        critic, gradients = trainer.method.networks["discriminator"], {}
        trainer.optimizers["d"].optimizer.register_step_pre_hook(
            lambda *_, critic=critic, gradients=gradients: gradients.update(
                {name: p.grad.clone() for name, p in critic.named_parameters()}
            )
        )
        trainer.step += 1
        trainer.update(trainer.load())
        found[choice, weight] = gradients
    torch.compiler.reset()
    for name, gradient in found["off", 1000.0].items():
        assert (found["on", 1000.0][name] - gradient).norm() <= 1e-4 * gradient.norm()
        of_penalty = (gradient - found["off", 0.0][name]).norm()
        assert (of_penalty > 0) == (name.endswith("weight") and not name.startswith("cls")), name


def test_the_rule_finds_a_compiled_critic():
    """Otherwise the test above would pass whatever is compiled."""
    critic = make(StarGANDiscriminator)
    images = drawn(1).requires_grad_()
    found = {id(parameter) for parameter in parameters_behind([critic.score_images(images).sum()])}
    assert found - {id(images)} == {id(p) for name, p in critic.named_parameters() if name != "cls.weight"}
