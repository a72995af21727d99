"""The readers that `fuzz.py` tries, each with inputs that it takes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from fuzz_changes import change_bytes, change_header, change_json, change_lines, change_toml, change_words

from stargan_fw.cli.main import main as run_program
from stargan_fw.components import complete
from stargan_fw.config import DatasetConfig
from stargan_fw.config_layers import Layer, merge
from stargan_fw.data.source import Source
from stargan_fw.models.loading import open_model
from stargan_fw.models.weights import StoredWeights
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw.training.train_request import parse_datasets
from stargan_fw_evaluate import Evaluation, Row
from stargan_fw_share import describe_trained
from stargan_fw_study.study_key import Key
from stargan_fw_study.study_results import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from fuzz_changes import Change

SMALL = ("data.image_size=32", "training.batch_size=4", "training.n_critic=1", "generator.conv_dim=4")
SMALLER = ("generator.repeat_num=1", "discriminator.conv_dim=4")
TINY = ["--datasets", "celeba,rafd", "--preset", "stargan_64", "--precision", "fp32", "--max-steps", "2"]
TINY += [part for setting in (*SMALL, *SMALLER) for part in ("--set", setting)]


@dataclass(frozen=True)
class Parser:
    """One reader.

    Attributes:
        samples: inputs that it takes, and what else changes may begin with.
        read: reads an input.
        changes: change an input; one of them is drawn, several times over.
    """

    samples: Sequence[bytes]
    read: Callable[[bytes], object]
    changes: Sequence[Change]


def make_parsers(work: Path) -> dict[str, Parser]:
    """Draws data, trains and exports a tiny model, and returns all parsers.

    Args:
        work: an empty folder.
    """
    _program("data", "sample", work / "data", "--images", 30, "--people", 5)
    _program("train", "--data", work / "data", "--out", work / "run", *TINY)
    _program("export", work / "run", work / "model")
    run, plugins = RunFolder(work / "run"), PluginManager.discover()
    Evaluation(str(run.path), "step-00000002", {"seed": 0}, [Row("parameters", "", 1.0)], ["note"]).write()
    return {
        **_text_parsers(run, plugins),
        **_dataset_parsers(work, plugins),
        **_folder_parsers(work),
        **_study_parsers(work),
    }


def _program(*arguments: object) -> None:
    before, sys.argv = sys.argv, ["stargan-fw", *map(str, arguments)]
    try:
        run_program()
    except SystemExit as stop:
        if stop.code:
            raise
    finally:
        sys.argv = before


def _text_parsers(run: RunFolder, plugins: PluginManager) -> dict[str, Parser]:
    space, config = run.labels(), (run.path / "config.toml").read_bytes()
    preset = Layer.from_file(plugins.index("preset").get("stargan_64"))

    def edit(data: bytes) -> None:
        for resolved in space.resolve_all(data.decode(errors="surrogateescape")):
            schema = space.schema(resolved.dataset)
            schema.edit(torch.zeros(2, schema.dim), resolved)

    def configuration(data: bytes) -> None:
        path = run.path.parent / "fuzz.toml"
        path.write_bytes(data)
        layers = [preset, Layer.from_file(path)]
        complete(merge(layers), plugins, layers).to_toml()

    def setting(data: bytes) -> None:
        layers = [preset, Layer.from_settings(data.decode(errors="surrogateescape").split("\n"))]
        complete(merge(layers), plugins, layers).to_toml()

    edits = [b"happy", b"Blond_Hair,Male=0", b"celeba.Young=flip,Male", b"rafd.expression=sad", b"hair=Black_Hair"]
    edits += [b"Young=0.3,Black_Hair=.5", b"happy=0.25", b"Young+1e1", b"celeba.Male - 0.5"]
    settings = [
        b"training.batch_size=4\ntraining.steps=3",
        b"datasets.celeba.attributes=['Male']",
        b"loss.lambda_rec=1.5",
    ]
    named = [b"celeba,rafd", b"cats=table:~/x.csv,celeba:/data", b"a=b:c=d"]
    return {
        "edits": Parser(edits, edit, (change_bytes,)),
        "configuration": Parser(
            [config, b"[training]\nsteps = 3\n"], configuration, (change_bytes, change_toml, change_toml)
        ),
        "settings": Parser(settings, setting, (change_bytes,)),
        "datasets option": Parser(named, lambda data: parse_datasets(data.decode(errors="replace")), (change_bytes,)),
    }


def _dataset_parsers(work: Path, plugins: PluginManager) -> dict[str, Parser]:
    faces, celeba, tables = sorted((work / "data/rafd").glob("*.jpg")), work / "celeba", work / "tables"
    shutil.copytree(work / "data/celeba", celeba)
    tables.mkdir()
    for number in range(8):
        shutil.copy(faces[number], tables / f"{number}.jpg")

    def opened(plugin: str, place: Path, **options: Any) -> None:
        Source.open("fuzzed", DatasetConfig(plugin=plugin, location=str(place), **options), str(work), plugins)

    def table(data: bytes) -> None:
        path = tables / "t.csv"
        path.write_bytes(data)
        opened("table", path)
        opened("table", path, labels=["species"], values={"species": {"cat": "lion", "dog": "wolf"}})

    def json_lines(data: bytes) -> None:
        path = tables / "t.jsonl"
        path.write_bytes(data)
        opened("table", path)

    def names(data: bytes) -> None:
        folder = work / "names"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name in data.replace(b"/", b"").replace(b"\0", b"").split(b"\n")[:40]:
            if len(name) < 250 and name not in {b"", b".", b".."}:
                (folder / os.fsdecode(name)).touch()
        opened("rafd", folder)

    head, rows = _table()
    commas = "\n".join(",".join(row) for row in [head, *rows]).encode()
    lines = "\n".join(json.dumps(dict(zip(head, row, strict=True))) for row in rows).encode()
    parsers = {
        "tables": Parser([commas.replace(b",", sign) for sign in (b",", b";", b"\t")], table, (change_bytes,)),
        "JSON lines": Parser([lines], json_lines, (change_bytes, change_lines)),
        "RaFD names": Parser([b"\n".join(face.name.encode() for face in faces[::4])], names, (change_bytes,)),
    }
    numbered = b"\n".join(b"%06d.jpg %d" % (n, n % 3) for n in range(1, 31))
    for name in ("list_attr_celeba.txt", "identity_CelebA.txt", "list_eval_partition.txt"):
        path = celeba / name
        good = path.read_bytes() if path.exists() else numbered
        read = _restoring(path, good, lambda: opened("celeba", celeba))
        parsers[f"CelebA {path.stem}"] = Parser([good], read, (change_bytes, change_words))
    return parsers


def _table() -> tuple[list[str], list[list[str]]]:
    rows = [[f"{n}.jpg", "yes" if n % 2 else "no", "cat" if n % 3 else "dog", f"p{n}"] for n in range(8)]
    return ["image", "young", "species", "split", "identity"], [
        [*row[:3], "train" if number < 6 else "test", row[3]] for number, row in enumerate(rows)
    ]


def _restoring(path: Path, good: bytes, read: Callable[[], object]) -> Callable[[bytes], None]:
    """Reads a changed file, and leaves the good one for the parsers of the files beside it."""

    def restored(data: bytes) -> None:
        path.write_bytes(data)
        try:
            read()
        finally:
            path.write_bytes(good)

    return restored


def _folder_parsers(work: Path) -> dict[str, Parser]:
    """Returns parsers of the files of a model folder and of a run folder, and of the folders with one changed file."""
    run, model = work / "run", work / "model"
    (step,) = (run / "checkpoints").glob("step-*")
    networks = open_model(model).method.networks
    expected = {name: network.state_dict() for name, network in networks.items()}

    def weights(data: bytes) -> None:
        path = work / "weights.safetensors"
        path.write_bytes(data)
        StoredWeights(path).read(expected["generator"])

    def opened(folder: Path) -> Callable[[], None]:
        def read() -> None:
            trained = open_model(folder)
            describe_trained(trained)
            trained.load(*trained.method.translating)

        return read

    def loaded() -> None:
        RunFolder(run).checkpoints.load()
        opened(run)()

    def evaluated() -> None:
        Evaluation.read(run)

    def cut() -> None:
        RunFolder(run).cut_metrics(2)

    def parser(path: Path, read: Callable[[], object], *changes: Change) -> Parser:
        good = path.read_bytes()
        return Parser([good], _restoring(path, good, read), (change_bytes, *changes))

    summed = _summed(step, loaded)
    return {
        "safetensors": Parser([(model / "model.safetensors").read_bytes()], weights, (change_bytes, change_header)),
        "label JSON": parser(run / "labels.json", opened(run), change_json, change_json),
        "model config.json": parser(model / "config.json", opened(model), change_json, change_json),
        "model weights": parser(model / "model.safetensors", opened(model), change_header),
        "run config.toml": parser(run / "config.toml", opened(run), change_toml, change_toml),
        "run splits.json": parser(run / "splits.json", RunFolder(run).splits, change_json, change_json),
        "run evaluation.json": parser(run / "evaluation.json", evaluated, change_json, change_json),
        "run metrics.jsonl": parser(run / "metrics.jsonl", cut, change_lines),
        "checkpoint state.json": parser(step / "state.json", summed, change_json),
        "checkpoint sums": parser(step / "SHA256SUMS", loaded, change_words),
        "checkpoint weights": parser(step / "ema.safetensors", summed, change_header),
    }


def _summed(step: Path, read: Callable[[], None]) -> Callable[[], None]:
    """Reads with checksums that fit: otherwise they would find every change of the files beside them."""
    sums = step / "SHA256SUMS"
    good = sums.read_bytes()

    def reading() -> None:
        names = [line.split("  ")[1] for line in good.decode().splitlines()]
        digests = [hashlib.sha256((step / name).read_bytes()).hexdigest() for name in names]
        lines = [f"{digest}  {name}\n" for digest, name in zip(digests, names, strict=True)]
        sums.write_text("".join(lines), encoding="utf-8")
        try:
            read()
        finally:
            sums.write_bytes(good)

    return reading


def _study_parsers(work: Path) -> dict[str, Parser]:
    options = {"a1": "one", "b2": "two"}
    question = {"id": "q", "options": options, "input": "1.jpg", "task": "hair", "edit": "hair=Black_Hair"}
    task = {"name": "hair", "dataset": "celeba", "attributes": ["hair"]}
    key = {
        "study": "0123456789abcdef",
        "seed": 0,
        "methods": {"one": "runs/1", "two": "runs/2"},
        "tasks": [task],
        "questions": [question],
    }
    path, file = work / "key.json", work / "answers.json"
    path.write_text(json.dumps(key))
    answers = {
        "study": key["study"],
        "person": "p",
        "finished": 1,
        "answers": [{"question": "q", "choice": "a1", "milliseconds": 5}],
    }

    def results(data: bytes) -> None:
        file.write_bytes(data)
        validate([file], Key.model_construct(study="0123456789abcdef", questions=[]), misses=0)

    def keys(data: bytes) -> None:
        file.write_bytes(data)
        Key.read(file)

    return {
        "study results": Parser([json.dumps(answers).encode()], results, (change_bytes, change_json)),
        "study key": Parser([json.dumps(key).encode()], keys, (change_bytes, change_json)),
    }
