"""Losses and gradients that are not finite, and a lack of memory: what stops, what goes on, and what is said."""

import json
import logging
import math
import shlex

import pytest
import torch

from stargan_fw.errors import TrainingError
from stargan_fw.interfaces import Losses
from stargan_fw.training.failed_steps import explain_lack_of_memory, is_lack_of_memory

NAN, INF = math.nan, math.inf


def take(trainer, steps=1):
    for _ in range(steps):
        trainer.step += 1
        trainer.update(trainer.load())


def states(trainer):
    """Everything that a checkpoint saves of a training, but its counts."""
    tensors = {
        f"{name}.{key}": v for name, net in trainer.method.networks.items() for key, v in net.state_dict().items()
    }
    tensors |= {f"average.{key}": value for key, value in trainer.average.weights.items()}
    for name, optimizer in trainer.optimizers.items():
        tensors |= {f"{name}.{key}": value for key, value in optimizer.state().items()}
    return {key: value.clone() for key, value in tensors.items()}


def differing(one, other):
    return {key for key in one.keys() | other.keys() if key not in other or not torch.equal(one[key], other[key])}


@pytest.fixture
def failing(trainer, monkeypatch):
    """Makes trainers whose phase fails at some steps: `failing("g", {3}, "loss", "training.ema=0.9")`."""

    def make(phase, steps, kind, *settings):
        training = trainer("training.n_critic=1", "training.ema=0.9", *settings)
        training.method.phases = tuple(p for p in training.method.phases if p.name != "r")
        losses = training.method.losses

        def broken(batch, due):
            for name, found in losses(batch, due):
                yield name, (spoil(found, kind) if name == phase and training.step in steps else found)

        monkeypatch.setattr(training.method, "losses", broken)
        return training

    return make


def spoil(losses, kind):
    """Makes one loss NaN, with its gradient, or the gradient alone infinite."""
    if kind == "loss":
        return Losses(losses.total * NAN, {**losses.terms, "adv": losses.terms["adv"] * NAN})
    return Losses(losses.total * INF, losses.terms)


@pytest.mark.parametrize("phase", ["d", "g"])
@pytest.mark.parametrize("kind", ["loss", "gradient"])
def test_what_is_not_finite_stops_before_the_update(failing, phase, kind):
    training, undisturbed = failing(phase, {3}, kind), failing(phase, set(), kind)
    training.train(2)
    take(undisturbed, 2)
    before = states(training)
    network = {"d": "discriminator", "g": "generator"}[phase]
    what = f"the loss '{phase}/adv'" if kind == "loss" else f"the gradient of the network '{network}'"

    with pytest.raises(TrainingError) as stopped:
        take(training)

    message = str(stopped.value)
    assert message.startswith(f"Step 3, dataset 'dataset0', phase '{phase}': {what} is not finite. Training stopped")
    assert f"'{training.run.checkpoints.latest()}'" in message
    assert {key.partition(".")[0] for key in differing(before, states(training))} <= (
        {"generator"} if phase == "d" else {"generator", "discriminator", "d", "r"}  # batch norm counts what it sees
    )
    assert all(value.isfinite().all() for value in states(training).values())
    assert differing(before, states(undisturbed)) == set()


def test_the_commands_of_the_message_change_what_helps_and_continue(failing):
    training = failing("g", {3}, "loss", "training.learning_rate=0.001", "training.optimizers.d.clip=5.0")
    training.train(2)
    with pytest.raises(TrainingError) as stopped:
        take(training)

    commands = [shlex.split(line, comments=True) for line in str(stopped.value).splitlines() if line.startswith("  ")]
    assert all(command[:4] == ["stargan-fw", "train", "--out", str(training.run.path)] for command in commands)
    keys = [command[command.index("--set") + 1].partition("=")[0] for command in commands]
    assert [key for key in keys if key != "training.precision"] == [
        "training.learning_rate",
        "training.optimizers.g.clip",
        "training.on_non_finite",
    ]


@pytest.mark.parametrize("phase", ["d", "g"])
@pytest.mark.parametrize("kind", ["loss", "gradient"])
def test_a_skipped_update_leaves_everything_as_a_step_without_that_phase(failing, monkeypatch, caplog, phase, kind):
    skipping = failing(phase, {2}, kind, "training.on_non_finite=skip")
    without = failing(phase, set(), kind)
    losses = without.method.losses
    monkeypatch.setattr(
        without.method,
        "losses",
        lambda batch, due: (each for each in losses(batch, due) if without.step != 2 or each[0] != phase),
    )

    take(skipping, 5)
    take(without, 5)

    assert skipping.step == 5
    assert differing(states(skipping), states(without)) == set()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert f"Step 2, dataset 'dataset1', phase '{phase}'" in caplog.text
    assert skipping.pending["dataset1"][f"{phase}/skipped"] == 1
    assert f"{phase}/skipped" not in skipping.pending["dataset0"]


