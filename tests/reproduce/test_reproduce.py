"""`stargan-fw reproduce` as a user calls it: what it trains and writes, how it goes on, and what it refuses."""

import json
import re
import shlex
import shutil

import pytest
from PIL import Image, ImageChops

from stargan_fw import Translator
from stargan_fw.api import RunFolder, Training
from stargan_fw.runs.checkpoint import Checkpoints
from stargan_fw_bench import Throughput, speed_trial
from stargan_fw_reproduce import experiment_runner
from stargan_fw_reproduce.local_context import runs_at_checkpoints
from stargan_fw_reproduce.run_length import RunRecord, save_every, steps_within

TINY = {
    "data.image_size": 32,
    "training.batch_size": 4,
    "training.precision": "fp32",
    "generator.conv_dim": 4,
    "generator.repeat_num": 1,
    "discriminator.conv_dim": 4,
}
QUICK = ["--classifier-steps", "2", "--limit", "2", "--device", "cpu"]
QUICK += [part for key, value in TINY.items() for part in ("--set", f"{key}={value}")]

OWN = """
from stargan_fw import hookimpl
from stargan_fw_reproduce import Claim, Experiment, PlannedRun, Setup, Text

RUN = PlannedRun("mine", "Mine", "celeba", Setup("stargan_64"), Setup("paper"))

class Own(Experiment):
    name = "own"
    title = "My <own> experiment"
    about = "One & two."
    runs = (RUN,)

    def report(self, context):
        yield Text("It has trained for a while.")
        yield Claim("It trains.", f"{context.steps(RUN)} steps.", context.steps(RUN) > 0)

@hookimpl
def register_experiments(register):
    register(Own)
"""


@pytest.fixture
def reproduce(cli, small_data, tmp_path):
    """Runs an experiment on the small data in a folder of the test's own: `reproduce("fig7", "--steps", 2) -> Outcome`."""

    def run(experiment, *options, data=small_data, where=tmp_path):
        places = ("--data", data, "--runs", where / "runs", "--out", where / "reports")
        return cli("reproduce", experiment, *places, *QUICK, *options)

    return run


@pytest.fixture
def instantly_measured(monkeypatch):
    """Rehearses for an instant, as if a step of each next method took 0.11 seconds more."""
    found = []

    def rehearse(config, plugins, device):
        found.append(config.method.name)
        return Throughput(setup=0.0, step=0.11 * len(found), save=0.0)

    monkeypatch.setattr(experiment_runner, "measure_throughput", rehearse)
    return found


def document(where, experiment):
    return json.loads((where / "reports" / experiment / "report.json").read_text())


def steps_of(where):
    return {path.name: RunRecord.read(path).steps for path in sorted((where / "runs").iterdir())}


def test_the_parameter_column_needs_no_data(cli, tmp_path):
    outcome = cli("reproduce", "params", "--data", tmp_path / "nowhere", "--out", tmp_path, "--runs", tmp_path / "runs")
    assert outcome.code == 0, outcome.err
    assert "52.6 M × 14" in outcome.out  # noqa: RUF001
    report = json.loads((tmp_path / "params" / "report.json").read_text())
    assert [claim["holds"] for claim in report["claims"]] == [True]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["params"]


