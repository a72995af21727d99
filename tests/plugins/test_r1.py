"""R1 against plain equations, in every update of the critic and lazily."""

import copy

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from stargan_fw.components import complete
from stargan_fw.config import Config
from stargan_fw.interfaces import Scored, score_together
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw_bench import rehearse
from stargan_fw_plugins.losses.r1 import R1
from stargan_fw_plugins.losses.vanilla import Vanilla
from stargan_fw_plugins.networks.stargan_discriminator import StarGANDiscriminator


@pytest.fixture
def critic():
    torch.manual_seed(0)
    return StarGANDiscriminator(image_size=32, label_dim=6, conv_dim=4)


@pytest.fixture
def trainer(tmp_path):
    """Makes trainers of a tiny StarGAN on noise."""

    def make(folder="run", *, loss=None, **training):
        settings = {"batch_size": 4, "n_critic": 2, "precision": "fp32", "accelerate": "off", "log_every": 1000}
        tables = {
            "generator": {"conv_dim": 4, "repeat_num": 1},
            "discriminator": {"conv_dim": 4, "repeat_num": 3},
            "data": {"image_size": 32},
            "method": {"name": "stargan"},
            "loss": loss or {"name": "r1", "interval": 3},
            "training": {**settings, **training},
        }
        plugins = PluginManager.discover()
        config = complete(Config.model_validate(tables), plugins)
        (tmp_path / folder).mkdir(exist_ok=True)
        return rehearse(config, plugins, (2, 3), torch.device("cpu"), tmp_path / folder)

    return make


def drawn(seed, dtype=torch.float32):
    return (torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1).to(dtype)


def plain_penalty(critic, real):
    """`E‖∇ Σ D_src(x)‖²`, image by image."""
    lengths = []
    for one in real:
        image = one[None].clone().requires_grad_()
        (slope,) = torch.autograd.grad(critic.score_images(image).sum(), image, create_graph=True)
        lengths.append(slope.square().sum())
    return sum(lengths) / len(lengths)


def take(trainer, steps):
    for _ in range(steps):
        trainer.step += 1
        trainer.update(trainer.load())


def weights(trainer):
    return {
        f"{name}.{key}": value.clone()
        for name, network in trainer.method.networks.items()
        for key, value in network.state_dict().items()
    }


def test_the_penalty_is_the_mean_square_of_the_slope_at_real_images(critic):
    critic, real, fake = critic.double(), drawn(1, torch.float64), drawn(2, torch.float64)
    real_scores, fake_scores = critic.score_images(real), critic.score_images(fake)
    expected = (F.softplus(-real_scores) + F.softplus(fake_scores)).mean() + 3.0 / 2 * plain_penalty(critic, real)
    given = [p for name, p in critic.named_parameters() if name != "cls.weight"]
    wanted = torch.autograd.grad(expected, given)

    # Numbers in fp32, as the loss computes them.
    critic = copy.deepcopy(critic).float()
    scored = score_together(critic.score_images, real.float(), fake.float())
    result = R1(lambda_r1=3.0).discriminator(*scored, critic.score_images)
    assert result.terms.keys() == {"adv", "penalty"}
    torch.testing.assert_close(result.total.double(), expected.detach(), rtol=1e-5, atol=0)
    given = [p for name, p in critic.named_parameters() if name != "cls.weight"]
    for found, gradient in zip(torch.autograd.grad(result.total, given), wanted, strict=True):
        assert (found - gradient).norm() <= 1e-5 * gradient.norm()


def test_the_generator_maximises_the_logarithm_of_its_chances():
    scores = torch.linspace(-3, 3, 8)
    torch.testing.assert_close(R1().generator(scores), -scores.sigmoid().log().mean())


def test_the_penalty_is_computed_in_fp32(critic):
    expected = R1().penalty_losses(critic.score_images, drawn(1)).total
    with torch.autocast("cpu", torch.bfloat16):
        found = R1().penalty_losses(critic.score_images, drawn(1)).total
    assert found.dtype is torch.float32
    assert torch.equal(found, expected)


