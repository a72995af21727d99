"""What a method can say of its phases, and the configuration change, with no edit to the trainer."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from stargan_fw.compute.machine import Precision
from stargan_fw.config import TrainingConfig
from stargan_fw.data.loader import Loader
from stargan_fw.errors import ConfigError
from stargan_fw.interfaces import Losses, Method, OptimizerSpec, Phase
from stargan_fw.rendering.sheets import SampleSheet
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw.training.dataset_schedule import STRATEGIES
from stargan_fw.training.optimisation import LinearDecay, check_phases
from stargan_fw.training.trainer import Trainer
from stargan_fw_registry import Binary, LabelSchema, LabelSpace

IMAGES, SIDE, STEPS = 12, 4, 200
SPACE = LabelSpace([LabelSchema("one", [Binary("x")]), LabelSchema("two", [Binary("y")])])
D, G = Phase("d", ("critic",)), Phase("g", ("painter",), interval="n_critic")


class Toy(Method):
    """Every phase makes its networks' outputs small; remembers which phases were due on which kind of batch."""

    name = "toy"
    averaged = "painter"

    def __init__(self, *phases, kinds=1):
        super().__init__(SPACE, SIDE, None)
        self.phases, self.kinds = phases, kinds
        torch.manual_seed(0)
        self.networks = {"critic": nn.Conv2d(3, 1, 1), "painter": nn.Conv2d(3, 3, 1)}
        self.met = Counter()

    def batches(self, dataset, labels):
        return [[part] for part in torch.arange(len(labels)).chunk(self.kinds)]

    def losses(self, batch, due):
        for phase in self.phases:
            if phase.name in due:
                self.met[phase.name, batch.dataset, batch.kind] += 1
                total = sum(self.networks[name](batch.images).square().mean() for name in phase.networks)
                yield phase.name, Losses(total, {"size": total})

    def translate(self, images, dataset, target, source=None):
        return images


class Noise:
    """A store of random images."""

    def read(self, indices):
        return np.random.default_rng(0).integers(0, 256, (IMAGES, SIDE, SIDE, 3), dtype=np.uint8)[indices]


@pytest.fixture
def trainer(tmp_path):
    """Makes trainers of a method: `trainer(Toy(D, G), n_critic=2)`; options are those of `[training]`."""

    def make(method, datasets=("one",), folder="run", **options):
        config = TrainingConfig(batch_size=2, **{"learning_rate": 0.01, "log_every": 1000, "trackers": [], **options})
        run = RunFolder(tmp_path / folder)
        run.path.mkdir(exist_ok=True)
        (run.path / "metrics.jsonl").touch()
        labels = np.zeros((IMAGES, 1), np.float32)
        loaders = {
            name: Loader(
                Noise(),
                labels,
                range(IMAGES),
                batch_size=2,
                seed=(0, number),
                kinds=method.batches(name, torch.from_numpy(labels)),
            )
            for number, name in enumerate(datasets)
        }
        return Trainer(
            method,
            loaders,
            run,
            config,
            dataset_schedule=STRATEGIES["alternate"](dict.fromkeys(loaders, IMAGES)),
            schedule=LinearDecay(config.learning_rate, STEPS, 0.5),
            precision=Precision.choose("fp32", torch.device("cpu")),
            sample=SampleSheet({}, torch.device("cpu")),
            observers=[],
        )

    return make


def take(trainer, steps=1):
    for _ in range(steps):
        trainer.step += 1
        trainer.update(trainer.load())


def weights(network):
    return torch.cat([parameter.detach().flatten().clone() for parameter in network.parameters()])


def moved(trainer, network, steps=1):
    """How far the weights of a network move in so many steps."""
    before = weights(trainer.method.networks[network])
    take(trainer, steps)
    return weights(trainer.method.networks[network]) - before


def states(trainer):
    return {
        **{
            f"{n}.{key}": value for n, net in trainer.method.networks.items() for key, value in net.state_dict().items()
        },
        **{f"ema.{key}": value for key, value in (trainer.average.weights if trainer.average else {}).items()},
        **{
            f"{n}.{key}": value
            for n, optimizer in trainer.optimizers.items()
            for key, value in optimizer.state().items()
        },
    }