def test_figure_7_is_measured_with_both_masks_and_its_run_serves_figure_6(reproduce, tmp_path, monkeypatch):
    outcome = reproduce("fig7", "--steps", 3)
    assert outcome.code == 0, outcome.err
    assert "index.html written" in outcome.out
    report = document(tmp_path, "fig7")
    assert [one["of"][0]["settings"]["mask"] for one in report["evaluations"]] == ["right", "wrong"] * 2
    assert [one["title"] for one in report["evaluations"][3]["of"]] == [
        f"StarGAN-JNT, step {step}" for step in (1, 2, 3)
    ]
    assert [row[0] for row in report["tables"][1]["rows"]] == ["1", "2", "3"]
    assert "The mask was not learned" in report["tables"][1]["note"]
    for measured in report["evaluations"][:2]:
        rows = {(row["metric"], row["target"]): row for row in measured["of"][0]["rows"]}
        assert rows["classification_error", "rafd"]["n"] == 2 * 8
        assert rows["share_read", "celeba.Young"]["n"] == rows["share_read_of_input", "celeba.Young"]["n"] == 2 * 8
        assert ("real_classification_error", "celeba.Young") in rows
    assert [run["steps"] for run in report["runs"]] == [3]
    assert report["runs"][0]["trained_minutes"] > 0
    assert "--mask wrong" in "".join(report["commands"])
    folder = tmp_path / "reports" / "fig7"
    assert (folder / report["sheets"][0]["file"]).is_file()
    assert len(list((folder / "inputs" / "masks").glob("*.png"))) == 4
    page = (folder / "index.html").read_text()
    assert any("is no measure there" in note for note in report["notes"])
    assert "is no measure there" in page
    assert "stargan-fw train --datasets celeba,rafd" in page
    assert not re.search(r'(src|href)="(?!data:)', page)

    assert reproduce("fig6", "--steps", 3).code == 0
    assert sorted(steps_of(tmp_path)) == ["joint-seed0", "rafd-stargan-seed0"]
    assert {run["trained_by"] for run in document(tmp_path, "fig6")["runs"]} == {"fig6", "fig7"}

    def refuse(*_, **__):
        raise AssertionError("nothing is left to train")

    monkeypatch.setattr(Training, "run", refuse)
    for experiment in ("fig4", "fig5"):
        assert reproduce(experiment).code == 0
        assert document(tmp_path, experiment)["sheets"]


def test_the_commands_of_a_report_do_the_same(reproduce, cli, tmp_path, monkeypatch):
    assert reproduce("fig6", "--steps", 2).code == 0
    report = document(tmp_path, "fig6")
    before = {
        path.name: path.read_bytes() for path in (tmp_path / "runs" / "joint-seed0").rglob("generator.safetensors")
    }
    whole, *steps = [shlex.split(command) for command in report["commands"]]
    assert whole[1:3] == ["reproduce", "fig6"]
    monkeypatch.chdir(tmp_path)
    evaluate, *sheets = steps[2:]
    assert cli(*evaluate[1:]).code == 0
    outcome = cli(*sheets[-1][1:], "-o", tmp_path / "again.png")
    assert outcome.code == 0, outcome.err
    with (
        Image.open(tmp_path / "again.png") as again,
        Image.open(tmp_path / "reports" / "fig6" / report["sheets"][-1]["file"]) as first,
    ):
        assert ImageChops.difference(again.convert("RGB"), first.convert("RGB")).getbbox() is None
    shutil.rmtree(tmp_path / "runs")
    for command in steps[:2]:
        assert cli(*command[1:]).code == 0
    after = {
        path.name: path.read_bytes() for path in (tmp_path / "runs" / "joint-seed0").rglob("generator.safetensors")
    }
    assert after == before


def test_a_budget_is_divided_equally_and_becomes_steps(reproduce, tmp_path, instantly_measured, monkeypatch):
    monkeypatch.setattr("stargan_fw.training.trainer.Trainer.draw_sample", lambda self: None)
    outcome = reproduce("table3", "--budget", "0.05", "--seeds", "2")
    assert outcome.code == 0, outcome.err
    assert instantly_measured == ["stargan", "diat", "cyclegan", "icgan"], (
        "every method is rehearsed once, whatever the seeds"
    )
    share = 0.05 * 60 / 5
    names = ("rafd-stargan-seed0", "rafd-stargan-seed1", "rafd-diat-seed0", "rafd-cyclegan-seed0", "rafd-icgan-seed0")
    paces = (0.11, 0.11, 0.22, 0.33, 0.44)
    expected = {name: int(share / step) for name, step in zip(names, paces, strict=True)}
    assert steps_of(tmp_path) == expected
    report = document(tmp_path, "table3")
    assert {run["budget_minutes"] for run in report["runs"]} == {0.01}
    titles = [row[0] for row in report["tables"][0]["rows"]]
    assert titles == ["StarGAN", "DIAT", "CycleGAN", "IcGAN", "real images"]
    assert "mean of 2 seeds" in report["tables"][0]["rows"][0][1]
    assert report["tables"][1]["rows"][2][2:] == ["52.6 M × 14", "52.6 M × 14"]  # noqa: RUF001

    assert reproduce("table3", "--seeds", "3", "--dry-run").code == 0, "another seed gets what the others had"
    outcome = reproduce("table3", "--budget", "0.05", "--seeds", "3")
    assert outcome.code == 2
    assert "Give --budget 0.06, which is 0.01 for each" in outcome.err
    assert reproduce("table3", "--budget", "0.06", "--seeds", "3", "--dry-run").code == 0

    assert reproduce("losses").code == 0, "the other loss gets the same steps"
    assert steps_of(tmp_path)["rafd-stargan-vanilla-seed0"] == expected["rafd-stargan-seed0"]
    assert instantly_measured == ["stargan", "diat", "cyclegan", "icgan"]


