"""`stargan-fw evaluate` as a user calls it."""

import csv
import errno
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from stargan_fw.data.source import Source, decode
from stargan_fw.errors import ModelError, PluginError
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw_evaluate import Evaluation, Row, as_markdown
from stargan_fw_evaluate.classifier import _erase
from stargan_fw_evaluate.evaluate_command import as_csv
from stargan_fw_evaluate.evaluation_request import EvaluationRequest, list_targets
from stargan_fw_evaluate.ground_truth import find_ground_truth
from stargan_fw_evaluate.scoring import EvaluationImages, Outcomes, Scorer, score_target
from stargan_fw_plugins.datasets.rafd import RaFD
from stargan_fw_plugins.methods.stargan import StarGAN

QUICK = ("--classifier-steps", "3", "--device", "cpu")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache that keeps classifiers from test to test."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def evaluate(cli, trained, small_data, cache):
    """Evaluates a copy of the tiny run on both datasets: `evaluate("--json") -> Outcome`."""

    def run(*options, runs=(trained,), data=small_data):
        return cli("evaluate", *runs, "--data", data, "--cache", cache, *QUICK, *options)

    return run


def rows_of(document):
    return {(row["metric"], row["target"]): row for row in document["rows"]}


def test_everything_is_measured_of_two_datasets(evaluate, trained, tmp_path):
    outcome = evaluate("--json", "--csv", tmp_path / "t.csv", "--markdown", tmp_path / "t.md", "--limit", "8")
    assert outcome.code == 0, outcome.err
    (document,) = json.loads(outcome.out)
    assert document == json.loads((trained / "evaluation.json").read_text())
    assert document["format"] == 1
    assert document["checkpoint"] == "step-00000004"
    rows = rows_of(document)
    assert set(rows[("classification_error", "rafd.happy")]) == {
        *("metric", "target", "value", "low", "high", "split", "n"),
    }
    targets = {target for metric, target in rows if metric == "classification_error"}
    assert targets >= {"celeba", "celeba.Male", "celeba.Male=0", "rafd", "rafd.happy", "rafd.neutral"}
    for metric, target in rows:
        row = rows[metric, target]
        if row["low"] is not None and metric != "images_per_second":
            assert row["low"] <= row["value"] <= row["high"]
    for metric in ("reconstruction_l1", "psnr", "ssim", "identity_error", "classifier_frechet_distance"):
        assert (metric, "celeba") in rows
        assert (metric, "rafd") in rows
    assert rows["classification_error", "rafd"]["n"] == 8 * 7
    assert rows["psnr", "celeba"]["n"] <= rows["classification_error", "celeba"]["n"]
    for judged in ("rafd", "celeba.hair"):  # after three updates
        assert any(f"of {judged} wrong" in note and "no measure" in note for note in document["notes"])
    lines = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    assert len(lines) == len(document["rows"])
    assert float(lines[0]["value"]) == document["rows"][0]["value"]
    assert "| classification error | rafd.happy |" in (tmp_path / "t.md").read_text()


def test_table_3_is_an_option_away_and_a_second_call_gives_the_same(evaluate, monkeypatch):
    table3 = ("--datasets", "rafd", "--source", "neutral", "--json")
    first = rows_of(json.loads(evaluate(*table3).out)[0])
    assert first["classification_error", "rafd"]["n"] == 3 * 7  # one unseen person, three gazes
    assert ("classification_error", "rafd.neutral") not in first
    monkeypatch.setattr("stargan_fw_evaluate.classifier.fit", None)  # the weights are in the cache
    again = rows_of(json.loads(evaluate(*table3).out)[0])
    assert {key: row for key, row in first.items() if key[0] != "images_per_second"} == {
        key: row for key, row in again.items() if key[0] != "images_per_second"
    }


