"""Pictures as people have them, from the file to the model and back."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stargan_fw.data.images import PictureOptions
from stargan_fw.data.store import Store
from stargan_fw.inference.inputs import Reading, as_input
from stargan_fw.inference.translator import Translator

SIDE = 32  # of the tiny model


def draw(path, size, colour, hidden):
    """Draws a disc of a colour on transparent pixels, which hide another colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    down, across = np.mgrid[:size, :size] - size / 2
    disc = down**2 + across**2 < (size / 3) ** 2
    pixels = np.where(disc[..., None], [*colour, 255], [*hidden, 0]).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return disc


def test_two_tables_of_transparent_drawings_are_trained_on_white(cli, tiny, tmp_path):
    tones, genders, discs = ["image,tone,split"], ["image,gender,split"], []
    for number in range(24):
        split = "test" if number % 4 == 0 else "train"
        discs.append(draw(tmp_path / f"raw/a/{number}.png", SIDE, (number * 9, 40, 90), (number, 0, 0)))
        draw(tmp_path / f"raw/b/{number}.png", SIDE, (30, number * 9, 20), (0, 0, number))
        tones.append(f"raw/a/{number}.png,{'dark' if number // 4 % 2 else 'light'},{split}")
        genders.append(f"raw/b/{number}.png,{'man' if number // 4 % 2 else 'woman'},{split}")
    for name, rows in (("tone", tones), ("gender", genders)):
        (tmp_path / f"{name}.csv").write_text("\n".join(rows), encoding="utf-8")
    datasets = ",".join(f"{name}=table:{tmp_path / name}.csv" for name in ("tone", "gender"))
    replace(tiny, datasets=datasets).run(tmp_path, tmp_path / "run", "--max-steps", 1)

    for name in ("tone", "gender"):
        (path,) = (tmp_path / ".stargan-fw").glob(f"{name}-{SIDE}px-*.arrow")
        stored = Store(path, SIDE).read(list(range(24)))
        assert (stored[:, ~discs[0]] == 255).all()
        assert (stored[1][discs[1]] == ([9, 40, 90] if name == "tone" else [30, 9, 20])).all()


def test_a_model_remembers_the_range_of_greys(cli, tiny, tmp_path):
    for number in range(24):
        path = tmp_path / f"scans/{'sick' if number % 2 else 'well'}/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 4000 if number == 5 else 1000, (16, 16), dtype=np.uint16)
        Image.fromarray(noise).save(path)
    run, datasets = tmp_path / "run", f"scans=folder:{tmp_path / 'scans'}"
    outcome = cli("data", "check", "--datasets", datasets, "--image-size", 16)
    assert "24 images: grey of more than 8 bits: 0 became black and 4095 white" in " ".join(outcome.out.split())
    replace(tiny, datasets=datasets).run(tmp_path, run, "--max-steps", 1)
    assert json.loads((run / "splits.json").read_text(encoding="utf-8"))["scans"]["grey_range"] == [0, 4095]
    assert cli("export", run, tmp_path / "model").code == 0
    for model in (run, tmp_path / "model"):
        reading = Translator.from_pretrained(model).reading()
        assert reading.options.grey_range == (0, 4095)
        square = as_input(tmp_path / "scans/well/0.png", reading).square(16)
        assert square.max() < 1000 / 4096 * 2 - 1 + 0.01


def as_kinds(picture):
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    tensor = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float() / 127.5 - 1
    return {"picture": picture, "bytes": buffer.getvalue(), "array": np.asarray(picture), "tensor": tensor}


def as_array(result):
    if isinstance(result, torch.Tensor):
        return ((result + 1) * 127.5).round().permute(1, 2, 0).numpy().astype(np.uint8)
    return np.asarray(Image.open(io.BytesIO(result)) if isinstance(result, bytes) else result)


@pytest.mark.parametrize("fit", ["squeeze", "pad", "crop"])
@pytest.mark.parametrize("size", [(60, 20), (20, 60), (33, 33)])
@pytest.mark.parametrize("kind", ["picture", "bytes", "array", "tensor"])
def test_what_is_translated_is_pasted_back_where_it_was(fit, size, kind):
    picture = Image.fromarray(np.random.default_rng(0).integers(60, 190, (*size[::-1], 3), dtype=np.uint8))
    one = as_input(as_kinds(picture)[kind], Reading(PictureOptions(fit=fit, background="black")))
    before = one.square(24)
    assert before.shape == (1, 3, 24, 24)
    assert np.array_equal(as_array(one.output_pasted(before, before)), np.asarray(picture))
    lighter = as_array(one.output_pasted(before, before + 0.2)).astype(int) - np.asarray(picture)
    changed = (lighter.min(axis=2) > 20).mean()
    assert changed == 1 if fit != "crop" else 0.1 < changed < 1 or size == (33, 33)


def test_a_picture_that_vanishes_after_it_was_read_is_named(cli, trained_once, small_data, tmp_path, monkeypatch):
    faces = sorted((small_data / "rafd").glob("*.jpg"))[:2]
    copies = [tmp_path / face.name for face in faces]
    for face, copy in zip(faces, copies, strict=True):
        copy.write_bytes(face.read_bytes())
    read = as_input(faces[0]).__class__.square

    def square(self, side):
        squares = read(self, side)
        if self.path == copies[0]:
            Path(self.path).unlink()
        return squares

    monkeypatch.setattr("stargan_fw.inference.inputs.FileInput.square", square)
    outcome = cli("translate", trained_once, *copies, "--to", "sad", "--size", "original", "-o", tmp_path / "out")
    assert outcome.code == 1
    assert f"Left out: The image '{copies[0]}' cannot be read: No such file or directory." in outcome.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{copies[1].stem}-sad.png"]
