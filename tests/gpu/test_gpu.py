"""What may differ on a GPU: copies, precision, layouts, layers, compilers and graphs, each against the processor or the plain way."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from stargan_fw.api import compile_trained, configure_layers
from stargan_fw.compute.machine import accelerate_networks, copy_to
from stargan_fw.config_layers import Layer
from stargan_fw.data.device_cache import ResidentImages
from stargan_fw.data.store import Store, write_store
from stargan_fw.inference.engine import Engine
from stargan_fw.training.failed_steps import is_lack_of_memory
from stargan_fw_bench import rehearse
from stargan_fw_bench.speed_trial import train_on_first
from stargan_fw_plugins.losses.wgan_gp import gradient_penalty

# What torch warns of on a GPU differs from version to version, and is not asked here.
pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]

CPU = torch.device("cpu")
SMALL = ["data.image_size=32", "training.batch_size=4", "training.n_critic=2", "generator.conv_dim=8"]
SMALL += ["generator.repeat_num=1", "discriminator.conv_dim=8"]
PLAIN = {"precision": "fp32", "accelerate": "off", "channels_last": "off", "compile": "off", "graphs": "off"}


@pytest.fixture
def trainer(tmp_path):
    """Makes a trainer on noise: `trainer(device, precision="bf16")`, otherwise in the plain way."""

    def make(device, **settings):
        training = [f"training.{name}={value}" for name, value in {**PLAIN, **settings}.items()]
        config, plugins = configure_layers([Layer.from_settings([*SMALL, *training])])
        folder = tmp_path / f"{device}-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        made = train_on_first(rehearse(config, plugins, [5, 8], device, folder))
        compile_trained(made)
        return made

    return make


@pytest.fixture
def drawn_alike(monkeypatch):
    """Lets all devices draw the same random numbers: the processor's."""
    for name in ("rand", "randn", "randperm"):
        drawn = getattr(torch, name)

        def draw(*shape, device=None, drawn=drawn, **options):
            return drawn(*shape, **options).to(device or CPU)

        monkeypatch.setattr(torch, name, draw)


@pytest.fixture
def steps(device):
    """How many steps are compared: few where nothing differs."""
    return 4 if device.type == "cpu" else 20


def take_steps(trainer, count):
    """Returns the losses of each step."""
    losses = []
    for _ in range(count):
        trainer.step += 1
        trainer.update(trainer.load())
        (values,) = trainer.pending.values()
        losses.append({name: float(value) for name, value in values.items() if name.startswith(("d/", "g/"))})
    return losses


def assert_alike(found, expected, tolerance):
    for own, other in zip(found, expected, strict=True):
        assert own.keys() == other.keys()
        for name, value in other.items():
            assert abs(own[name] - value) <= tolerance * (1 + abs(value)), name


def distance(found, expected):
    expected = expected.to(CPU).double()
    return float((found.detach().to(CPU).double() - expected).norm() / expected.norm())


@pytest.mark.usefixtures("drawn_alike")
def test_steps_are_those_of_a_processor(trainer, device, steps):
    assert_alike(take_steps(trainer(device), steps), take_steps(trainer(CPU), steps), 3e-3)


@pytest.mark.parametrize(("accelerate", "channels_last"), [("off", "off"), ("off", "on"), ("on", "off"), ("on", "on")])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 3e-3), ("bf16", 0.05)])
def test_a_way_to_train_is_the_plain_one(trainer, device, steps, precision, tolerance, accelerate, channels_last):
    way = trainer(device, precision=precision, accelerate=accelerate, channels_last=channels_last)

    assert_alike(take_steps(way, steps), take_steps(trainer(device), steps), tolerance)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("unmeasured", [False, True])