def test_the_parameters_are_those_of_all_networks(evaluate, trained):
    rows = rows_of(json.loads(evaluate("--datasets", "celeba", "--to", "Young=0", "--json").out)[0])
    checkpoint = trained / "checkpoints" / "step-00000004"
    expected = 0
    for name in ("generator", "discriminator"):
        with safe_open(checkpoint / f"{name}.safetensors", "pt") as file:
            expected += sum(file.get_tensor(key).numel() for key in file.keys())  # noqa: SIM118
    assert rows["parameters", ""]["value"] == expected
    assert rows["images_per_second", ""]["value"] > 0
    assert {target for metric, target in rows if metric == "classification_error"} == {"celeba", "celeba.Young=0"}


def test_two_runs_stand_side_by_side_and_one_may_translate_another_dataset_s_images(evaluate, train, trained, tmp_path):
    assert train("--max-steps", "2", datasets="rafd", out=tmp_path / "single").code == 0
    runs = (trained, tmp_path / "single")
    outcome = evaluate("--images", "celeba", "--to", "happy", runs=runs)
    assert outcome.code == 0, outcome.err
    assert "single" in outcome.out
    one, other = (rows_of(json.loads((run / "evaluation.json").read_text())) for run in runs)
    assert one["classification_error", "rafd.happy"]["n"] == other["classification_error", "rafd.happy"]["n"] == 6
    assert ("reconstruction_l1", "rafd") not in one
    # Some of the faces smile already, and there is nothing to gain on them.
    assert 0 < one["psnr_gain", "rafd.happy"]["n"] == one["psnr", "rafd"]["n"] < 6
    assert one["identity_error", "rafd.happy"]["n"] == 6
    assert one["real_classification_error", "rafd"] == other["real_classification_error", "rafd"]


def test_images_of_several_datasets_are_measured_apart_as_if_each_were_asked_for_alone(evaluate):
    edits = ("--to", "happy", "--to", "happy,Male", "--read", "Young", "--limit", "8")
    table = evaluate(*edits, "--images", "celeba")
    assert " on rafd" not in table.out
    single = {
        name: rows_of(json.loads(evaluate(*edits, "--images", name, "--json").out)[0]) for name in ("celeba", "rafd")
    }
    outcome = evaluate(*edits, "--images", "celeba, rafd,celeba", "--json")
    assert outcome.code == 0, outcome.err
    (document,) = json.loads(outcome.out)
    assert document["settings"]["images"] == "celeba, rafd,celeba"
    found = rows_of(document)
    assert {target for metric, target in found if metric == "classification_error"} == {
        *("rafd on celeba", "rafd.happy on celeba", "rafd on rafd", "rafd.happy on rafd"),
    }
    assert ("reconstruction_l1", "rafd on rafd") in found, "their own labels are known"
    assert ("reconstruction_l1", "rafd on celeba") not in found
    same = ("parameters", "images_per_second", "real_classification_error", "composition_drift", "own_label_drift")
    for name, rows in single.items():
        for (metric, target), row in rows.items():
            place = "" if metric in same or " on " in target else f" on {name}"
            other = found[metric, target + place]
            if metric != "images_per_second":
                assert {**other, "target": target} == row, (metric, target)
    table = evaluate(*edits, "--images", "celeba,rafd").out
    assert re.search(r"PSNR gain, dB +│ rafd on celeba", table)
    assert not re.search(r"PSNR gain, dB +│ rafd.happy on celeba", table), "a detail"


def test_a_run_that_saw_other_crops_is_named(evaluate, train, trained, tmp_path):
    other = tmp_path / "other"
    assert train("--max-steps", "1", "--set", "datasets.rafd.face=none", datasets="rafd", out=other).code == 0
    asked = ("--datasets", "rafd", "--to", "happy", "--limit", "1", "--json")
    for runs, named in (((trained, other), other), ((other, trained), trained)):
        for document in json.loads(evaluate(*asked, runs=runs).out):
            (said,) = (note for note in document["notes"] if "other settings" in note)
            assert said.startswith(f"{named} was trained with other settings of 'rafd' (face) than it is measured with")
    assert "other settings" not in evaluate(*asked).out


