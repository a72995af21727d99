"""Models that are broken, or made to harm: each refused with one message, before anything is built, run or written."""

import hashlib
import json
import os
import pickle
import re
import shutil
import struct
import subprocess
import sys
import tomllib
import zlib

import pytest
import tomli_w
import torch
from safetensors.torch import load_file, save_file

from stargan_fw import Translator
from stargan_fw.errors import PluginError
from stargan_fw.models import loading
from stargan_fw_evaluate import Evaluation

FORMAT = {"stargan_fw_format": "1"}
MANY_TEXTS = {"__metadata__": {str(number): "" for number in range(1_000_000)}}


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (os.mkdir, (self.path,))


def with_header(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(begin, end, shape=(2,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def pickled(model):
    return pickle.dumps({"weight": Trap(model / "opened")})


def torch_pickled(model):
    torch.save({"weight": torch.zeros(2)}, model / "weights.pt")
    return (model / "weights.pt").read_bytes()


def changed(change):
    def content(model):
        path = model / "model.safetensors"
        weights = load_file(path)
        change(weights)
        save_file(weights, path, metadata=FORMAT)
        return path.read_bytes()

    return content


def spoil(weights):
    weights["to_image.weight"][0, 0, 0, 0] = float("nan")


def narrow(weights):
    weights["to_image.weight"] = weights["to_image.weight"][:3].contiguous()


def halve(weights):
    weights["to_image.weight"] = weights["to_image.weight"].half()


def newer(model):
    save_file(load_file(model / "model.safetensors"), model / "newer", metadata={"stargan_fw_format": "2"})
    return (model / "newer").read_bytes()


WEIGHTS = {
    "a pickle": (pickled, "no safetensors file"),
    "torch's pickle": (torch_pickled, "no safetensors file"),
    "empty": (lambda _: b"", "header too small"),
    "truncated": (lambda m: (m / "model.safetensors").read_bytes()[:-9], "not fully covered"),
    "truncated in the header": (
        lambda m: (m / "model.safetensors").read_bytes()[:99],
        "damaged .invalid header length",
    ),
    "too long": (lambda m: (m / "model.safetensors").read_bytes() + b"#!/bin/sh", "not fully covered"),
    "header of 2^60 bytes": (lambda _: struct.pack("<Q", 2**60) + b"{}", "no safetensors file"),
    "header of no bytes": (lambda _: struct.pack("<Q", 0), "no safetensors file"),
    "header is no JSON": (lambda _: with_header(b"{no}"), "invalid JSON"),
    "header of brackets": (lambda _: with_header(b"[" * 500_000), "invalid JSON"),
    "header is a list": (lambda _: with_header([]), "invalid JSON"),
    "a tensor is a list": (lambda _: with_header({"a": []}), "invalid JSON"),
    "unknown dtype": (lambda _: with_header({"a": tensor(0, 8, dtype="X9")}), "unknown variant `X9`"),
    "dtype is a list": (lambda _: with_header({"a": tensor(0, 8, dtype=[])}), "invalid JSON"),
    "negative size": (lambda _: with_header({"a": tensor(0, 8, (-2, -1))}, bytes(8)), "invalid value: integer `-2`"),
    "a huge tensor": (lambda _: with_header({"a": tensor(0, 8, (2**40, 2**20))}, bytes(8)), "overflow computing"),
    "a tensor of a million axes": (
        lambda _: with_header({"a": tensor(0, 8, [2**62] * 100_000)}, bytes(8)),
        "overflow computing",
    ),
    "overlapping": (
        lambda _: with_header({"a": tensor(0, 8), "b": tensor(4, 12)}, bytes(12)),
        "invalid offset for tensor `b`",
    ),
    "a gap": (
        lambda _: with_header({"a": tensor(0, 8), "b": tensor(12, 20)}, bytes(20)),
        "invalid offset for tensor `b`",
    ),
    "a name that a terminal obeys": (changed(lambda w: w.update({"\x1b[2J": torch.zeros(1)})), "no tensor ' ?\\[2J'"),
    "a dtype that a terminal obeys": (lambda _: with_header({"a": tensor(0, 8, dtype="\x1b[2J")}), "variant ` ?\\[2J`"),
    "a header of a million texts": (lambda _: with_header(MANY_TEXTS), "header is too long"),
    "no tensors": (lambda _: with_header({}), "is missing"),
    "wrong shape": (changed(narrow), "'to_image.weight' is 3x8x3x3 float32, .* need 16x8x3x3"),
    "wrong type": (changed(halve), "float16, .* need .* float32"),
    "a tensor too many": (changed(lambda w: w.update(more=torch.zeros(1))), "no tensor 'more'"),
    "a tensor too few": (changed(lambda w: w.pop("to_image.weight")), "'to_image.weight' is missing"),
    "not a number": (changed(spoil), "'to_image.weight' has values that are not finite"),
    "newer format": (newer, "is of format 2, which a newer stargan-fw wrote.*Update"),
}


@pytest.fixture(autouse=True)
def fewer_layers(monkeypatch):
    """Twenty thousand layers take a while."""
    monkeypatch.setattr(loading, "MOST_MODULES", 500)


@pytest.fixture
def refused_by(cli, tmp_path):
    """Calls the program and returns the one message; checks that nothing is run or written."""

    def call(*arguments) -> str:
        before = sorted(tmp_path.rglob("*"))
        outcome = cli(*arguments)
        assert outcome.code == 2, outcome
        first, *more = outcome.err.strip().split("\n")
        assert first.startswith("Error: ")
        assert all(line.startswith(("  '", "Restore")) for line in more)  # a list of damaged checkpoints
        assert len(outcome.err) < 2500
        assert outcome.err.replace("\n", "").isprintable()
        assert sorted(tmp_path.rglob("*")) == before
        return outcome.err

    return call


@pytest.fixture
def refused(refused_by, exported, small_data, tmp_path):
    """Translates with the changed model and returns the one message."""
    face = min((small_data / "rafd").glob("*.jpg"))
    return lambda: refused_by("translate", exported, face, "--to", "happy", "-o", tmp_path / "out")


@pytest.mark.parametrize("content, message", WEIGHTS.values(), ids=WEIGHTS)
def test_weights(refused, exported, content, message):
    (exported / "model.safetensors").write_bytes(content(exported))
    assert re.search(message, refused())


def edited(**changes):
    def content(config):
        return json.dumps(config | changes)

    return content


def deep(*keys, value):
    def content(config):
        inner = config
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        return json.dumps(config)

    return content


GENERATOR = ("components", "generator")
CONFIGS = {
    "no JSON": (lambda _: "{", "is not JSON"),
    "no text": (lambda _: "\0", "is not JSON"),
    "a list": (lambda _: "[]", "holds no object"),
    "brackets": (lambda _: "[" * 200_000, "is not JSON"),
    "a number of a million digits": (lambda _: '{"format": ' + "1" * 1_000_000 + "}", "is not JSON"),
    "no format": (lambda _: "{}", "no format version"),
    "format is a text": (edited(format="1"), "no format version"),
    "newer format": (edited(format=2), "format 2, which a newer stargan-fw wrote; this one reads up to 1. Update"),
    "unknown key": (edited(weights="../../etc/passwd"), "Unknown key 'weights'"),
    "unknown key inside": (deep(*GENERATOR, "code", value="import os"), "Unknown key 'components.generator.code'"),
    "unknown argument": (deep(*GENERATOR, "arguments", "x", value=1), "Unknown key 'generator.x'"),
    "name among the arguments": (deep(*GENERATOR, "arguments", "name", value="stargan"), "'name' is no argument"),
    "wrong type": (edited(image_size="32"), "image_size = '32' should be a valid integer"),
    "wrong type of an argument": (deep(*GENERATOR, "arguments", "conv_dim", value="x"), "generator.conv_dim"),
    "infinity": (lambda config: json.dumps(config | {"image_size": float("inf")}), "is not JSON"),
    "size that cannot work": (edited(image_size=33), "image_size = 33"),
    "a huge network": (deep(*GENERATOR, "arguments", "conv_dim", value=2**40), "larger than"),
    "a wide network": (deep(*GENERATOR, "arguments", "conv_dim", value=2**20), "need"),
    "a deep network": (deep(*GENERATOR, "arguments", "repeat_num", value=2**20), "more than 500 layers"),
    "labels of nothing": (edited(labels={"datasets": []}), "no datasets"),
    "labels are a list": (edited(labels=[]), "labels = \\[\\] should be a valid dictionary"),
    "a path in a dataset's name": (
        lambda config: json.dumps(config).replace('"rafd"', '"../../rafd"'),
        "contains one of",
    ),
    "a terminal's command in a label": (
        lambda config: json.dumps(config).replace('"Male"', '"a\\u001b[2Jb"'),
        "contains a control character",
    ),
    "a path in a component's name": (deep("method", "name", value="../../method"), "method.name"),
    "a path in a plugin's name": (deep("plugins", 0, "file", value="../../evil.py"), "plugins"),
    "a command in a plugin's name": (deep("plugins", 0, "distribution", value="x; rm -rf ~"), "plugins"),
    "labels that do not fit": (
        lambda config: json.dumps(without_young(config)),
        "is .* and the labels and networks .* need",
    ),
    "own crops of others": (edited(own_crops={"pets": "a paw"}), "own_crops names pets"),
    "a terminal's command in a crop": (edited(own_crops={"rafd": "\x1b[2J"}), "own_crops"),
    "crops of others": (edited(crops={"celeba": 178, "pets": None}), "crops names celeba, pets"),
}


def without_young(config):
    config["labels"]["datasets"][0]["attributes"].pop()
    return config


@pytest.mark.parametrize("content, message", CONFIGS.values(), ids=CONFIGS)
def test_config(refused, exported, content, message):
    path = exported / "config.json"
    path.write_text(content(json.loads(path.read_text())))
    assert re.search(message, refused())


def test_config_of_a_hundred_megabytes(refused, exported):
    with (exported / "config.json").open("r+") as file:
        file.truncate(100 * 2**20)
    assert "larger than 4 MiB" in refused()


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_no_file_but_a_pipe_or_folder(refused, exported, name):
    (exported / name).unlink()
    os.mkfifo(exported / name)
    assert "no such file" in refused() or "no file" in refused()
    (exported / name).unlink()
    (exported / name).mkdir()
    assert "no such file" in refused() or "no file" in refused()


def test_weights_that_are_missing(refused, exported):
    (exported / "model.safetensors").unlink()
    assert "there is no such file" in refused()


def test_a_missing_classifier_is_said_when_it_is_needed(cli, exported, small_data, tmp_path):
    (exported / "classifier.safetensors").unlink()
    face = min((small_data / "rafd").glob("*.jpg"))
    assert cli("translate", exported, face, "--to", "happy", "-o", tmp_path / "out").code == 0
    outcome = cli("translate", exported, face, "--to", "Male", "-o", tmp_path / "other")
    assert outcome.code == 2
    assert "name every label" in outcome.err


def test_a_broken_classifier_is_said_when_it_is_needed(cli, exported, small_data, tmp_path):
    (exported / "classifier.safetensors").write_bytes(pickled(exported))
    face = min((small_data / "rafd").glob("*.jpg"))
    assert cli("translate", exported, face, "--to", "happy", "-o", tmp_path / "out").code == 0
    outcome = cli("translate", exported, face, "--to", "Male", "-o", tmp_path / "other")
    assert outcome.code == 2
    assert "classifier.safetensors' cannot be used: it is no safetensors file" in outcome.err
    assert not (exported / "opened").exists()


BOMBS = """
import json, resource, sys
from stargan_fw.cli.main import main
import stargan_fw.inference.translator
import stargan_fw.models.loading
import stargan_fw_share.export
stargan_fw.models.loading.MOST_MODULES = 5000
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
codes = []
for command in json.load(sys.stdin):
    sys.argv = command
    try:
        main()
    except SystemExit as stop:
        codes.append(stop.code)
print(json.dumps([codes, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024]))
"""
LISTS = b"[" + b"[]," * (30 * 2**20 // 3) + b"1]"


def header_bomb(path):
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")


def sparse_bomb(path):
    """Eight gigabytes that the header accounts for and the network does not."""
    size = 2**33
    path.write_bytes(with_header({"a": tensor(0, size, (size // 4,))}))
    os.truncate(path, path.stat().st_size + size)


def deep_network(path):
    path.write_text(deep(*GENERATOR, "arguments", "repeat_num", value=2**20)(json.loads(path.read_text())))


def many_lists(path):
    path.write_bytes(LISTS)


def test_memory_is_bounded(exported, trained, small_data, tmp_path):
    """One process meets all bombs one after the other."""
    face = min((small_data / "rafd").glob("*.jpg"))
    bombs = [
        (exported, "model.safetensors", header_bomb, ()),
        (exported, "model.safetensors", sparse_bomb, ()),
        (exported, "config.json", deep_network, ()),
        (exported, "config.json", many_lists, ()),
        (trained, "config.toml", sparse, ()),
        (trained, "config.toml", many_lists, ()),
        (trained, "labels.json", many_lists, ()),
        (trained, "labels.json", sparse, ()),
        (trained, "splits.json", many_lists, ("export",)),
        (trained, "evaluation.json", many_lists, ("export",)),
    ]
    commands = []
    for number, (folder, name, make, command) in enumerate(bombs):
        model = shutil.copytree(folder, tmp_path / f"bomb{number}")
        make(model / name)
        translate = ("translate", model, face, "--to", "happy", "-o", tmp_path / "out")
        commands.append(
            list(map(str, ("stargan-fw", *((*command, model, tmp_path / "out") if command else translate))))
        )

    program = [sys.executable, "-c", BOMBS]
    done = subprocess.run(program, input=json.dumps(commands), capture_output=True, text=True, check=True)

    codes, megabytes = json.loads(done.stdout.splitlines()[-1])
    assert codes == [2] * len(bombs), done.stderr
    lines = done.stderr.splitlines()
    assert sum(line.startswith("Error: ") for line in lines) == len(bombs), done.stderr
    # Before the last one, `export` warns of the data: at most three lines per dataset, and where the others are.
    warnings = [line for line in lines if not line.startswith("Error: ")]
    assert all(line.startswith(("celeba: ", "rafd: ")) for line in warnings[:-1]), warnings
    assert len(warnings) == 7
    assert "more warnings: stargan-fw data check --config" in warnings[-1]
    assert megabytes < 300
    assert not (tmp_path / "out").exists()


def test_a_model_of_a_plugin_that_is_not_there(refused, exported):
    path = exported / "config.json"
    config = json.loads(path.read_text())
    config["components"]["generator"]["name"] = "dreamer"
    config["plugins"].append({"provides": ["generator dreamer"], "distribution": "dream-plugin", "version": "1.2"})
    path.write_text(json.dumps(config))
    message = refused()
    assert "needs the generator 'dreamer'" in message
    assert "pip install dream-plugin" in message
    assert "1.2" in message

    config["plugins"][-1] = {"provides": ["generator dreamer"], "file": "dreamer.py"}
    path.write_text(json.dumps(config))
    assert "the plugin file 'dreamer.py': name it with --plugin" in refused()

    config["plugins"].pop()
    path.write_text(json.dumps(config))
    assert "--plugin FILE" in refused()


EVIL = """
from pathlib import Path

Path({mark!r}).touch()
"""


def settings(change):
    """Changes the run's configuration."""

    def apply(run):
        path = run / "config.toml"
        config = tomllib.loads(path.read_text())
        change(config, run)
        path.write_text(tomli_w.dumps(config))

    return apply


def text(content, name="config.toml"):
    def apply(run):
        (run / name).write_bytes(content)

    return apply


def no_file(name, make):
    def apply(run):
        (run / name).unlink()
        make(run / name)

    return apply


def replace(path, make):
    path.unlink()
    make(path)


def bomb():
    """A PNG that claims more pixels than a machine has memory for."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 2**16, 2**16, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def sparse(path):
    path.write_bytes(b"")
    os.truncate(path, 2**33)


def labels(old, new):
    def apply(run):
        path = run / "labels.json"
        path.write_text(path.read_text().replace(old, new))

    return apply


def plant(run, *files, generator=True):
    """Makes a run that names plugin files, which leave a mark beside the run if anything runs them.

    If `generator` is true, the run's generator is in one of them.
    """
    evil = run / "evil.py"
    evil.write_text(EVIL.format(mark=str(run.parent / "RAN")))
    path = run / "config.toml"
    config = tomllib.loads(path.read_text())
    config["plugins"] = [str(file) for file in files or (evil,)]
    config["generator"]["name"] = "evil" if generator else config["generator"]["name"]
    path.write_text(tomli_w.dumps(config))


def linked(run):
    plant(run)
    (run / "config.toml").rename(run / "elsewhere.toml")
    (run / "config.toml").symlink_to(run / "elsewhere.toml")


def both(run):
    plant(run)
    (run / "config.json").write_text("{}")


def checkpoint_file(content, name="ema.safetensors"):
    """Changes a file of the checkpoint, with a checksum that fits."""

    def apply(run):
        (step,) = (run / "checkpoints").glob("step-*")
        old = hashlib.sha256((step / name).read_bytes()).hexdigest()
        (step / name).write_bytes(content(step))
        sums = (step / "SHA256SUMS").read_text()
        (step / "SHA256SUMS").write_text(sums.replace(old, hashlib.sha256((step / name).read_bytes()).hexdigest()))

    return apply


def checkpoint_pipe(name):
    def apply(run):
        (step,) = (run / "checkpoints").glob("step-*")
        (step / name).unlink()
        os.mkfifo(step / name)

    return apply


def rename_checkpoint(run):
    (step,) = (run / "checkpoints").glob("step-*")
    step.rename(step.with_name("step-\x1b[2J"))


NEST = b"[" * 100_000
DIGITS = b"1" * 1_000_000
RUNS = {
    "plugin file, absolute": (plant, "was trained with the plugin file .*evil.py.*: --plugin .*evil.py$"),
    "plugin file, relative": (lambda run: plant(run, "evil.py"), "--plugin .*/trained/evil.py$"),
    "plugin files": (lambda run: plant(run, "a.py", "evil.py"), "--plugin .*a.py --plugin .*evil.py$"),
    "a command in a plugin's name": (lambda run: plant(run, "$(rm x).py"), r"--plugin '.*\$\(rm x\).py'$"),
    "a plugin's name that a terminal obeys": (lambda run: plant(run, "\x1b[2J.py"), "characters that cannot be shown"),
    "ten thousand plugin files": (lambda run: plant(run, *map(str, range(10_000))), "files 0, 1, .*, 11 and 9988 more"),
    "plugin file, by a link": (linked, "--plugin .*evil.py$"),
    "a run and a model at once": (both, "is a run \\(config.toml\\) and a model"),
    "a pipe": (no_file("config.toml", os.mkfifo), "it is no file"),
    "a folder": (no_file("config.toml", os.mkdir), "it is no file"),
    "a device": (no_file("config.toml", lambda path: path.symlink_to("/dev/zero")), "it is no file"),
    "eight gigabytes": (no_file("config.toml", sparse), "larger than 1 MiB"),
    "lists in lists": (text(b"a = " + NEST), "is not TOML"),
    "tables in tables": (text(b"a" + b".a" * 500_000 + b" = 1"), "is not TOML"),
    "many tables in tables": (text(b"a" + b".a" * 100 + b" = 1"), "more than 20 tables"),
    "a number of a million digits": (text(b"a = " + DIGITS), "is not TOML"),
    "no text": (text(b"\xff\xfe"), "is not TOML"),
    "a zero byte": (text(b"a = 'b\0c'"), "is not TOML"),
    "an unknown key that a terminal obeys": (text(b'"\\u001b[2J" = 1'), r"Unknown key '\\x1b\[2J'"),
    "a value of a million letters": (text(b"data = '" + b"x" * 1_000_000 + b"'"), "data = 'x"),
    "a zero byte in a path": (text(b'data.path = "a\\u0000b"'), "zero byte"),
    "a size of no machine": (settings(lambda c, _: c["data"].update(image_size=2**40)), "less than or equal to 16384"),
    "an unknown option": (
        settings(lambda c, _: c["generator"].update(code="import os")),
        "Unknown key 'generator.code'",
    ),
    "a wrong type": (settings(lambda c, _: c["generator"].update(conv_dim="x")), "generator.conv_dim = 'x'"),
    "a wide network": (settings(lambda c, _: c["generator"].update(conv_dim=2**50)), "cannot be built"),
    "a deep network": (settings(lambda c, _: c["generator"].update(repeat_num=2**50)), "more than 500 layers"),
    "no method": (settings(lambda c, _: c.pop("method")), "no method.name"),
    "labels: a pipe": (no_file("labels.json", os.mkfifo), "labels.json' cannot be read: it is no file"),
    "labels: eight gigabytes": (no_file("labels.json", sparse), "larger than 4 MiB"),
    "labels: none": (lambda run: (run / "labels.json").unlink(), "labels.json' cannot be read: No such file"),
    "labels: lists in lists": (text(NEST, "labels.json"), "inside of each other too often"),
    "labels: a number": (text(b"7", "labels.json"), "give an object"),
    "labels: no text": (text(b"\xff", "labels.json"), "can't decode"),
    "labels: not a number": (text(b"NaN", "labels.json"), "NaN is no number of JSON"),
    "labels: a terminal's command": (labels("Male", "a\\u001b[2Jb"), "contains a control character"),
    "labels: a line's direction turned": (labels("Male", "a\\u202eb"), "contains a control character"),
    "labels: half a character": (labels("Male", "a\\ud800b"), "contains a control character"),
    "labels: one twice": (labels("Male", "Young"), "occurs twice"),
    "labels: others": (labels('"Male"', '"Fe"}, {"kind": "binary", "name": "male"'), "are said|need"),
    "checkpoint: a pickle": (checkpoint_file(pickled), "no safetensors file"),
    "checkpoint: a long header": (checkpoint_file(lambda _: struct.pack("<Q", 2**60)), "header is too long"),
    "checkpoint: a pipe": (checkpoint_pipe("ema.safetensors"), "ema.safetensors is no file"),
    "checkpoint: state is a pipe": (checkpoint_pipe("state.json"), "state.json is no file"),
    "checkpoint: sums are a pipe": (checkpoint_pipe("SHA256SUMS"), "it is no file"),
    "checkpoint: state of lists in lists": (checkpoint_file(lambda _: NEST, "state.json"), "recursion"),
    "checkpoint: state is a list": (checkpoint_file(lambda _: b"[1]", "state.json"), "no checkpoint that is whole"),
    "checkpoint: a name that a terminal obeys": (rename_checkpoint, "has no checkpoint yet"),
}


@pytest.mark.parametrize("change, message", RUNS.values(), ids=RUNS)
def test_runs(refused_by, trained, small_data, tmp_path, change, message):
    change(trained)
    face = min((small_data / "rafd").glob("*.jpg"))
    assert re.search(message, refused_by("translate", trained, face, "--to", "happy", "-o", tmp_path / "out").rstrip())


def link(name, target="elsewhere"):
    def apply(run):
        path = run / name
        path.unlink(missing_ok=True)
        (run.parent / target).write_text("mine")
        path.symlink_to(run.parent / target)

    return apply


RESUMED = {
    "metrics are a link": (link("metrics.jsonl"), "metrics.jsonl' is a link"),
    "a sample is a link": (link("samples/step-00000005.png"), "step-00000005.png' is a link"),
    "a checkpoint is a link": (link("checkpoints/step-00000099"), "step-00000099' is a link"),
    "the lock is a link": (link(".lock"), ".lock' is a link"),
    "step is a text": (checkpoint_file(lambda _: b'{"format": 2, "step": "1"}', "state.json"), "step.*valid integer"),
    "no step": (
        checkpoint_file(lambda _: b'{"format": 2}', "state.json"),
        "state.json: step: Field required",
    ),
    "updates are a list": (
        checkpoint_file(lambda _: b'{"format": 2, "step": 1, "updates": [1]}', "state.json"),
        "state.json: updates: ",
    ),
    "a header without end": (
        checkpoint_file(lambda _: struct.pack("<Q", 2**26) + b"{", "discriminator.safetensors"),
        "discriminator.safetensors is no safetensors file: its header is too long",
    ),
    "no tensors": (
        checkpoint_file(lambda _: with_header({}), "discriminator.safetensors"),
        "not of this configuration",
    ),
    "other optimisers": (
        checkpoint_file(lambda _: with_header({"d.9.x": tensor(0, 8)}, bytes(8)), "optimizers.safetensors"),
        "not of this configuration",
    ),
}


@pytest.mark.parametrize("change, message", RESUMED.values(), ids=RESUMED)
def test_resumed_runs(refused_by, trained, change, message):
    change(trained)
    assert re.search(message, refused_by("train", "--resume", "--out", trained))
    elsewhere = trained.parent / "elsewhere"
    assert not elsewhere.exists() or elsewhere.read_text() == "mine"


EXPORTED = {
    "splits: a pipe": (
        lambda run: replace(run / "splits.json", os.mkfifo),
        "splits.json' cannot be read: it is no file",
    ),
    "splits: eight gigabytes": (lambda run: replace(run / "splits.json", sparse), "larger than 32 MiB"),
    "splits: a list": (text(b"[]", "splits.json"), "splits.json' cannot be read: Input should be a valid dictionary"),
    "splits: no test images": (text(b'{"rafd": {"test": 7}}', "splits.json"), "rafd.test: .*valid list"),
    "evaluation: a pipe": (lambda run: os.mkfifo(run / "evaluation.json"), "evaluation.json' cannot be read"),
    "evaluation: a number": (text(b"7", "evaluation.json"), "evaluation.json' cannot be read"),
    "evaluation: wrong types": (
        text(b'{"rows": [{"metric": "psnr", "target": [], "value": "x"}]}', "evaluation.json"),
        "evaluation.json' cannot be read",
    ),
}


@pytest.mark.parametrize("change, message", EXPORTED.values(), ids=EXPORTED)
def test_exported_runs(refused_by, trained, change, message, tmp_path):
    change(trained)
    assert re.search(message, refused_by("export", trained, tmp_path / "out"))


SAMPLES = {
    "no picture": lambda path: path.write_bytes(b"x"),
    "pixels without end": lambda path: path.write_bytes(bomb()),
}


@pytest.mark.parametrize("make", SAMPLES.values(), ids=SAMPLES)
def test_a_sample_for_the_card_that_is_none(refused_by, trained, make, tmp_path):
    settings(lambda config, _: config["data"].update(path="nowhere"))(trained)
    shutil.rmtree(trained / "samples")
    (trained / "samples").mkdir()
    make(trained / "samples" / "step-00000004.png")
    assert "step-00000004.png' cannot be read" in refused_by("export", trained, tmp_path / "out")


def test_an_evaluation_is_not_written_to_where_a_link_points(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "evaluation.json").symlink_to(tmp_path / "mine")
    Evaluation(str(tmp_path), "step-00000004", {}).write()
    assert (tmp_path / "mine").read_text() == "mine"
    assert Evaluation.read(tmp_path) == Evaluation(str(tmp_path), "step-00000004", {})


COMMANDS = {
    "sheet": ("sheet", "RUN", "-o", "OUT.png"),
    "evaluate": ("evaluate", "RUN", "--data", "DATA"),
    "export": ("export", "RUN", "OUT"),
    "extend": ("extend", "RUN", "-o", "OUT", "--datasets", "celeba,rafd,more=rafd", "--data", "DATA"),
    "study": ("study", "build", "a=RUN", "b=RUN", "--data", "DATA", "-o", "OUT"),
    "train --from": ("train", "--from", "RUN", "--data", "DATA", "--out", "OUT"),
    "train --resume": ("train", "--resume", "--out", "RUN"),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("kind", ["generator", "dataset"])
def test_no_command_runs_a_file_that_the_run_names(refused_by, trained, small_data, tmp_path, command, kind):
    if kind == "generator":
        plant(trained)
    else:
        plant(trained, generator=False)
        settings(lambda c, _: c["datasets"]["rafd"].update(plugin="evil"))(trained)
    places = {"RUN": trained, "OUT": tmp_path / "out", "DATA": small_data}
    arguments = [re.sub("RUN|OUT|DATA", lambda found: str(places[found[0]]), argument) for argument in command]

    assert re.search("those|it if you trust it: --plugin .*evil.py", refused_by(*arguments))


def test_python_runs_no_file_that_the_run_names(trained):
    plant(trained)
    with pytest.raises(PluginError, match="Files that a folder names are never run by themselves"):
        Translator.from_pretrained(trained)
    assert not (trained.parent / "RAN").exists()


def test_a_file_that_is_not_needed_need_not_be_named(cli, trained, small_data, tmp_path):
    plant(trained, generator=False)
    face = min((small_data / "rafd").glob("*.jpg"))
    outcome = cli("translate", trained, face, "--to", "happy", "-o", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    assert not (tmp_path / "RAN").exists()