def test_the_penalty_differentiates_the_critic_as_on_a_processor(trainer, device, unmeasured, channels_last):
    plain = trainer(CPU).method.discriminator
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    critic = copy.deepcopy(plain).to(device)
    _, plugins = configure_layers([Layer.from_settings(SMALL)])
    accelerate_networks([critic], plugins, device, unmeasured=unmeasured)
    if channels_last:
        critic.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)

    # Between equal images all mixtures are the same, so the random numbers do not count.
    for network, place in ((critic, device), (plain, CPU)):
        with torch.autocast(place.type, dtype=torch.bfloat16):
            gradient_penalty(network.score_images, images.to(place), images.to(place)).backward()

    for own, other in zip(critic.parameters(), plain.parameters(), strict=True):
        if other.grad is not None and other.grad.norm() > 0:
            assert distance(own.grad, other.grad) < 1e-2
    assert any(parameter.grad is not None and parameter.grad.norm() > 0 for parameter in critic.parameters())


def test_bf16_trains_on(trainer, device, steps):
    losses = take_steps(trainer(device, precision="bf16"), 2 * steps)
    assert all(math.isfinite(value) for step in losses for value in step.values())


def test_copies_hold_what_was_copied_though_the_device_is_busy(device):
    side = 2048 if device.type == "cuda" else 64
    busy = torch.rand(side, side, device=device)
    copies = []
    for number in range(100):
        busy = busy @ busy / busy.norm()
        copies.append(copy_to(device, torch.full((1000,), float(number))))
    assert [int(copied.mean()) for copied in copies] == list(range(100))


def test_resident_images_are_those_of_the_store(device, tmp_path):
    pixels = torch.randint(0, 256, (40, 8, 8, 3), dtype=torch.uint8)
    write_store(tmp_path / "store.arrow", (image.numpy().tobytes() for image in pixels))
    store = Store(tmp_path / "store.arrow", 8)
    images = ResidentImages(store, range(3, 40), device)
    assert images.read([39, 3, 7]).to(CPU).equal(pixels[[39, 3, 7]])


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-3), ("bf16", 0.05)])
def test_translations_are_those_of_a_processor(trainer, device, precision, tolerance):
    method = trainer(CPU).method
    images, target = torch.rand(5, 3, 32, 32) * 2 - 1, torch.eye(5)
    expected = Engine(method, CPU, precision="fp32").translate(images, {"dataset0": target}, {"dataset0": target})
    for network in method.networks.values():
        network.to(device)

    found = Engine(method, device, precision=precision, batch_size=2).translate(
        images, {"dataset0": target}, {"dataset0": target}
    )

    assert found.device == CPU
    assert distance(found, expected) < tolerance


@pytest.fixture
def pets(tmp_path):
    """A folder of noise, since an image of PyTorch has no packages that draw."""
    random = np.random.default_rng(0)
    for number in range(24):
        path = tmp_path / "pets" / ("cat" if number % 2 else "dog") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
    return tmp_path / "pets"


def test_a_run_trains_resumes_and_translates_on_the_device(cli, tiny, device, tmp_path, pets):
    training = replace(tiny, datasets=f"pets=folder:{pets}")
    for options in (("--max-steps", 4), ("--resume", "--max-steps", 6)):
        done = cli(*training.command(tmp_path, tmp_path / "run", "--device", device, *options))
        assert done.code == 0, done.err
    pictures = sorted(pets.rglob("*.png"))[:3]
    for place, name in ((device, "there"), (CPU, "here")):
        options = ("--to", "cat", "--out", tmp_path / name, "--device", place)
        done = cli("translate", tmp_path / "run", *pictures, *options)
        assert done.code == 0, done.err
        assert len(list((tmp_path / name).iterdir())) == 3


def test_too_little_memory_is_told_and_the_device_goes_on(cuda):
    with pytest.raises(RuntimeError) as error:
        torch.empty(2**50, device=cuda)
    assert is_lack_of_memory(error.value)
    assert float(torch.ones(2, device=cuda).sum()) == 2


@pytest.mark.parametrize(("precision", "graphs"), [("bf16", "on"), ("fp32", "off")])  # each takes its time to compile
def test_a_compiled_generator_trains_as_an_eager_one(trainer, cuda, steps, precision, graphs):
    compiled = trainer(cuda, precision=precision, compile="on", graphs=graphs)

    assert compiled.captures == (graphs == "on")
    eager = trainer(cuda, precision=precision)
    assert_alike(take_steps(compiled, steps), take_steps(eager, steps), 5e-2)