def test_both_losses_share_a_budget_so_that_their_steps_are_the_same(reproduce, tmp_path, instantly_measured):
    assert reproduce("losses", "--budget", "0.02").code == 0
    steps = int(0.02 * 60 / (0.11 + 0.22))
    assert steps_of(tmp_path) == {"rafd-stargan-seed0": steps, "rafd-stargan-vanilla-seed0": steps}


def test_a_rehearsal_measures_the_real_trainer_and_leaves_nothing(reproduce, tmp_path, monkeypatch):
    monkeypatch.setattr(speed_trial, "SECONDS", 0.02)
    assert reproduce("fig5", "--budget", "0.03").code == 0
    (record,) = [RunRecord.read(path) for path in (tmp_path / "runs").iterdir()]
    assert record.minutes == 0.03
    assert 0 < record.step_seconds < 1
    assert 0 < record.seconds < 20


def test_a_run_that_was_killed_goes_on(reproduce, tmp_path, monkeypatch):
    saved = Checkpoints.save

    def killed(self, step, *more):
        if step == 12:
            raise RuntimeError("killed")
        return saved(self, step, *more)

    monkeypatch.setattr(Checkpoints, "save", killed)
    monkeypatch.setattr("stargan_fw_reproduce.run_length.SECONDS_BETWEEN_WRITES", 0)
    assert reproduce("fig5", "--steps", 20, "--set", "training.log_every=1").code == 1
    run = tmp_path / "runs" / "joint-seed0"
    assert RunRecord.read(run).seconds > 0
    monkeypatch.setattr(Checkpoints, "save", saved)
    assert reproduce("fig5", "--steps", 20, "--set", "training.log_every=1").code == 0
    rows = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert rows == list(range(1, 21))
    assert document(tmp_path, "fig5")["runs"][0]["steps"] == 20


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(reproduce, tmp_path, monkeypatch):
    saved = Checkpoints.save

    def killed(*_):
        raise RuntimeError("killed")

    monkeypatch.setattr(Checkpoints, "save", killed)
    assert reproduce("fig5", "--steps", 2).code == 1
    monkeypatch.setattr(Checkpoints, "save", saved)
    assert reproduce("fig5").code == 0
    assert document(tmp_path, "fig5")["runs"][0]["steps"] == 2, "its configuration fixes its steps"


def test_other_settings_or_lengths_are_refused(reproduce, tmp_path, instantly_measured):
    assert reproduce("fig5", "--budget", "0.01").code == 0
    before = sorted(tmp_path.rglob("*"))
    for options, message in (
        (("--set", "loss.lambda_rec=7"), r"cannot go on with loss\.lambda_rec = 7\.0 \(was 5\.0\).*--runs"),
        (("--steps", 99), r"cannot go on with training\.steps = 99 \(was 5\).*--runs"),
        (("--budget", "0.5"), "trained for 0.01 minutes, and not 0.50 minutes.*--runs"),
    ):
        outcome = reproduce("fig5", *options)
        assert outcome.code == 2
        assert re.search(message, outcome.err), outcome.err
        assert len(outcome.err.strip().splitlines()) == 1
    (tmp_path / "runs" / "joint-seed0" / "reproduce.json").write_text("torn")
    assert "reproduce.json' cannot be read" in reproduce("fig5").err
    (tmp_path / "runs" / "joint-seed0" / "reproduce.json").write_text('{"format": 2}')
    assert "reproduce.json' has format 2, which a newer stargan-fw wrote" in reproduce("fig5").err
    assert sorted(tmp_path.rglob("*")) == before


