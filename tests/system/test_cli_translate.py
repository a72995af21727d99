"""`translate` and `sheet` as a user calls them, and the Translator as a program does."""

import json
import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from stargan_fw import Translator
from stargan_fw.errors import LabelError, ModelError


@pytest.fixture
def face(small_data):
    return min((small_data / "rafd").glob("*.jpg"))


def test_translate_writes_one_picture_for_each_edit(cli, trained_once, face, tmp_path):
    outcome = cli("translate", trained_once, face, "--to", "happy", "--to", "Blond_Hair,Male=0", "-o", tmp_path / "out")

    assert outcome.code == 0
    written = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in written] == [f"{face.stem}-Blond_Hair,Male=0.png", f"{face.stem}-happy.png"]
    with Image.open(written[0]) as picture:
        assert picture.size == (32, 32)
    assert outcome.out.split("\n")[0].endswith("happy.png")


def test_translate_takes_folders_and_keeps_their_shape(cli, trained_once, face, tmp_path):
    for name in ("a/x.jpg", "b/x.jpg"):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        (tmp_path / "in" / name).write_bytes(face.read_bytes())

    assert cli("translate", trained_once, tmp_path / "in", "--to", "sad", "-o", tmp_path / "out").code == 0
    assert sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.png")) == [
        "a/x-sad.png",
        "b/x-sad.png",
    ]


def test_translate_to_a_file(cli, trained_once, face, tmp_path):
    assert cli("translate", trained_once, face, "--to", "sad", "-o", tmp_path / "sad.jpg").code == 0
    assert (tmp_path / "sad.jpg").read_bytes().startswith(b"\xff\xd8")


REFUSED = {
    "unknown label": (["--to", "hapy"], "hapy.*happy"),
    "another dataset's prefix": (["--to", "celeba.happy"], "happy"),
    "two contradicting labels beside another dataset's": (["--to", "happy,Male,sad"], "'sad' contradicts 'happy'"),
    "empty": (["--to", ""], ""),
}


@pytest.mark.parametrize("options, message", REFUSED.values(), ids=REFUSED)
def test_a_wrong_edit_is_refused(cli, trained_once, face, tmp_path, options, message):
    outcome = cli("translate", trained_once, face, *options, "-o", tmp_path / "out")
    assert outcome.code == 2
    assert re.search(message, outcome.err), outcome.err
    assert len(outcome.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_an_ambiguous_label_is_refused_with_the_ways_to_say_it(cli, train, face, small_data, tmp_path):
    run = tmp_path / "run"
    train("--max-steps", "1", datasets=f"rafd,again=rafd:{small_data / 'rafd'}", out=run)

    outcome = cli("translate", run, face, "--to", "happy", "-o", tmp_path / "out")
    assert outcome.code == 2
    assert "rafd.happy" in outcome.err
    assert "again.happy" in outcome.err
    assert cli("translate", run, face, "--to", "again.happy", "-o", tmp_path / "out").code == 0


def test_wrong_pictures_and_models_are_refused(cli, trained_once, face, tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty").mkdir()
    wrong = {
        (trained_once, tmp_path / "none.jpg"): "none.jpg",
        (trained_once, tmp_path / "text.jpg"): "text.jpg",
        (trained_once, tmp_path / "empty"): "holds no pictures",
        (tmp_path / "nowhere", face): "holds no run",
    }
    for (model, image), message in wrong.items():
        outcome = cli("translate", model, image, "--to", "happy", "-o", tmp_path / "out")
        assert outcome.code == 2
        assert message in outcome.err
        assert not (tmp_path / "out").exists()


def test_two_pictures_for_one_place_are_refused(cli, trained_once, face, tmp_path):
    (tmp_path / "a").mkdir()
    other = tmp_path / "a" / face.name
    other.write_bytes(face.read_bytes())
    outcome = cli("translate", trained_once, face, other, "--to", "sad", "-o", tmp_path / "out")
    assert outcome.code == 2
    assert "would both become" in outcome.err


def test_sheet(cli, trained_once, face, tmp_path):
    assert cli("sheet", trained_once, face, "-o", tmp_path / "one.png").code == 0
    assert cli("sheet", trained_once, "-o", tmp_path / "held_out.png").code == 0
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "held_out.png") as held_out:
        assert one.width == held_out.width > 14 * 96
        assert held_out.height > 4 * one.height


def test_the_translator_gives_back_what_it_is_given(trained_once, face):
    translator = Translator.from_pretrained(trained_once)
    with Image.open(face) as picture:
        from_picture = translator.translate(picture, to="happy")
    from_path = translator.translate(face, to="happy")
    assert from_path.tobytes() == from_picture.tobytes()
    assert translator.labels.dim == 15

    batch = torch.zeros(3, 3, 32, 32)
    assert translator.translate(batch, to="Male=0").shape == batch.shape
    with pytest.raises(LabelError):
        translator.translate(batch, to="hapy")


@pytest.fixture
def without_checksums(trained):
    """The newest checkpoint of a run, as a version without checksums wrote it: its files may change."""
    checkpoint = trained / "checkpoints/step-00000004"
    (checkpoint / "SHA256SUMS").unlink()
    state = json.loads((checkpoint / "state.json").read_text())
    (checkpoint / "state.json").write_text(json.dumps({**state, "format": 1}))
    return checkpoint


def test_the_translator_reads_the_averaged_weights(trained, without_checksums):
    before = Translator.from_pretrained(trained).translate(torch.zeros(1, 3, 32, 32), to="happy")
    (without_checksums / "ema.safetensors").unlink()
    after = Translator.from_pretrained(trained).translate(torch.zeros(1, 3, 32, 32), to="happy")
    assert not torch.equal(before, after)


def test_the_classifier_is_opened_only_when_it_is_needed(trained, without_checksums, face):
    (without_checksums / "discriminator.safetensors").write_bytes(b"broken")
    translator = Translator.from_pretrained(trained)
    translator.translate(face, to="happy")
    with pytest.raises(ModelError, match="discriminator.safetensors"):
        translator.translate(face, to="Male")


def test_weights_that_do_not_fit_are_refused(cli, trained, face, tmp_path):
    config = trained / "config.toml"
    config.write_text(config.read_text().replace("conv_dim = 4", "conv_dim = 8"))
    outcome = cli("translate", trained, face, "--to", "happy", "-o", tmp_path / "out")
    assert outcome.code == 2
    assert "cannot be used" in outcome.err


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no folder that nobody can write to")
@pytest.mark.parametrize("out", ["/proc/out", "/proc/out/below"])
def test_a_place_that_cannot_be_written_to_is_named(cli, trained_once, face, out):
    commands = [
        ("translate", trained_once, face, "--to", "happy", "-o", out),
        ("sheet", trained_once, face, "-o", f"{out}.png"),
        ("export", trained_once, out),
    ]
    for command in commands:
        outcome = cli(*command)
        assert outcome.code == 2
        assert outcome.err.startswith("Error: '/proc' cannot be written to: ")
        assert len(outcome.err.strip().splitlines()) == 1