def test_the_wrong_mask_and_other_labels_are_measured(evaluate, trained):
    faces = ("--images", "celeba", "--datasets", "rafd", "--to", "happy", "--read", "Young", "--json")
    found = [json.loads(evaluate(*faces, *more).out)[0] for more in ((), ("--mask", "wrong"))]
    right, wrong = map(rows_of, found)
    assert [(one["settings"]["mask"], one["settings"]["read"]) for one in found] == [
        ("right", ["Young"]),
        ("wrong", ["Young"]),
    ]
    assert right["classifier_frechet_distance", "rafd"] != wrong["classifier_frechet_distance", "rafd"]
    for rows in (right, wrong):
        assert rows["share_read", "celeba.Young"]["n"] == rows["classification_error", "rafd"]["n"] == 6
        assert 0 <= rows["share_read", "celeba.Young"]["value"] <= 1
        assert ("real_classification_error", "celeba.hair") in rows, "whoever reads must be known to read well"
        assert ("classification_error", "celeba.Young") not in rows
    assert right["share_read_of_input", "celeba.Young"] == wrong["share_read_of_input", "celeba.Young"]
    own = rows_of(json.loads(evaluate("--datasets", "rafd", "--to", "sad", "--mask", "wrong", "--json").out)[0])
    assert own["classification_error", "rafd.sad"]["n"] == own["reconstruction_l1", "rafd.sad"]["n"] > 0


def test_an_edit_across_datasets_is_read_by_the_classifier_of_each(evaluate, trained):
    asked = ("--to", "happy,Blond_Hair,Male=0", "--to", "rafd.happy", "--read", "celeba.Young")
    outcome = evaluate(*asked, "--json", "--limit", "8")
    assert outcome.code == 0, outcome.err
    (document,) = json.loads(outcome.out)
    rows = rows_of(document)
    edit, parts = "celeba.Blond_Hair,celeba.Male=0,rafd.happy", ("celeba.Blond_Hair,celeba.Male=0", "rafd.happy")
    for dataset in ("celeba", "rafd"):
        whole = rows["across_error", f"{edit} on {dataset}"]
        errors = [rows["across_part_error", f"{part} of {edit} on {dataset}"] for part in parts]
        assert {row["n"] for row in errors} == {whole["n"]}
        assert max(row["value"] for row in errors) <= whole["value"] <= sum(row["value"] for row in errors)
        assert whole["low"] <= whole["value"] <= whole["high"]
        assert rows["identity_error", f"{edit} on {dataset}"]["n"] == whole["n"]
        gain, reached, alone = (
            rows[metric, f"{edit} on {dataset}"]["value"] for metric in ("psnr_gain", "psnr", "psnr_of_input")
        )
        assert gain == pytest.approx(reached - alone, abs=1e-5)
        assert rows["share_read", f"celeba.Young on {dataset}"]["n"] == whole["n"], "no figure is of images of both"
    assert rows["share_read", "celeba.Young"]["n"] == rows["classification_error", "rafd.happy"]["n"]
    assert {target for metric, target in rows if metric == "classification_error"} == {"rafd", "rafd.happy"}
    assert {target for metric, target in rows if metric == "real_classification_error"} >= {"celeba", "rafd"}
    assert any("what it makes of several at once is an extrapolation" in note for note in document["notes"])

    table = evaluate("--to", "happy,Male", "--images", "celeba", "--limit", "4", "--read", "Young")
    assert table.code == 0, table.err
    rows = rows_of(json.loads((trained / "evaluation.json").read_text()))
    assert rows["share_read", "celeba.Young"]["n"] == rows["across_error", "celeba.Male,rafd.happy on celeba"]["n"]
    assert "error of the whole" in table.out
    assert "on rafd" not in table.out, "the images are those of another dataset alone"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["--to", "happy,Male=flip"],
            "'celeba.Male=flip' is another target for each image: write celeba.Male or celeba.Male=0",
        ),
        (
            ["--to", "happy,Male", "--mask", "wrong"],
            "'celeba.Male,rafd.happy' is of several datasets and has no wrong mask",
        ),
        (["--to", "happy,Male", "--datasets", "rafd", "--images", "celeba"], "'celeba', .*: add it to --datasets"),
        (["--to", "happy,Mal"], "no label 'Mal' in celeba, rafd"),
    ],
)
def test_an_edit_across_datasets_that_cannot_be_measured_is_refused(evaluate, trained, options, words):
    outcome = evaluate(*options)
    assert (outcome.code, len(outcome.err.strip().splitlines())) == (2, 1)
    assert re.search(words, outcome.err), outcome.err
    assert not (trained / "evaluation.json").exists()