def strict(text):
    def refuse(constant):
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def test_skipped_updates_are_logged_and_no_file_has_numbers_that_json_has_not(failing):
    training = failing("g", {2, 4}, "loss", "training.on_non_finite=skip", "training.log_every=1")
    training.train(4)

    rows = [strict(line) for line in (training.run.path / "metrics.jsonl").read_text().splitlines()]
    assert [(row["g/adv"] is None, row.get("g/skipped")) for row in rows] == [
        (False, None),
        (True, 1),
        (False, None),
        (True, 2),
    ]
    strict((training.run.checkpoints.latest() / "state.json").read_text())


def test_too_many_skipped_updates_in_a_row_stop_also_over_a_break(failing):
    settings = ("training.on_non_finite=skip", "training.max_skipped=2")
    begun, resumed = (failing("d", {2, 4, 6, 8}, "loss", *settings) for _ in range(2))
    begun.train(5)
    resumed.run = begun.run
    resumed.resume()

    with pytest.raises(TrainingError, match="'d/adv' is not finite, 3 times in a row, more than .*max_skipped = 2"):
        take(resumed)
    assert resumed.step == 6


def test_updates_in_between_begin_the_count_anew(failing):
    training = failing("d", {2, 4, 8, 10}, "loss", "training.on_non_finite=skip", "training.max_skipped=2")
    take(training, 12)
    assert training.finite_steps.counts("dataset1") == {"d/skipped": 4}


def test_a_network_that_keeps_what_is_not_finite_cannot_be_skipped(failing):
    training = failing("g", {3}, "loss", "training.on_non_finite=skip")
    take(training, 2)
    training.method.generator.norm.running_mean.fill_(NAN)

    with pytest.raises(TrainingError, match="nor are values that generator keeps"):
        take(training)


def test_one_bad_micro_batch_spoils_its_phase(trainer, monkeypatch):
    training = trainer()
    parameter = training.method.discriminator.score.bias

    def losses(batch, due):
        yield "d", Losses(parameter.sum() * NAN, {"part": torch.tensor(NAN)}, last=False)
        yield "d", Losses(parameter.sum(), {"part": torch.tensor(1.0)})

    monkeypatch.setattr(training.method, "losses", losses)
    with pytest.raises(TrainingError, match="'d/part' is not finite"):
        take(training)
    assert parameter.grad is None


def test_a_phase_that_shares_an_optimiser_names_the_other_to_clip(trainer, monkeypatch):
    training = trainer()
    weight = training.method.discriminator.score.weight
    monkeypatch.setattr(training.method, "losses", lambda batch, due: iter([("r", Losses(weight.sum() * INF, {}))]))

    with pytest.raises(TrainingError, match=r"phase 'r': the gradient of the network 'disc(.|\n)*optimizers\.d\.clip="):
        take(training)


def test_a_gradient_whose_norm_overflows_is_not_finite(trainer, monkeypatch):
    training = trainer()
    weight = training.method.discriminator.score.weight
    monkeypatch.setattr(training.method, "losses", lambda batch, due: iter([("d", Losses(weight.sum() * 1e30, {}))]))

    with pytest.raises(TrainingError, match="the norm of the gradient of discriminator is not finite"):
        take(training)


def test_a_rate_that_is_far_too_high_stops_and_the_run_continues(train, tmp_path):
    good = train("--max-steps", 2)
    assert good.code == 0

    failed = train("--resume", "--set", "training.learning_rate=1e30")

    assert failed.code == 1
    assert failed.err.startswith("Error: Step 3, dataset 'shapes', phase 'g': the loss 'g/adv' is not finite.")
    assert "step-00000002'" in failed.err
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-00000002"]
    assert train("--resume", "--set", "training.learning_rate=1e-4", "--max-steps", 4).code == 0


NO_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("MPS backend out of memory (MPS allocated: 9.06 GB)"),
    MemoryError("a convolution finds no memory for its tiles"),
]


@pytest.mark.parametrize("error", NO_MEMORY, ids=lambda error: str(error)[:12])
def test_a_lack_of_memory_says_what_would_fit(train, monkeypatch, error):
    from fake_plugins import Swap

    def losses(self, batch, due):
        raise error
        yield

    train("--max-steps", 2)
    monkeypatch.setattr(Swap, "losses", losses)

    failed = train("--resume", "--set", "training.micro_batch_size=2")

    assert failed.code == 1
    first, why, command, last = failed.err.splitlines()
    assert first.startswith("Error: Out of memory on cpu, with batches of 4 images of 16 x 16 pixels, in micro-batches")
    assert "step-00000002'" in why
    assert "--resume --set training.micro_batch_size=1 " in command
    assert last.endswith("begin a new run with --set training.batch_size=2 or --set data.image_size=8.")


def test_other_errors_are_left_as_they_are(trainer):
    with pytest.raises(RuntimeError, match="shapes"), explain_lack_of_memory(None, None, None, None, None):
        raise RuntimeError("shapes differ")
    assert not is_lack_of_memory(ValueError("out of memory"))
