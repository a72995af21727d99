"""Makes what lies beside this script: folders that commit 1481824 wrote, and what it makes of them.

`tests/system/test_old_folders.py` opens them with today's code. They are kept, not made anew with it; should they ever
have to be drawn again, that is done with the old code, from the root of this repository:

    git worktree add ../old 1481824
    PYTHONPATH=../old/core:../old/plugins:../old/registry python tests/golden/make.py

Twice on one machine, it makes the same numbers; speeds in metrics.jsonl, and the order of headers, vary.

    data/a, data/b     the pictures that were trained on: two datasets, whose labels therefore have a mask
    input/             pictures to translate, one of which is not square
    run/               stopped at step 6 of 12, with moving averages; its datasets are at data/a and data/b from here
    model/, onnx/      what `export` makes of it
                       the sheets of all three, which nothing reads, are made small
    expected/          edits.json says what is asked for
        run.npy, model.npy, onnx.npy    translations in fp32, by picture and edit, in [-1, 1]
        translate/                      what `stargan-fw translate` writes
        finished/                       the checkpoint of step 12, after `train --resume`
        metrics.jsonl                   of the finished run
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from PIL import Image

import stargan_fw
from stargan_fw.cli.main import main

COMMIT = "1481824"
HERE = Path(__file__).resolve().parent
MADE = ("data", "input", "run", "model", "onnx", "expected")
SEED = 7
SIDE = 32

TRAIN = [
    *("train", "--datasets", "a=folder:data/a,b=folder:data/b", "--data", "data", "--out", "run", "--device", "cpu"),
    *("--preset", "quickstart", "--precision", "fp32", "--seed", "3", "--max-steps", "6"),
]
SETTINGS = {
    "data.image_size": SIDE,
    "datasets.a.test_size": 3,
    "training.batch_size": 4,
    "training.steps": 12,
    "training.n_critic": 2,
    "training.learning_rate": 1e-3,
    "training.ema": 0.9,
    "training.log_every": 4,
    "training.trackers": "[]",
    "training.compile": "off",
    "training.graphs": "off",
    "generator.conv_dim": 4,
    "generator.repeat_num": 1,
    "discriminator.conv_dim": 2,
}
# An edit and its strength: with the last, how the picture's own labels are read shows too.
EDITS = [("light", 1.0), ("b.striped", 1.0), ("dotted", 0.5)]


def make() -> None:
    """Makes everything in an empty folder, and puts it in the place of what is here."""
    check_code()
    torch.set_num_threads(1)  # as the tests do
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        draw_pictures(Path())
        train_and_export()
        translate()
        finish()
        for sheet in (*Path("run/samples").iterdir(), Path("model/sheet.png"), Path("onnx/sheet.png")):
            shrink(sheet)
        for name in MADE:
            shutil.rmtree(HERE / name, ignore_errors=True)
            shutil.copytree(name, HERE / name, ignore=shutil.ignore_patterns(".stargan-fw"))
        os.chdir(HERE)


def check_code() -> None:
    """Stops unless the code is that of the commit."""
    place = Path(stargan_fw.__file__).parent
    git = ["git", "-C", str(place)]
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    changed = subprocess.run([*git, "status", "--porcelain"], check=True, capture_output=True, text=True).stdout
    if not commit.startswith(COMMIT) or changed:
        sys.exit(f"The code at {place} is not that of {COMMIT}; see the docstring of this script.")


def draw_pictures(root: Path) -> None:
    """Draws a dozen pictures for each dataset, and two to translate."""
    random = np.random.default_rng(SEED)
    for label, brightness in (("dark", 60), ("light", 190)):
        for number in range(6):
            save(root / "data/a" / label / f"{number}.png", blob(random, 36, 40, brightness))
    for split, count in (("train", 3), ("test", 1)):
        for label in ("dotted", "plain", "striped"):
            for number in range(count):
                pixels = patterned(blob(random, SIDE, SIDE, 120), label)
                save(root / "data/b" / split / label / f"{number}.png", pixels)
    save(root / "input/square.png", patterned(blob(random, SIDE, SIDE, 70), "plain"))
    save(root / "input/wide.png", patterned(blob(random, 40, 48, 150), "striped"))


def blob(random: np.random.Generator, height: int, width: int, brightness: int) -> np.ndarray:
    """Returns a coloured spot on a background."""
    y, x = np.mgrid[:height, :width]
    middle = random.uniform(0.35, 0.65, 2) * (height, width)
    spot = np.exp(-((y - middle[0]) ** 2 + (x - middle[1]) ** 2) / random.uniform(40, 120))
    colours = brightness + random.uniform(-40, 40, (2, 3))
    return (colours[0] + spot[..., None] * (colours[1] - colours[0])).round().clip(0, 255).astype(np.uint8)


def patterned(pixels: np.ndarray, label: str) -> np.ndarray:
    """Lays dots or stripes over a picture, or nothing."""
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    over = {"dotted": (y % 6 < 2) & (x % 6 < 2), "striped": y % 6 < 2, "plain": y < 0}[label]
    return np.where(over[..., None], np.uint8(240), pixels)


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def shrink(path: Path) -> None:
    """Makes a picture an eighth as wide and high."""
    with Image.open(path) as picture:
        small = picture.reduce(8)
    small.save(path)


def run(*arguments: str) -> None:
    """Runs the program in this process."""
    sys.argv = ["stargan-fw", *arguments]
    try:
        main()
    except SystemExit as stop:
        if stop.code:
            raise


def train_and_export() -> None:
    settings = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    run(*TRAIN, *settings)
    run("export", "run", "model")
    run("export", "run", "onnx", "--format", "onnx")


def translate() -> None:
    """Writes the edits, and translations by the run, the model folder, the ONNX folder and the command."""
    expected = Path("expected")
    expected.mkdir()
    (expected / "edits.json").write_text(json.dumps(EDITS) + "\n", encoding="utf-8")
    for model in ("run", "model"):
        np.save(expected / f"{model}.npy", by_translator(model))
    np.save(expected / "onnx.npy", by_onnx("onnx/model.onnx"))
    edits = [part for edit, _ in EDITS for part in ("--to", edit)]
    run("translate", "run", "input", *edits, "--out", "expected/translate", "--precision", "fp32", "--device", "cpu")


def by_translator(model: str) -> np.ndarray:
    translator = stargan_fw.Translator.from_pretrained(model, device="cpu").configure(precision="fp32")
    pictures = [torch.from_numpy(scaled(path)) for path in sorted(Path("input").iterdir())]
    columns = [translator.translate(pictures, edit, strength=strength) for edit, strength in EDITS]
    return np.stack([torch.stack(column).numpy() for column in columns], 1)


def by_onnx(model: str) -> np.ndarray:
    """Translates the top left square: the pipeline's way to make pictures square is no part of the folder."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = json.loads(session.get_modelmeta().custom_metadata_map["labels"])
    images = np.stack([scaled(path)[:, :SIDE, :SIDE] for path in sorted(Path("input").iterdir())])
    columns = []
    for edit, strength in EDITS:
        (label,) = [name for name in names if name.endswith(edit)]
        wanted = {label: strength, f"mask.{label.partition('.')[0]}": 1}
        labels = np.float32([[wanted.get(name, 0) for name in names]] * len(images))
        columns.append(session.run(None, {"images": images, "labels": labels})[0])
    return np.stack(columns, 1)


def scaled(path: Path) -> np.ndarray:
    """Reads a picture as (3, H, W) in [-1, 1]."""
    with Image.open(path) as picture:
        return np.asarray(picture, np.float32).transpose(2, 0, 1) / 127.5 - 1


def finish() -> None:
    """Finishes a copy of the run, and keeps what comes of it."""
    shutil.copytree("run", "finished")
    run("train", "--resume", "--out", "finished", "--device", "cpu")
    shutil.copytree("finished/checkpoints/step-00000012", "expected/finished")
    shutil.copy("finished/metrics.jsonl", "expected/metrics.jsonl")


if __name__ == "__main__":
    make()