def test_a_phase_runs_at_its_interval_on_each_dataset(trainer):
    method = Toy(D, Phase("lazy", ("critic",), interval=16), G)
    take(trainer(method, ("one", "two"), n_critic=5), 64)
    assert method.met == {
        **{("d", name, 0): 32 for name in ("one", "two")},
        **{("lazy", name, 0): 2 for name in ("one", "two")},
        **{("g", name, 0): 6 for name in ("one", "two")},
    }


def test_a_lazy_regulariser_shares_the_moments_of_the_phase_that_it_belongs_to(trainer):
    method = Toy(D, Phase("r1", ("critic",), interval=16, optimizer="d"))
    training = trainer(method)
    take(training, 16)
    assert training.optimizers["r1"] is training.optimizers["d"]
    assert training.optimizers["d"].state()["0.step"] == 17
    training.save()
    training.run.checkpoints.wait()
    saved = training.run.checkpoints.load().tensors["optimizers"]
    assert {name.partition(".")[0] for name in saved} == {"d"}


@pytest.mark.parametrize("kinds", [2, 3, 6])
def test_every_kind_of_batch_meets_every_phase(trainer, kinds):
    method = Toy(D, G, kinds=kinds)
    take(trainer(method, n_critic=kinds), 4 * kinds**2)
    assert {kind: method.met["g", "one", kind] for kind in range(kinds)} == dict.fromkeys(range(kinds), 4)
    assert method.met.total() == 4 * kinds**2 + 4 * kinds


def test_a_cycle_has_every_phase_on_every_kind_of_batch(trainer):
    method = Toy(D, Phase("lazy", ("critic",), interval=4), G, kinds=2)
    training = trainer(method, ("one", "two"), n_critic=6)
    take(training, training.cycle_steps)
    assert set(method.met) == {(p, d, k) for p in ("d", "lazy", "g") for d in ("one", "two") for k in (0, 1)}


def test_two_time_scales_are_a_setting(trainer):
    plain, faster = (trainer(Toy(D), optimizers=changes) for changes in ({}, {"d": {"rate": 4}}))
    torch.testing.assert_close(moved(faster, "critic"), 4 * moved(plain, "critic"), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("said", ["by the method", "by the configuration"])
def test_adamw_decays_weights_apart_from_the_gradient(trainer, said):
    spec = {"rate": 0.5, "beta1": 0.0, "beta2": 0.9, "weight_decay": 0.1}
    if said == "by the method":
        training = trainer(Toy(Phase("d", ("critic",), optimizer=OptimizerSpec("adamw", **spec))))
    else:
        training = trainer(Toy(D), optimizers={"d": {"name": "adamw", **spec}})
    before = weights(training.method.networks["critic"])
    without = trainer(Toy(Phase("d", ("critic",), optimizer=OptimizerSpec(rate=0.5))))

    steps = moved(training, "critic") - moved(without, "critic")

    assert type(training.optimizers["d"].optimizer) is torch.optim.AdamW
    torch.testing.assert_close(steps, -0.01 * 0.5 * 0.1 * before, rtol=1e-3, atol=1e-6)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=1.0, momentum=0.5)


def test_a_method_makes_any_other_optimiser(trainer):
    phase = Phase("d", ("critic",), optimizer=OptimizerSpec(sgd))
    plain, slower = (trainer(Toy(phase), optimizers=changes) for changes in ({}, {"d": {"rate": 0.25}}))
    torch.testing.assert_close(moved(slower, "critic"), moved(plain, "critic") / 4)
    assert plain.optimizers["d"].state().keys() == {"0.momentum_buffer", "1.momentum_buffer"}


def test_the_gradients_of_a_phase_are_clipped_together(trainer):
    free, clipped, loose = (
        trainer(Toy(Phase("d", ("critic",), optimizer=OptimizerSpec(sgd, clip=clip)))) for clip in (None, 1e-3, 1e6)
    )
    whole = moved(free, "critic")
    assert whole.norm() > 1e-2
    torch.testing.assert_close(moved(clipped, "critic"), whole * 1e-3 / whole.norm(), rtol=1e-3, atol=1e-7)
    torch.testing.assert_close(moved(loose, "critic"), whole)


def test_clipping_is_a_setting_too(trainer):
    phase = Phase("d", ("critic",), optimizer=OptimizerSpec(sgd))
    assert moved(trainer(Toy(phase), optimizers={"d": {"clip": 1e-3}}), "critic").norm() == pytest.approx(
        1e-3, rel=1e-3
    )