def test_a_lazy_penalty_weighs_as_much_in_the_long_run(critic):
    loss = R1(interval=5)
    each = loss.penalty_losses(critic.score_images, drawn(1))
    due = loss.due_losses(critic.score_images, drawn(1))
    torch.testing.assert_close(due.total, 5 * each.total)
    assert torch.equal(due.terms["penalty"], each.terms["penalty"])
    scored = [Scored(drawn(seed), critic.score_images(drawn(seed))) for seed in (1, 2)]
    plain = loss.without_penalty().discriminator(*scored, critic.score_images)
    whole = loss.discriminator(*scored, critic.score_images)
    torch.testing.assert_close(whole.total, plain.total + each.total)


def test_stargan_has_a_phase_for_it_that_shares_the_critics_optimiser(trainer):
    made = trainer()
    assert [(phase.name, phase.interval) for phase in made.method.phases] == [("d", 1), ("r1", 3), ("g", "n_critic")]
    assert isinstance(made.method.loss, Vanilla)
    assert made.optimizers["r1"] is made.optimizers["d"]
    group = made.optimizers["d"].optimizer.param_groups[0]
    assert group["initial_lr"] == pytest.approx(made.schedule.rate * 3 / 4)
    assert group["betas"] == (0.5**0.75, 0.999**0.75)
    (other,) = made.optimizers["g"].optimizer.param_groups
    assert other["betas"] == (0.5, 0.999)


def test_a_penalty_of_every_update_is_part_of_the_update(trainer):
    made = trainer(loss={"name": "r1", "interval": 1})
    assert [phase.name for phase in made.method.phases] == ["d", "g"]
    take(made, 1)
    (values,) = made.pending.values()
    assert {"d/adv", "d/cls", "d/penalty"} <= values.keys()


def test_it_is_due_at_each_datasets_own_interval(trainer, monkeypatch):
    made, seen = trainer(), []
    take_phase = made.finite_steps.take
    monkeypatch.setattr(
        made.finite_steps,
        "take",
        lambda optimizer, phase, dataset, *more: (
            seen.append((made.updates[dataset], phase)) or take_phase(optimizer, phase, dataset, *more)
        ),
    )
    take(made, 12)
    assert [count for count, phase in seen if phase == "r1"] == [3, 3, 6, 6]
    assert [count for count, phase in seen if phase == "d"] == [count for count in range(1, 7) for _ in range(2)]


def test_an_update_without_it_has_no_double_backward(trainer, monkeypatch):
    made, twice = trainer(), []
    gradient = torch.autograd.grad
    monkeypatch.setattr(
        torch.autograd, "grad", lambda *given, **more: twice.append(made.step) or gradient(*given, **more)
    )
    take(made, 6)
    assert twice == [5, 6]


@pytest.mark.parametrize("stop", [2, 5, 6])
def test_a_run_continues_to_the_bit(trainer, stop):
    straight, first = trainer("straight"), trainer("broken")
    take(straight, 9)
    take(first, stop)
    first.save()
    first.run.checkpoints.wait()
    second = trainer("continued")
    second.run = RunFolder(first.run.path)
    second.resume()
    take(second, 9 - stop)
    expected = weights(straight)
    assert all(torch.equal(value, expected[name]) for name, value in weights(second).items())
    for phase in ("d", "g"):
        state = straight.optimizers[phase].state()
        assert all(torch.equal(value, state[name]) for name, value in second.optimizers[phase].state().items())


def test_micro_batches_give_the_same_update(trainer):
    whole, parts = trainer("whole"), trainer("parts", micro_batch_size=2)
    for made in (whole, parts):
        take(made, 6)
    expected = weights(whole)
    for name, value in weights(parts).items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=2e-4)