def test_a_method_that_takes_labels_of_one_dataset_is_refused_before_a_classifier_is_trained(evaluate, monkeypatch):
    monkeypatch.setattr(StarGAN, "translate_across", None)
    monkeypatch.setattr("stargan_fw_evaluate.protocol.load_or_train", None)
    outcome = evaluate("--to", "happy,Male")
    assert outcome.code == 2
    assert "'stargan' cannot translate to labels of celeba and rafd at once" in outcome.err


def test_a_run_without_a_mask_has_no_wrong_one(evaluate, train, trained, tmp_path):
    assert train("--max-steps", "1", datasets="rafd", out=tmp_path / "single").code == 0
    outcome = evaluate("--mask", "wrong", runs=(tmp_path / "single",))
    assert (outcome.code, "and so has no mask" in outcome.err) == (2, True)
    pairs = ("--set", "method.name=diat", "--set", "generator.name=resnet", "--set", "discriminator.name=patch")
    pairs += ("--set", "embedding.name=classifier", "--set", "training.ema=0")
    assert train("--max-steps", "1", *pairs, out=tmp_path / "pairs").code == 0
    outcome = evaluate("--mask", "wrong", runs=(tmp_path / "pairs",))
    assert (outcome.code, "'diat' has no mask" in outcome.err) == (2, True)


@pytest.mark.parametrize(
    ("asked", "precision"), [((), "fp32"), (("--precision", "bf16"), "bf16"), (("--precision", "auto"), "fp32")]
)
def test_all_translations_are_of_the_precision_that_is_recorded(evaluate, monkeypatch, asked, precision):
    seen, translate = set(), StarGAN.translate

    def watch(self, images, *labels):
        seen.add(torch.is_autocast_enabled("cpu"))
        return translate(self, images, *labels)

    monkeypatch.setattr(StarGAN, "translate", watch)
    for images in ((), ("--images", "celeba")):
        outcome = evaluate("--datasets", "rafd", "--to", "happy", "--limit", "2", "--json", *images, *asked)
        assert outcome.code == 0, outcome.err
        assert json.loads(outcome.out)[0]["settings"]["precision"] == precision
    assert seen == {precision == "bf16"}


def test_a_limit_takes_images_spread_over_all(small_data, trained_once):
    source = Source.open(
        "rafd", RunFolder(trained_once).config().datasets["rafd"], str(small_data), PluginManager.discover()
    )
    found = EvaluationRequest(limit=16).select_images(source, [source.schema])
    assert len(set(found)) == 16
    assert found[0] == source.test[0]
    assert found[-1] in source.test[-2:]
    assert EvaluationRequest(limit=1000).select_images(source, [source.schema]) == list(source.test)


def test_the_classifier_learns_from_images_that_are_partly_blanked():
    rng, images = np.random.default_rng(0), torch.full((400, 3, 64, 64), 0.5)
    gone = _erase(images.clone(), rng) != 0.5

    assert torch.equal(gone.all(dim=1), gone.any(dim=1))
    erased = gone[:, 0][gone.flatten(1).any(1)]
    assert 160 <= len(erased) <= 240
    for one in erased:
        rows, columns = one.any(1), one.any(0)
        assert torch.equal(one, rows[:, None] & columns[None])
        assert 10 <= min(rows.sum(), columns.sum()) <= max(rows.sum(), columns.sum()) <= 29


