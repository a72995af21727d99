"""The same images train alike, however they are stored and labelled."""

import csv
import json
import shutil

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from stargan_fw_plugins.datasets.celeba import COLUMNS, PAPER_ATTRIBUTES

HAIR = PAPER_ATTRIBUTES[:3]
COUNT = 1000
STEPS = 20
# What the recipe for CelebA presets, for tables that have none.
TABLE = f"""
[datasets.faces]
labels = {json.dumps(PAPER_ATTRIBUTES)}
exclusive = {{ hair = {json.dumps(HAIR)} }}
crop_size = 178
test_size = 2000
"""
RECIPE = """
[datasets.faces]
recipe = "celeba"
"""


@pytest.fixture(scope="module")
def celeba(tmp_path_factory):
    """The layout of CelebA with `COUNT` images of noise and random attributes, so that many have two hair colours."""
    root = tmp_path_factory.mktemp("same") / "celeba"
    (root / "img_align_celeba").mkdir(parents=True)
    rng = np.random.default_rng(3)
    lines = [str(COUNT), " ".join(COLUMNS)]
    for number in range(1, COUNT + 1):
        name = f"{number:06d}.jpg"
        noise = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        noise.resize((32, 40)).save(root / "img_align_celeba" / name)
        lines.append(" ".join([name, *rng.choice(["-1", "1"], len(COLUMNS))]))
    (root / "list_attr_celeba.txt").write_text("\n".join([*lines, ""]))
    return root


@pytest.fixture(scope="module")
def rows(celeba):
    """Image file name → attribute → whether it is set."""
    _, header, *lines = (celeba / "list_attr_celeba.txt").read_text().splitlines()
    cells = [line.split() for line in lines]
    return {file: dict(zip(header.split(), [v == "1" for v in values], strict=True)) for file, *values in cells}


def write_parquet(celeba, rows, root, style):
    """Writes the images with a column or more of labels, whose style is `style(attributes) -> columns`."""
    cells = []
    for file, attributes in rows.items():
        data = (celeba / "img_align_celeba" / file).read_bytes()
        cells.append({"image": {"bytes": data, "path": file}, **style(attributes)})
    root.mkdir()
    pq.write_table(pa.Table.from_pylist(cells), root / "train-00000-of-00001.parquet")


def signs(attributes):
    return {name: 1 if on else -1 for name, on in attributes.items()}


def texts(attributes):
    return {name: "1" if on else "-1" for name, on in attributes.items()}


def write_bools(celeba, rows, root):
    write_parquet(celeba, rows, root, lambda attributes: attributes)


def write_bits(celeba, rows, root):
    write_parquet(celeba, rows, root, lambda attributes: {name: int(on) for name, on in attributes.items()})


def write_signs(celeba, rows, root):
    write_parquet(celeba, rows, root, signs)


def write_texts(celeba, rows, root):
    write_parquet(celeba, rows, root, texts)


def write_struct(celeba, rows, root):
    write_parquet(celeba, rows, root, lambda attributes: {"attributes": texts(attributes)})


def write_imagefolder(celeba, rows, root):
    shutil.copytree(celeba / "img_align_celeba", root)
    lines = [json.dumps({"file_name": file, **attributes}) for file, attributes in rows.items()]
    (root / "metadata.jsonl").write_text("\n".join(lines))


def write_csv(celeba, rows, root):
    shutil.copytree(celeba / "img_align_celeba", root / "images")
    with (root / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", *next(iter(rows.values()))])
        writer.writerows([f"images/{name}", *signs(attributes).values()] for name, attributes in rows.items())


STYLES = [
    ("huggingface", RECIPE, write_bools),
    ("huggingface", RECIPE, write_bits),
    ("huggingface", RECIPE, write_signs),
    ("huggingface", RECIPE, write_texts),
    ("huggingface", RECIPE, write_struct),
    ("huggingface", RECIPE, write_imagefolder),
    ("table", TABLE, write_csv),
]


def test_the_same_images_train_alike_in_every_style(train, celeba, rows, tmp_path, monkeypatch, metrics):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")

    def run(name, location, options=""):
        config = tmp_path / f"{name}.toml"
        config.write_text(options)
        settings = [f"data.cache={tmp_path / 'decoded'}", "training.log_every=1", "training.sample_every=100"]
        overrides = [part for setting in settings for part in ("--set", setting)]
        outcome = train(
            "--max-steps", STEPS, "--config", config, *overrides, datasets=f"faces={location}", out=tmp_path / name
        )
        assert outcome.code == 0, outcome.err
        return metrics(tmp_path / name), json.loads((tmp_path / name / "labels.json").read_text())

    expected = run("expected", f"celeba:{celeba}")
    assert len(expected[0]) == STEPS
    for plugin, options, write in STYLES:
        write(celeba, rows, tmp_path / f"{write.__name__}-data")
        found = run(write.__name__, f"{plugin}:{tmp_path / f'{write.__name__}-data'}", options)
        assert found == expected, write.__name__
