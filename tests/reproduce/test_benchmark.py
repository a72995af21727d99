"""`stargan-fw reproduce benchmark`: what it trains, what its table has, and how another method enters."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from stargan_fw.errors import ModelError, RunError
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw_evaluate import Evaluation, Row, evaluation_progress
from stargan_fw_reproduce import kept_evaluations
from stargan_fw_reproduce.experiment_report import Report
from stargan_fw_reproduce.experiments.benchmark import (
    EMOJI as EMOJI_PAIR,
    FACES,
    MEASURES,
    NOTHING,
    Benchmark,
    SmallNetworks,
    compare,
    evaluate_run,
    plan_run,
)
from stargan_fw_reproduce.local_context import LocalContext
from stargan_fw_reproduce.reproduction import ReproductionRequest

ROOT = Path(__file__).parents[2]
EMOJI = ROOT / "examples" / "emoji.py"
TINY = {
    "data.image_size": 32,
    "training.batch_size": 4,
    "training.precision": "fp32",
    "generator.conv_dim": 4,
    "generator.repeat_num": 1,
    "discriminator.conv_dim": 4,
}
SETTINGS = [part for key, value in TINY.items() for part in ("--set", f"{key}={value}")]


@pytest.fixture
def benchmark(cli, small_data, emoji_data, tmp_path):
    """Runs the benchmark on both pairs of tiny data: `benchmark("--only", "small") -> Outcome`."""
    data = tmp_path / "data"
    data.mkdir()
    for source in (small_data / "celeba", small_data / "rafd", emoji_data / "node_modules"):
        (data / source.name).symlink_to(source, target_is_directory=True)
    places = ("--data", data, "--runs", tmp_path / "runs", "--out", tmp_path / "reports", "--cache", tmp_path / "cache")
    quick = ("--classifier-steps", 2, "--limit", 2, "--device", "cpu", "--seeds", 1, *SETTINGS)
    return lambda *options: cli("reproduce", "benchmark", *places, *quick, *options)


@pytest.fixture
def example(tmp_path):
    """The plugin of docs/benchmark.md."""
    text = (ROOT / "docs" / "benchmark.md").read_text(encoding="utf-8")
    path = tmp_path / "narrow.py"
    path.write_text(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], encoding="utf-8")
    return path


def document(where):
    return json.loads((where / "reports/benchmark/report.json").read_text(encoding="utf-8"))


def rows(table):
    return {(name, of): cells for name, of, *cells in table["rows"]}


def check_table(table, pair, columns):
    assert (table["title"], table["header"]) == (pair.title, ["", "of", *columns])
    assert list(rows(table))[:-3] == [(measure.name, name) for measure in MEASURES for name in pair.datasets]
    assert re.search(r"\d+ test images with the checksum [0-9a-f]{12}: not those of version 1", table["note"])


def test_the_benchmark_measures_methods_of_plugins_beside_its_own(benchmark, example, tmp_path):
    chosen = ("--only", "narrow", "--only", "diat", "--only", "emoji", "--plugin", example, "--plugin", EMOJI)
    outcome = benchmark("--steps", 2, *chosen)
    assert outcome.code == 0, outcome.err
    (table,) = document(tmp_path)["tables"]
    check_table(table, EMOJI_PAIR, ["DIAT", "StarGAN (narrow)"])
    assert table["note"] in outcome.out
    for reason in ("cannot translate to labels of google_tone and twitter_gender at once", "has no mask"):
        assert f"DIAT: The method 'diat' {reason}" in table["note"]
    found = rows(table)
    for name in EMOJI_PAIR.datasets:
        for measure in MEASURES:
            diat, stargan = found[measure.name, name]
            assert (diat == NOTHING) == (measure.what in {"both", "wrong"} or stargan == NOTHING), "a model per label"
            one_label = measure.name == "other labels changed, own pictures"
            assert (stargan == NOTHING) == one_label
        for what in ("own labels", "the other dataset's pictures", "both labels"):
            assert re.fullmatch(r"[+-]\d+\.\d\d", found[f"gain in PSNR, dB, {what}", name][1])
        assert re.fullmatch(r"\d+\.\d%", found["label read with the wrong mask", name][1])
    assert found["steps", ""] == ["2", "2"]
    number = next(one for one in table["values"] if one["method"] == "StarGAN (narrow)")
    assert number["mean"] == number["seeds"][0]
    markdown = (tmp_path / "reports/benchmark/report.md").read_text(encoding="utf-8")
    assert re.search(r"date: \d{4}-\d\d-\d\d.*processor: .+ cores", markdown)
    assert "| gain in PSNR, dB, own labels | google_tone |" in markdown
    assert not (tmp_path / "reports/benchmark/measured").exists()


def test_a_benchmark_that_was_stopped_does_not_measure_again_and_says_which_data_it_lacked(
    benchmark, tmp_path, monkeypatch
):
    monkeypatch.setattr(evaluation_progress, "PAUSE", 0)
    evaluate, asked = kept_evaluations.evaluate, []

    def stopped(runs, request, *more):
        asked.append(request)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return evaluate(runs, request, *more)

    monkeypatch.setattr(kept_evaluations, "evaluate", stopped)
    assert benchmark("--steps", 1, "--only", "small").code == 130
    assert len(list((tmp_path / "reports/benchmark/measured").iterdir())) == 2
    with monkeypatch.context() as full:
        full.setattr(Report, "write", lambda *_: Path("/").write_text("full"))
        outcome = benchmark("--steps", 1, "--only", "small")
    assert outcome.code == 1
    assert "real images of rafd: 1 of " in outcome.err, "also off a terminal it says what it does"
    assert len(asked) == 3 + 4, "of six evaluations two were kept"
    assert benchmark("--steps", 1, "--only", "small").code == 0
    assert len(asked) == 3 + 4, "nothing that was measured is lost before the report is written"
    assert asked[2] == asked[3]
    (table,) = document(tmp_path)["tables"]
    check_table(table, FACES, ["StarGAN (small)"])
    assert "Emoji of two vendors were left out." in (tmp_path / "reports/benchmark/report.md").read_text(
        encoding="utf-8"
    )
    assert not (tmp_path / "reports/benchmark/measured").exists()
    assert benchmark("--only", "small", "--only", "faces", "--dry-run").code == 0
    outcome = benchmark("--only", "small", "--only", "paper", "--only", "faces", "--dry-run")
    assert outcome.code == 2
    assert "was given 1 steps, and the missing runs would get the lengths of their presets" in outcome.err
    assert benchmark("--only", "small", "--only", "paper", "--only", "faces", "--dry-run", "--steps", 1).code == 0


def test_what_was_measured_on_other_test_images_is_measured_anew(trained_once, tmp_path, monkeypatch):
    asked, checksums = [], ["a", "a", "b"]

    def evaluate(runs, request, *more):
        asked.append(request)
        return [Evaluation(str(run), "step", {}) for run in runs]

    monkeypatch.setattr(kept_evaluations, "evaluate", evaluate)
    monkeypatch.setattr(LocalContext, "data_checksum", lambda self, run: (1, checksums.pop(0)))
    run = SimpleNamespace(folder=RunFolder(trained_once), planned="planned", title="Mine")
    runs = SimpleNamespace(of=lambda _: [run], request=ReproductionRequest(), experiment=SimpleNamespace(limit=None))
    kept = kept_evaluations.KeptEvaluations(tmp_path / "measured")
    for _ in range(3):
        LocalContext(runs, "cpu", tmp_path, None, kept).evaluate(["planned"], datasets=("rafd",))
    assert len(asked) == 2
    kept.evaluate([run.folder], asked[0], "cpu", None, ["a"])
    assert len(asked) == 2


def test_an_equal_number_of_images_becomes_steps_by_the_batch(benchmark):
    outcome = benchmark("--images", 40, "--only", "small", "--only", "faces", "--dry-run")
    assert outcome.code == 0, outcome.err
    assert "10 steps" in outcome.out


def test_all_methods_are_planned_for_the_lengths_of_their_presets(benchmark):
    outcome = benchmark("--dry-run")
    assert outcome.code == 0, outcome.err
    for words in ("paper", "750 steps", "small", "1500 steps", "CycleGAN", "DIAT", "IcGAN"):
        assert words in outcome.out


@pytest.mark.parametrize(
    "options, message",
    [
        (("--only", "smal"), "no such method or pair; .*small"),
        (("--only", "emoji"), "Run 'npm install .*', and add --data DATA --plugin examples/emoji.py"),
        (("--images", 4, "--steps", 2), "--steps and --images are both given"),
        (("--images", 4, "--steps", 2, "--budget", 1), "--budget and --steps and --images are all given.*Give one"),
        (("--budget", "inf"), "--budget inf: no training ends by that"),
    ],
)
def test_a_wrong_request_is_refused(benchmark, options, message):
    outcome = benchmark(*options)
    assert outcome.code == 2
    assert re.search(message, outcome.err)


def test_two_methods_of_one_title_are_refused(benchmark, example):
    example.write_text(example.read_text().replace("StarGAN (narrow)", "StarGAN (small)"))
    outcome = benchmark("--plugin", example)
    assert outcome.code == 2
    assert "the title 'StarGAN (small)': give one of them another title" in outcome.err


@pytest.mark.parametrize(
    "old, new, message",
    [
        ('"StarGAN (narrow)", "paper"', "3, None", "entry 'narrow' has no `title`"),
        ("name, title, preset", "name, title, other", "entry 'narrow' has no `preset`"),
        ("settings = {", "for_pair = {'face': {}}; settings = {", "the pair 'face', which does not exist; .*'faces'"),
        ('"narrow", ', '"../narrow", ', r"entry '\.\./narrow' cannot name a folder"),
        ('"narrow", ', '"faces", ', "entry 'faces' has the name of a pair of datasets"),
        ("settings = {", "settings = ['training.steps=2']; other = {", "`settings` that are no dictionary"),
        ('"training.steps"', '"training.stepz"', "narrow: Unknown key 'training.stepz'"),
    ],
)
def test_a_faulty_entry_is_refused(benchmark, example, old, new, message):
    example.write_text(example.read_text().replace(old, new))
    outcome = benchmark("--plugin", example, "--dry-run")
    assert outcome.code == 2
    assert re.search(message, outcome.err), outcome.err
    assert benchmark("--plugin", example, "--only", "small", "--dry-run").code == 0, "the others are not affected"


def test_other_experiments_have_no_parts(cli, tmp_path):
    outcome = cli("reproduce", "table3", "--only", "small", "--data", tmp_path)
    assert outcome.code == 2
    assert "leave --only out" in outcome.err


class Context:
    """Has measured three seeds of a method without masks: each figure is twice the seed, of as many images as the label is long."""

    def evaluate(self, runs, *, datasets, images=None, to=(), mask="right"):
        if mask == "wrong":
            raise ModelError("there is no mask")
        return {runs[0]: [Seed(seed) for seed in range(3)]}

    def data_checksum(self, run):
        return 1280, FACES.checksum

    def image_size(self, run):
        return 64

    def parameters(self, run):
        return "1 M × 1"  # noqa: RUF001

    def lengths(self, run):
        return [1234, 7]

    def minutes(self, run):
        return 7

    def sheet(self, name, caption, rows, **asked):
        return name, [row.name for row in rows]


class Seed:
    def __init__(self, seed):
        self.seed = seed

    def value(self, metric, target):
        if metric == "composition_drift":
            raise KeyError(metric)
        return Row(metric, target, self.seed * (0.1 if "error" in metric else 2.0), n=len(target))


def test_a_cell_has_the_mean_over_seeds_and_half_of_its_interval():
    run = plan_run(SmallNetworks, FACES)
    table = compare(Context(), FACES, {"Mine": run}, {"Mine": evaluate_run(Context(), FACES, run)})
    assert table.note.startswith("1280 test images, with the checksum 2b89282ea6f5 of version 1.")
    found = rows({"rows": table.rows})
    assert found["gain in PSNR, dB, own labels", "celeba"] == ["+2.00 ± 4.97"]
    assert found["both labels read", "rafd"] == ["90.0% ± 24.8%"]
    assert found["drift of ten empty edits", "rafd"] == found["label read with the wrong mask", "rafd"] == [NOTHING]
    assert found["minutes of training", ""] == ["7.0"]
    assert found["steps", ""] == ["1,234 / 7"], "the seeds were trained for different steps"
    assert table.note.endswith("\n\nMine: there is no mask")


class OneWay(Context):
    """Has a first method that does not translate pictures of CelebA, a second that does, and a last whose run is broken."""

    def evaluate(self, runs, *, images=None, **asked):
        if "icgan" in runs[0].name:
            raise ModelError("The weights cannot be used.") if images is None else RunError("not reached")
        if "diat" in runs[0].name and images == "celeba":
            return {runs[0]: [Evaluation("run", "step", {})]}
        return super().evaluate(runs, images=images, **asked)


def sections(*names):
    benchmark = Benchmark()
    benchmark.plan(PluginManager.discover(), [*names, "faces"])
    return [section for section in benchmark.report(OneWay()) if isinstance(section, tuple)]


class OtherImages(Context):
    """Has one method of small pictures, and one that was measured on images of its own."""

    def image_size(self, run):
        return 32 if "paper" in run.name else 64

    def data_checksum(self, run):
        return 7, "0123456789ab" if "icgan" in run.name else FACES.checksum


def test_a_method_that_was_measured_on_other_images_is_named():
    benchmark = Benchmark()
    benchmark.plan(PluginManager.discover(), ["small", "joint", "paper", "icgan", "faces"])
    table, *_ = benchmark.report(OtherImages())
    for words in (
        "Joint, StarGAN (small): 7 test images, with the checksum 2b89282ea6f5 of version 1. ",
        "StarGAN (paper): 7 test images, with the checksum 2b89282ea6f5 of version 1, but of 32 pixels and not of 64: ",
        "IcGAN: 7 test images with the checksum 0123456789ab: not those of version 1 (2b89282ea6f5)",
        "Columns of different images cannot be compared with each other. Means over seeds",
    ):
        assert words in table.note


def test_a_sheet_has_the_methods_that_translate_its_pictures():
    assert sections("diat", "small") == [
        ("faces-celeba", ["StarGAN (small)"]),
        ("faces-rafd", ["DIAT", "StarGAN (small)"]),
    ]
    assert sections("diat") == [("faces-rafd", ["DIAT"])]


def test_a_run_that_does_not_translate_to_its_own_labels_is_broken():
    with pytest.raises(ModelError, match="weights"):
        sections("small", "icgan")