def test_real_data_has_no_ground_truth(evaluate, small_data, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(small_data / "rafd", data / "rafd")
    (data / "rafd" / "stand-in.json").unlink()
    rows = rows_of(json.loads(evaluate("--datasets", "rafd", "--limit", "2", "--json", data=data).out)[0])
    assert ("classification_error", "rafd") in rows
    assert not [metric for metric, _ in rows if metric in {"psnr", "ssim", "identity_error"}]


def test_images_that_would_be_drawn_otherwise_have_no_ground_truth(evaluate, small_data, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(small_data / "rafd", data / "rafd")
    (data / "rafd" / "stand-in.json").write_text('{"format": 1, "seed": 7}')
    document = json.loads(evaluate("--datasets", "rafd", "--limit", "2", "--json", data=data).out)[0]
    assert any("is drawn otherwise now" in note for note in document["notes"])
    assert ("psnr", "rafd") not in rows_of(document)


def test_without_the_packages_that_draw_the_rest_is_measured(evaluate, monkeypatch):
    def refuse(*_):
        raise PluginError("Drawing needs a package.")

    monkeypatch.setattr(RaFD, "counterfactual", refuse)
    document = json.loads(evaluate("--datasets", "rafd", "--limit", "2", "--to", "sad", "--json").out)[0]
    assert any("left out: Drawing needs" in note for note in document["notes"])
    assert ("classification_error", "rafd.sad") in rows_of(document)


def test_without_torchmetrics_the_rest_is_measured(evaluate, monkeypatch):
    monkeypatch.setattr("stargan_fw_evaluate.metrics.has_torchmetrics", lambda: False)
    outcome = evaluate("--datasets", "rafd", "--limit", "2", "--to", "happy", "--json")
    document = json.loads(outcome.out)[0]
    assert any("pip install 'stargan-fw[evaluate]'" in note for note in document["notes"])
    rows = rows_of(document)
    assert ("ssim", "rafd") in rows
    assert not [metric for metric, _ in rows if "distance" in metric]


def test_the_classifier_s_weights_change_with_what_they_depend_on(evaluate, cache):
    evaluate("--datasets", "rafd", "--limit", "1", "--to", "happy")
    before = set(cache.glob("classifier-rafd-32px-*.safetensors"))
    evaluate("--datasets", "rafd", "--limit", "1", "--to", "sad")
    assert set(cache.glob("classifier-rafd-*")) == before
    evaluate("--datasets", "rafd", "--limit", "1", "--to", "happy", "--seed", "5")
    assert len(set(cache.glob("classifier-rafd-*"))) == len(before) + 1
    broken = min(before)
    broken.write_bytes(b"torn")
    assert evaluate("--datasets", "rafd", "--limit", "1", "--to", "happy").code == 0


EMBEDDINGS = """
from stargan_fw import Embedding, hookimpl

class Colours(Embedding):
    name = "colours"
    def __init__(self, *, image_size, label_dim):
        super().__init__()
    def prepare(self):
        self.ready = True
    def forward(self, images):
        assert self.ready and not self.training and images.abs().max() <= 1
        return images[:, :, ::4, ::4] + 2

class Mean(Embedding):
    name = "mean"
    def __init__(self, *, image_size, label_dim):
        super().__init__()
    def forward(self, images):
        return images.mean((2, 3)) + 2

@hookimpl
def register_embeddings(register):
    register(Colours)
    register(Mean)
"""


def test_distances_in_the_features_of_a_network_of_ones_own(evaluate, tmp_path):
    plugin = tmp_path / "embeddings.py"
    plugin.write_text(EMBEDDINGS)
    asked = ("--plugin", plugin, "--to", "happy", "--to", "happy,Male", "--limit", "8", "--json")
    for name in ("colours", "mean"):
        outcome = evaluate(*asked, "--embedding", name)
        assert outcome.code == 0, outcome.err
        (document,) = json.loads(outcome.out)
        assert document["settings"]["embedding"] == name
        rows = rows_of(document)
        for target in ("rafd.happy", "celeba.Male,rafd.happy on celeba"):
            reached, alone, moved = (rows["feature_distance" + end, target] for end in ("", "_of_input", "_to_input"))
            assert 0 < reached["value"] < 2
            assert reached["n"] == alone["n"] == rows["psnr", target]["n"]
            assert moved["n"] == rows["identity_error", target]["n"]
        assert ("embedding_kernel_distance", "rafd") in rows
        assert ("embedding_frechet_distance", "rafd") not in rows
        assert any("The embedding's Fréchet distance of rafd is left out" in note for note in document["notes"])
    (document,) = json.loads(evaluate("--datasets", "rafd", "--to", "happy", "--limit", "2", "--json").out)
    assert "embedding" not in document["settings"]
    assert not [metric for metric, _ in rows_of(document) if "feature" in metric or "embedding" in metric]


@pytest.mark.parametrize(
    "options, words",
    [
        (["--embedding", "clasifier"], "did you mean 'classifier'"),
        (["--embedding", "classifier"], "no package ships this network"),
        (["--datasets", "rafdd"], "was trained without the dataset 'rafdd'"),
        (["--source", "neutrall"], "did you mean 'neutral'"),
        (["--to", "hapy"], "did you mean 'happy'"),
        (["--to", "Blond_Hair,Young"], "not one label"),
        (["--images", "celebb"], "celeb"),
        (["--images", ""], "no dataset is called ''"),
        (["--datasets", ""], "was trained without the dataset ''"),
        (["--source", ""], "names no label"),
        (["--read", "Yuong"], "did you mean 'Young'"),
        (["--read", "Male,Young"], "not one label"),
        (["--inception", "nowhere.pth"], "no such file"),
        (["--csv", "nowhere/t.csv"], "does not exist"),
        (["--markdown", "."], "is a folder"),
    ],
)
def test_a_wrong_request_says_what_is_wrong(evaluate, trained, options, words):
    outcome = evaluate(*options)
    assert outcome.code == 2
    assert words in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1
    assert not (trained / "evaluation.json").exists()


def test_a_folder_that_cannot_be_written_is_said_before_the_work(evaluate, trained, tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    closed = {trained, tmp_path / "closed"}  # whoever runs the tests may be allowed everything
    monkeypatch.setattr(os, "access", lambda path, mode, **_: mode != os.W_OK or Path(path) not in closed)
    outcome = evaluate()
    assert outcome.code == 2
    assert (
        f"'{trained}' cannot be written to: Permission denied. The result, evaluation.json, goes there" in outcome.err
    )
    outcome = evaluate("--csv", tmp_path / "closed" / "t.csv")
    assert outcome.code == 2
    assert "closed' cannot be written to: Permission denied. Name a file in another folder with --csv" in outcome.err


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_disk_that_fails_at_last_does_not_lose_the_figures(evaluate, monkeypatch, form):
    def fail(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Evaluation, "write", fail)
    outcome = evaluate("--datasets", "rafd", "--limit", "1", "--to", "happy", *form)
    assert outcome.code == 1
    assert "No space left on device" in outcome.err
    assert ("classification_error" if form else "classification error") in outcome.out


def test_wrong_runs_are_refused(evaluate, train, trained, tmp_path):
    nowhere = evaluate(runs=(tmp_path / "nowhere",))
    assert (nowhere.code, "holds no run" in nowhere.err) == (2, True)
    assert "named twice" in evaluate(runs=(trained, trained)).err
    shutil.rmtree(trained / "checkpoints")
    assert "no checkpoint yet" in evaluate().err


def test_runs_that_cannot_be_compared_are_refused(evaluate, train, trained, tmp_path):
    assert train("--max-steps", "1", datasets="celeba", out=tmp_path / "celeba").code == 0
    assert train("--max-steps", "1", datasets="rafd", out=tmp_path / "rafd").code == 0
    assert "no dataset in common" in evaluate(runs=(tmp_path / "celeba", tmp_path / "rafd")).err
    assert "without the dataset 'rafd'" in evaluate("--datasets", "rafd", runs=(trained, tmp_path / "celeba")).err
    assert train("--max-steps", "1", "--set", "data.image_size=64", datasets="rafd", out=tmp_path / "large").code == 0
    assert "several sizes" in evaluate(runs=(trained, tmp_path / "large")).err
    fewer = ("--set", "datasets.celeba.attributes=['Male']")
    assert train("--max-steps", "1", *fewer, datasets="celeba", out=tmp_path / "fewer").code == 0
    outcome = evaluate(runs=(trained, tmp_path / "fewer"))
    assert "was trained with other labels of 'celeba'" in outcome.err


def test_images_that_were_trained_on_are_no_test_images(evaluate, trained, tmp_path):
    record = json.loads((trained / "splits.json").read_text())
    record["rafd"]["test"] = record["rafd"]["test"][1:]
    (trained / "splits.json").write_text(json.dumps(record))
    outcome = evaluate()
    assert outcome.code == 2
    assert "is not unseen" in outcome.err


def test_missing_data_and_sources_without_images(evaluate, tmp_path, small_data):
    outcome = evaluate(data=tmp_path / "nowhere")
    assert outcome.code == 2
    assert "nowhere" in outcome.err
    data = tmp_path / "data"
    shutil.copytree(small_data / "celeba", data / "celeba")
    outcome = evaluate("--datasets", "celeba", "--source", "hair=Black_Hair,Young=0", data=data)
    assert outcome.code == 2
    assert "No test image of the dataset 'celeba'" in outcome.err


def test_a_method_that_has_no_way_from_some_labels_is_scored_on_the_others(evaluate, monkeypatch):
    def translate(self, images, dataset, target, source=None):
        if (source[:, 0] == 1).any():  # from angry
            raise ModelError("no way")
        return images

    monkeypatch.setattr(StarGAN, "translate", translate)
    document = json.loads(evaluate("--datasets", "rafd", "--to", "sad", "--json").out)[0]
    rows = rows_of(document)
    assert rows["classification_error", "rafd.sad"]["n"] == 3 * 6
    assert rows["reconstruction_l1", "rafd.sad"]["value"] == 0
    assert any("3 of the translations to labels of rafd" in note for note in document["notes"])


class Oracle:
    """Draws the true picture, which is the best that can be done."""

    def __init__(self, images, target):
        self.pictures = iter(images.true_pictures(images.select(target), target))

    def complete(self, images, dataset, labels):
        self.completed = labels.clone()
        return self.completed

    def translate(self, images, target, current):
        assert current is self.completed, "with the labels that nobody knows as the method reads them"
        return torch.stack([next(self.pictures) for _ in images]), torch.ones(len(images), dtype=torch.bool)

    def restore(self, images, target, current):
        return images, torch.zeros(len(images), dtype=torch.bool)


class Believer:
    """Reads happy faces only."""

    def read(self, images):
        return torch.eye(8)[[4] * len(images)], images.mean(dim=(2, 3))


def test_a_perfect_method_is_perfect_in_every_figure(small_data, trained_once, cache):
    config = RunFolder(trained_once).config()
    source = Source.open("rafd", config.datasets["rafd"], str(small_data), PluginManager.discover())
    store = decode(config, [source])[source.alias]
    images = EvaluationImages(source, store, source.test, find_ground_truth(source, store)[0])
    scorer = Scorer(Believer(), None, torch.device("cpu"))
    happy, sad = (target for target in list_targets(source.schema) if target.text in {"happy", "sad"})
    found, other = (score_target(Oracle(images, target), scorer, images, target) for target in (happy, sad))
    assert found.values["psnr"] == [100] * 21
    assert found.values["ssim"] == pytest.approx([1] * 21)
    assert max(found.values["identity_error"]) < 0.02
    assert max(found.values["psnr_of_input"]) < 40
    assert found.values["classification_error"] == [0] * 21
    assert other.values["classification_error"] == [1] * 21
    assert not found.values["reconstruction_l1"]
    together = Outcomes.merge([found, other])
    assert sum(together.values["classification_error"]) == 21
    assert len(set(together.groups["psnr"])) == 1


def test_reports_of_runs_of_one_name_show_their_paths(evaluate, trained, tmp_path):
    pair = [
        Evaluation(
            f"{tmp_path}/{folder}/run", "step", {}, [Row("classification_error", "a|b", 0.5, 0.4, 0.6, n=3)], ["n"]
        )
        for folder in "xy"
    ]
    text = as_markdown(pair)
    assert f"{tmp_path}/x/run" in text
    assert "a\\|b" in text
    assert text.count("50.00% [40.00%, 60.00%]") == 2
    assert len(as_csv(pair).splitlines()) == 3
    assert pair[0].value("classification_error", "a|b").n == 3
    with pytest.raises(KeyError):
        pair[0].value("psnr")