@pytest.mark.parametrize("stop", [0, 1, 99, 150])
def test_every_step_has_the_rate_that_it_had(trainer, stop):
    """To the bit, whether or not a phase is due, and wherever a run is continued."""
    phases = (D, Phase("g", ("painter",), interval=7, optimizer=OptimizerSpec(rate=0.5)))
    training, schedule = trainer(Toy(*phases), learning_rate=1e-4), LinearDecay(1e-4, STEPS, 0.5)
    if stop:
        take(training, stop)
        training.save()
        training.run.checkpoints.wait()
        training = trainer(Toy(*phases), learning_rate=1e-4)
        training.resume()
    for step in range(stop + 1, STEPS + 1):
        rates = {n: optimizer.optimizer.param_groups[0]["lr"] for n, optimizer in training.optimizers.items()}
        rate = 1e-4 * min(1.0, max(0.0, (STEPS - step) / 100.0))
        assert (rates["d"], schedule.at(step)) == (rate, rate)
        assert rates["g"] == pytest.approx(rate / 2, rel=1e-15)
        take(training)
        assert training.pending["one"]["lr"] == rate


def test_the_average_follows_every_update_of_its_network(trainer):
    training = trainer(Toy(Phase("g", ("painter",)), D), n_critic=5, ema=0.5)
    expected = weights(training.method.networks["painter"])
    for _ in range(3):
        take(training)
        expected = (expected + weights(training.method.networks["painter"])) / 2
        found = torch.cat([value.flatten() for value in training.average.weights.values()])
        torch.testing.assert_close(found, expected)


def test_the_average_rests_where_its_network_does(trainer):
    training = trainer(Toy(D, G), n_critic=3, ema=0.5)
    before = training.average.weights["weight"].clone()
    take(training, 2)
    assert torch.equal(training.average.weights["weight"], before)
    take(training)
    assert not torch.equal(training.average.weights["weight"], before)


def test_a_run_with_its_own_optimisers_continues_to_the_bit(trainer):
    phases = (
        D,
        Phase("r1", ("critic",), interval=4, optimizer="d"),
        Phase("g", ("painter",), optimizer=OptimizerSpec(sgd)),
    )
    options = {"ema": 0.9, "optimizers": {"d": {"name": "adamw", "weight_decay": 0.1}, "g": {"clip": 0.1}}}
    whole, begun = trainer(Toy(*phases), **options), trainer(Toy(*phases), folder="begun", **options)
    take(whole, 20)
    take(begun, 9)
    begun.save()
    begun.run.checkpoints.wait()
    resumed = trainer(Toy(*phases), folder="begun", **options)
    resumed.resume()
    take(resumed, 11)
    expected, found = states(whole), states(resumed)
    assert found.keys() == expected.keys()
    assert [name for name in found if not torch.equal(found[name], expected[name])] == []


LAZY = Phase("r1", ("critic",), interval=16, optimizer="d")
REFUSED = {
    "no such phase": (
        {"optimizers": {"critic": {"rate": 2}}},
        r"optimizers\.critic: the method 'toy' has no .* known: d, g",
    ),
    "shared": (
        {"optimizers": {"r1": {"rate": 2}}},
        r"shares the optimiser of 'd'. Set training\.optimizers\.d instead",
    ),
    "made by the method": ({"optimizers": {"g": {"beta1": 0.1}}}, r"optimizers\.g\.beta1: the method sets this itself"),
    "average of nothing": ({"ema": 0.5}, "training.ema = 0.5: the method 'toy' averages none. Set it to 0"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED)
def test_what_a_method_does_not_have_cannot_be_configured(options, message):
    method = Toy(D, LAZY, Phase("g", ("painter",), optimizer=OptimizerSpec(sgd)))
    method.averaged = None
    check_phases(method, TrainingConfig())
    with pytest.raises(ConfigError, match=message):
        check_phases(method, TrainingConfig(**options))


def test_an_algorithm_by_name_replaces_the_methods_own(trainer):
    phase = Phase("d", ("critic",), optimizer=OptimizerSpec(sgd))
    training = trainer(Toy(phase), optimizers={"d": {"name": "adam", "beta1": 0.1}})
    assert training.optimizers["d"].optimizer.defaults["betas"] == (0.1, 0.999)