def test_runs_of_several_lengths_are_no_equal_comparison(reproduce, tmp_path, instantly_measured):
    assert reproduce("losses", "--steps", 2).code == 0
    (tmp_path / "runs" / "rafd-stargan-seed0").rename(tmp_path / "kept")
    assert reproduce("fig6", "--steps", 3).code == 0
    outcome = reproduce("losses")
    assert outcome.code == 2
    assert "for the same steps" in outcome.err
    outcome = reproduce("table3", "--seeds", "1")
    assert outcome.code == 2
    assert "the steps that it was given" in outcome.err


@pytest.mark.parametrize(
    "experiment, options, message",
    [
        ("fig8", (), "no experiment is called 'fig8'.*fig"),
        ("fig7", ("--budget", 1, "--steps", 2), "--budget and --steps are both given"),
        ("fig7", ("--set", "training.bath_size=4"), "Unknown key 'training.bath_size'"),
        ("table3", ("--set", "method.surce=happy"), "surce"),
        ("fig7", ("--plugin", "nowhere.py"), "does not exist"),
        ("fig7", ("--device", "cudda"), "--device cudda"),
    ],
)
def test_a_wrong_request_writes_nothing(reproduce, tmp_path, experiment, options, message):
    outcome = reproduce(experiment, *options)
    assert outcome.code == 2
    assert re.search(message, outcome.err), outcome.err
    assert len(outcome.err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_without_data_the_stand_ins_are_named(reproduce, tmp_path):
    outcome = reproduce("fig7", data=tmp_path / "nowhere")
    assert outcome.code == 2
    assert f"stargan-fw data sample {tmp_path / 'nowhere'}" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_refused(reproduce, tmp_path):
    (tmp_path / "reports").write_text("")
    assert "is a file" in reproduce("fig7").err


def test_a_dry_run_shows_the_runs(reproduce, tmp_path):
    outcome = reproduce("table3", "--dry-run", "--paper")
    assert outcome.code == 0
    assert "CycleGAN" in outcome.out
    assert "the preset's" in outcome.out
    assert list(tmp_path.iterdir()) == []


def test_a_plugin_brings_its_own_experiment(reproduce, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    outcome = reproduce("own", "--plugin", tmp_path / "own.py", "--steps", 2)
    assert outcome.code == 0, outcome.err
    page = (tmp_path / "reports" / "own" / "index.html").read_text()
    assert "<h1>My &lt;own&gt; experiment</h1>" in page
    assert "<p>One &amp; two.</p>" in page
    assert document(tmp_path, "own")["claims"] == [{"text": "It trains.", "measured": "2 steps.", "holds": True}]


def test_a_pace_leaves_time_for_checkpoints():
    assert steps_within(Throughput(setup=10.0, step=0.5, save=1.0), 120) == 200
    assert steps_within(Throughput(setup=10.0, step=0.5, save=1.0), 1) == 1
    assert steps_within(Throughput(setup=0.0, step=0.01, save=10.0), 1000) == 50_000
    assert [save_every(steps) for steps in (1, 11, 200, 10**6)] == [1, 2, 20, 1000]


def test_a_run_is_opened_as_it_was_at_each_checkpoint(trained_once, tmp_path):
    earlier = runs_at_checkpoints(RunFolder(trained_once), tmp_path)

    assert list(earlier) == [4]
    assert Translator.from_pretrained(earlier[4], device="cpu").labels.datasets == ("celeba", "rafd")
    assert [path.name for path in (earlier[4] / "checkpoints").iterdir()] == ["step-00000004"]
