"""The training loop on noise: what moves, and what is logged, drawn and kept."""

import json

import pytest
import torch

from stargan_fw.errors import RunError
from stargan_fw.interfaces import Losses, Tracker
from stargan_fw.training.trainer import ThroughputMeter


def take(trainer, steps):
    for _ in range(steps):
        trainer.step += 1
        trainer.update(trainer.load())


def weights(trainer):
    networks = {
        f"{name}.{key}": v for name, net in trainer.method.networks.items() for key, v in net.state_dict().items()
    }
    average = {f"average.{key}": v for key, v in trainer.average.weights.items()}
    return {key: value.detach().clone() for key, value in (networks | average).items()}


def differing(one, other):
    return {key for key, value in one.items() if not torch.equal(value, other[key])}


def test_only_the_networks_of_a_due_phase_move_and_the_average_moves_with_them(trainer):
    trainer = trainer("training.n_critic=2", "training.ema=0.5")
    begin = weights(trainer)

    take(trainer, 2)  # the first of each dataset: the generator waits
    waited = weights(trainer)
    take(trainer, 1)
    moved = weights(trainer)

    learned = {key for key in begin if "norm.running" not in key and "norm.num" not in key}  # which follow every image
    assert {key.split(".")[0] for key in differing(begin, waited) & learned} == {"discriminator"}
    assert {key.split(".")[0] for key in differing(waited, moved) & learned} == {
        "discriminator",
        "generator",
        "average",
    }


def test_a_step_depends_on_its_number_and_the_seed_alone(trainer):
    one, two, other = trainer(), trainer(), trainer("training.seed=1")
    batches = []
    for each in (one, two, other):
        torch.manual_seed(len(batches))
        each.step = 1
        batches.append((each.load().images, torch.rand(1)))

    assert torch.equal(batches[0][0], batches[1][0])
    assert batches[0][1] == batches[1][1] != batches[2][1]
    assert batches[0][0].min() >= -1
    assert batches[0][0].max() <= 1


def test_a_phase_that_is_never_ended_is_an_error(trainer, monkeypatch):
    trainer = trainer()
    half = torch.zeros((), requires_grad=True)
    monkeypatch.setattr(trainer.method, "losses", lambda batch, due: iter([("d", Losses(half * 1, {}, last=False))]))

    with pytest.raises(RuntimeError, match="'swap' yielded no last losses of: d"):
        take(trainer, 1)


def test_micro_batches_of_a_phase_add_up(trainer, monkeypatch):
    trainer = trainer()
    parameter = trainer.method.discriminator.score.bias

    def losses(batch, due):
        for share, last in ((0.25, False), (0.75, True)):
            yield "d", Losses(parameter.sum() * share, {"part": torch.tensor(share)}, last)

    monkeypatch.setattr(trainer.method, "losses", losses)
    before = parameter.item()
    take(trainer, 1)

    assert trainer.pending["dataset0"]["d/part"] == 1.0
    assert parameter.item() == pytest.approx(before - trainer.config.learning_rate), "one step of Adam, of the whole"


class Listener(Tracker):
    name = "listener"

    def __init__(self):
        self.told = []

    def start(self, step, last):
        self.told.append(("start", step, last))

    def advance(self, step):
        self.told.append(("advance", step))

    def log(self, step, dataset, values):
        self.told.append(("log", step, dataset))

    def log_image(self, step, name, image):
        self.told.append(("image", step, name))


def test_training_logs_draws_saves_and_tells_in_this_order(trainer):
    trainer = trainer("training.log_every=2", "training.sample_every=3", "training.save_every=2")
    listener = Listener()
    trainer.observers = [listener]

    trainer.train(4)

    assert listener.told == [
        *(("start", 0, 4), ("advance", 1)),
        *(("log", 1, "dataset0"), ("log", 2, "dataset1"), ("advance", 2)),
        *(("image", 3, "samples"), ("advance", 3)),
        *(("log", 3, "dataset0"), ("log", 4, "dataset1"), ("image", 4, "samples"), ("advance", 4)),
    ]
    rows = [json.loads(line) for line in (trainer.run.path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert {"d/adv", "lr", "images_per_second"} <= set(rows[0])
    assert [path.name for path in trainer.run.checkpoints.paths()] == ["step-00000002", "step-00000004"]


def test_a_continued_run_takes_the_steps_that_it_would_have_taken(trainer):
    whole, begun, resumed = (trainer("training.log_every=100") for _ in range(3))
    whole.train(11)
    begun.train(5)

    resumed.run = begun.run
    resumed.resume()
    assert (resumed.step, resumed.updates, resumed.pending) == (
        5,
        begun.updates,
        begun.run.checkpoints.load().state["pending"],
    )
    resumed.train(11)

    assert differing(weights(whole), weights(resumed)) == set()


def test_the_last_steps_are_logged_and_logged_once_if_the_run_goes_on(trainer, metrics):
    whole, begun, resumed = (trainer("training.log_every=4") for _ in range(3))
    whole.train(9)
    begun.train(3)
    assert [row["step"] for row in metrics(begun.run.path)] == [3, 2]

    resumed.run = begun.run
    resumed.resume()
    resumed.train(9)

    assert metrics(resumed.run.path) == metrics(whole.run.path)
    assert sorted(row["step"] for row in metrics(whole.run.path)) == [3, 4, 7, 8, 9]


def test_a_finished_run_keeps_its_last_rows(trainer, metrics):
    trainer = trainer("training.log_every=4")
    trainer.train(3)
    trainer.resume()
    assert [row["step"] for row in metrics(trainer.run.path)] == [3, 2]


def test_throughput_leaves_out_sheets_and_checkpoints(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    throughput = ThroughputMeter(step=10, batch_size=4, device=torch.device("cpu"))
    now[0] += 2
    with throughput.paused():
        now[0] += 50
    assert throughput.read(step=15) == 10
    now[0] += 1
    assert throughput.read(step=16) == 4


def test_a_checkpoint_without_a_network_cannot_be_continued(trainer):
    trainer = trainer()
    trainer.train(1)
    path = trainer.run.checkpoints.latest()
    (path / "ema.safetensors").unlink()
    kept = [line for line in (path / "SHA256SUMS").read_text().splitlines(keepends=True) if "ema" not in line]
    (path / "SHA256SUMS").write_text("".join(kept))

    with pytest.raises(RunError, match=r"has no ema\.safetensors\. Remove it\."):
        trainer.resume()


def test_sheets_are_drawn_with_the_averaged_weights_and_give_the_own_back(trainer, monkeypatch):
    trainer = trainer("training.ema=0.9")
    take(trainer, 8)
    own, seen = weights(trainer), []

    def draw(method):
        seen.append(method.generator.first.weight.detach().clone())

    monkeypatch.setattr(trainer.sample, "draw", draw)
    monkeypatch.setattr(trainer.run, "save_sample", lambda step, sheet: None)
    trainer.draw_sample()

    assert torch.equal(seen[0], trainer.average.weights["first.weight"])
    assert not torch.equal(seen[0], own["generator.first.weight"])
    assert differing(own, weights(trainer)) == set()
