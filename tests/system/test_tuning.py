"""What tuning tries, what it refuses and takes, and what a run keeps of it."""

import json
import math
from contextlib import contextmanager

import pytest
import torch
from torch.torch_version import TorchVersion

from stargan_fw.components import complete
from stargan_fw.config_layers import Layer
from stargan_fw.errors import ConfigError
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw.training import plan
from stargan_fw.training.plan import compile_trained
from stargan_fw.training.train_request import data_request
from stargan_fw_bench import rehearse, tuning
from stargan_fw_bench.tuning import PLAIN, Trial, WayTuner, choose, gradient_errors, ways

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
AUTO = dict.fromkeys(PLAIN, "auto")
FAST = {**PLAIN, "accelerate": "auto", "channels_last": "auto"}


@pytest.fixture
def bf16(monkeypatch):
    """As on a machine that multiplies bf16."""
    monkeypatch.setattr(tuning, "has_bf16", lambda device: True)
    monkeypatch.setattr("stargan_fw.compute.machine.has_bf16", lambda device: True)


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Makes trainers on noise, which `spoil(trainer)` may change: `make(spoil)(changes)`; a cycle is timed once."""
    monkeypatch.setattr(tuning, "CYCLES", 1)
    monkeypatch.setattr(tuning, "SECONDS", 0.0)
    tiny = ["data.image_size=32", "generator.conv_dim=4", "generator.repeat_num=1", "discriminator.conv_dim=4"]
    config, plugins = data_request(
        [Layer.from_settings([*tiny, "training.batch_size=4", "training.n_critic=1"])], datasets=None, preset=None
    )
    config = complete(config, plugins)
    folders = iter(range(100))

    def configured(spoil=lambda trainer: None):
        @contextmanager
        def trial(changes):
            folder = tmp_path / str(next(folders))
            folder.mkdir()
            training = config.training.model_copy(update=changes)
            trainer = rehearse(config.model_copy(update={"training": training}), plugins, [2, 3], CPU, folder)
            compile_trained(trainer)
            spoil(trainer)
            yield trainer

        return trial

    return configured


def tried(training, device):
    return [
        {name: value for name, value in way.items() if value not in {"off", "auto"}} for way in ways(training, device)
    ]


def test_a_processor_without_bf16_has_one_way(monkeypatch):
    monkeypatch.setattr(tuning, "has_bf16", lambda device: False)
    assert list(ways(AUTO, CPU)) == [FAST]


def test_torch_that_breaks_memory_compiles_nothing_on_a_processor_in_bf16(bf16, make, monkeypatch, caplog):
    monkeypatch.setattr(torch, "__version__", TorchVersion("2.11.0+cpu"))
    assert tried(AUTO, CPU)[-1] == {"precision": "bf16", "channels_last": "on"}
    assert {"precision": "bf16", "compile": "on"} in tried(AUTO, CUDA)
    with make()({"precision": "bf16", "compile": "on"}) as trainer:
        assert trainer.method.generator._compiled_call_impl is None
    assert "Nothing is compiled: torch 2.11.0+cpu breaks memory" in caplog.text


def test_a_processor_with_bf16_has_five(bf16, monkeypatch):
    monkeypatch.setattr(torch, "__version__", TorchVersion("2.14.0"))
    low = {"precision": "bf16"}
    assert tried(AUTO, CPU) == [
        {"precision": "fp32"},
        low,
        {**low, "channels_last": "on"},
        {**low, "compile": "on"},
        {**low, "channels_last": "on", "compile": "on"},
    ]


def test_a_gpu_has_the_plain_way_first_and_no_way_twice(bf16):
    found = tried(AUTO, CUDA)
    assert found[0] == {"precision": "bf16"}
    assert {"precision": "bf16", "compile": "on", "graphs": "on"} in found
    assert all(found.count(way) == 1 for way in found)
    assert tried(AUTO, torch.device("mps")) == [{"precision": "fp32"}, {"precision": "fp32", "accelerate": "on"}]


def test_what_is_set_stays(bf16):
    assert tried({**AUTO, "precision": "fp32"}, CPU) == [{"precision": "fp32"}]
    assert all(way["precision"] == "fp32" for way in ways({**AUTO, "precision": "fp32"}, CUDA))
    assert all(way["compile"] == "off" for way in ways({**AUTO, "compile": "off", "graphs": "off"}, CUDA))


def test_ways_are_compared_with_the_plain_one(bf16, make):
    found = WayTuner().tune(make(), {**AUTO, "compile": "off"}, CPU)
    plain, automatic, low, last = found.record["trials"]
    assert plain["settings"] == PLAIN
    assert (plain["loss_error"], plain["gradient_error"], plain["gradient_noise"]) == (0, 0, 0)
    assert automatic["loss_error"] < 1e-5
    assert automatic["gradient_error"] < 1e-3
    for trial in (low, last):
        assert trial["gradient_error"] < 0.2
        assert 0.01 < trial["gradient_noise"] < 0.7
        assert trial["loss_error"] < 0.02
        assert trial["why_not"] == ""
    assert [row[0] for row in found.table] == [
        *("tried", "plain: precision=fp32", "auto: precision=fp32"),
        *("precision=bf16", "precision=bf16 channels_last=on"),
    ]
    assert [row[-1] for row in found.table].count("chosen") == 1


def scale_losses(trainer, factor=1.5, phases="dg"):
    losses = trainer.method.losses

    def wrong(batch, due):
        for phase, values in losses(batch, due):
            yield phase, values.share(factor if phase in phases else 1.0, last=values.last)

    trainer.method.losses = wrong


def lose_a_loss(trainer):
    scale_losses(trainer, float("nan"), "g")


def lose_a_gradient(trainer):
    trainer.method.networks["generator"].main[0].weight.register_hook(torch.zeros_like)


def break_down(message):
    def spoil(trainer):
        def load():
            raise RuntimeError(message)

        trainer.load = load

    return spoil


@pytest.mark.parametrize(
    ("spoil", "why_not"),
    [
        (scale_losses, "differ by 0.5, more than 0.02"),
        (lose_a_loss, "losses differ by nan, more than 0.02"),
        (lose_a_gradient, "gradients are off by inf, more than 0.2"),
        (break_down("no\nsuch kernel"), "no such kernel"),
        (break_down("CUDA out of memory. Tried to allocate"), "too little memory"),
    ],
)
def test_a_way_that_is_wrong_is_not_taken_however_fast(bf16, make, monkeypatch, spoil, why_not):
    monkeypatch.setattr(
        tuning, "_images_per_second", lambda trainer, fastest: 1e6 if str(trainer.precision) == "bf16" else 1.0
    )
    found = WayTuner().tune(
        make(lambda trainer: spoil(trainer) if str(trainer.precision) == "bf16" else None),
        {**AUTO, "compile": "off", "channels_last": "off"},
        CPU,
    )
    assert why_not in found.record["trials"][-1]["why_not"]
    assert found.chosen == {**FAST, "channels_last": "off"}


def test_nothing_is_taken_that_cannot_be_compared(bf16, make):
    spoil = break_down("no plain way")
    found = WayTuner().tune(
        make(lambda trainer: spoil(trainer) if trainer.config.accelerate == "off" else None),
        {**AUTO, "compile": "off", "channels_last": "off"},
        CPU,
    )
    assert [trial["why_not"] for trial in found.record["trials"]] == [
        "no plain way",
        *["the plain way, to compare with, does not run"] * 2,
    ]
    assert found.chosen == {**FAST, "channels_last": "off"}


def test_no_error_hides_that_another_is_not_a_number():
    one, zero, lost = ([torch.tensor(number)] for number in (1.0, 0.0, float("nan")))
    assert gradient_errors({"d": one, "g": one}, {"d": one, "g": one}) == (0, 0)
    assert all(math.isnan(error) for error in gradient_errors({"d": one, "g": lost}, {"d": one, "g": one}))
    for gradients in ({"d": one}, {"d": one, "g": zero}):
        assert gradient_errors(gradients, {"d": one, "g": one}) == (math.inf, math.inf)


def test_a_way_begins_without_what_others_have_compiled_or_left(bf16, make, monkeypatch):
    order = []
    monkeypatch.setattr(tuning, "free_memory", lambda device: order.append("freed"))
    low = {**AUTO, "compile": "off", "channels_last": "off"}
    WayTuner().tune(make(lambda trainer: order.append(str(trainer.precision))), low, CPU)
    assert order == ["fp32", "freed", "fp32", "freed", "bf16", "freed"]


@pytest.mark.parametrize(("captures", "cycles"), [(False, 1), (True, 3)])
def test_graphs_are_timed_once_they_are_replayed(make, monkeypatch, captures, cycles):
    taken = []
    monkeypatch.setattr(tuning, "cycle", lambda trainer: taken.append(trainer) or 4)
    with make()({}) as trainer:
        trainer.captures = captures
        assert tuning._images_per_second(trainer, None) > 0
    assert len(taken) == cycles


@pytest.mark.parametrize(("rate", "why_not", "chosen"), [(110, "", 1), (102, "", 0), (110, "wrong", 0)])
def test_a_way_must_be_right_and_clearly_faster(rate, why_not, chosen):
    ways = [{"precision": "fp32"}, {"precision": "bf16"}]
    assert choose([Trial(ways[0], 100), Trial(ways[1], rate, why_not=why_not)]) == ways[chosen]


@pytest.mark.parametrize(("plain", "chosen"), [({"precision": "fp32"}, "fp32"), (None, "bf16")])
def test_if_no_way_is_right_the_plain_one_is_taken_where_it_runs(plain, chosen):
    assert choose([Trial({"precision": "bf16"}, 100, why_not="losses differ")], plain) == {"precision": chosen}


def test_a_run_keeps_what_was_chosen_and_goes_on_so(train, cli, tmp_path):
    tuned = train("--max-steps", "2", "--device", "cpu", "--set", "training.tune=true", out=tmp_path / "tuned")
    assert tuned.code == 0, tuned.err
    assert "Trains with --set training.precision=fp32 --set training.accelerate=auto" in tuned.out
    training = RunFolder(tmp_path / "tuned").config().training
    assert (training.tune, training.compile, training.precision) == (False, "off", "fp32")
    record = json.loads((tmp_path / "tuned" / "tuning.json").read_text())
    assert record["format"] == 1
    assert record["chosen"] == {name: getattr(training, name) for name in PLAIN}

    again = cli("train", "--resume", "--out", tmp_path / "tuned", "--max-steps", "3", "--device", "cpu")
    assert again.code == 0, again.err
    assert "Trying ways" not in again.out
    plain = train("--max-steps", "3", "--device", "cpu", out=tmp_path / "plain")
    assert plain.code == 0
    weights = [
        tmp_path / name / "checkpoints" / "step-00000003" / "generator.safetensors" for name in ("tuned", "plain")
    ]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_run_may_be_tuned_where_it_goes_on(train, cli, tmp_path):
    assert train("--max-steps", "1", "--device", "cpu", out=tmp_path / "run").code == 0
    options = ("--resume", "--out", tmp_path / "run", "--max-steps", "2", "--device", "cpu")
    outcome = cli("train", *options, "--set", "training.tune=true")
    assert outcome.code == 0, outcome.err
    (line,) = (tmp_path / "run" / "changes.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "step": 1,
        "changes": {"training.compile": ["auto", "off"], "training.graphs": ["auto", "off"]},
    }


def test_several_processes_are_not_tuned(monkeypatch):
    monkeypatch.setattr(plan.ranks, "world_size", lambda: 2)
    with pytest.raises(ConfigError, match="training.tune works with one process only"):
        plan._tuner_name(PluginManager.discover())
