"""The trackers `trackio` and `wandb`: what reaches the library, and that no key lands anywhere."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from stargan_fw.errors import PluginError
from stargan_fw.plugin_manager import PluginManager
from stargan_fw_plugins.trackers.experiment_logs import Trackio, WandB, without_secrets

KEYS = {"WANDB_API_KEY": "a1b2c3d4" * 5, "HF_TOKEN": "hf_" + "Zz9" * 11}
BOTH = pytest.mark.parametrize("tracker", [Trackio, WandB], ids=lambda tracker: tracker.name)


@pytest.fixture
def library(monkeypatch):
    """Puts a library in the place of both, which notes what is asked of it: `library.calls`."""
    fake = SimpleNamespace(calls=[], refuses=None)

    def init(*project, **options):
        if fake.refuses:
            raise fake.refuses
        fake.calls.append(("init", *project, options))
        return SimpleNamespace(log=lambda *what, **at: note("log", *what, at), define_metric=lambda *_, **__: None)

    def note(*call):
        fake.calls.append(call)

    fake.init, fake.finish = init, lambda: note("finish")
    fake.Image, fake.Settings = lambda image: image.size, lambda **settings: settings
    for name in ("trackio", "wandb"):
        monkeypatch.setitem(sys.modules, name, fake)
    for name in ("WANDB_MODE", "WANDB_PROJECT", "WANDB_ERROR_REPORTING", "TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"):
        monkeypatch.setenv(name, "")  # so that it is as before after the test
        monkeypatch.delenv(name)
    return fake


def log_a_little(tracker):
    tracker.log(3, "celeba", {"g/rec": 0.5})
    tracker.log_image(3, "samples", Image.new("RGB", (8, 4)))
    tracker.close()


@BOTH
def test_it_logs_values_by_dataset_and_samples(tracker, library, tmp_path):
    for step in (0, 3):
        opened = tracker(tmp_path / "faces")
        opened.start(step, 10)
        log_a_little(opened)

    first, *logged, _ = library.calls[:4]
    assert (first[-1]["name"], first[-1]["group"]) == ("faces", "faces")
    assert [{**what, **at} for _, what, at in logged] == [
        {"celeba/g/rec": 0.5, "step": 3},
        {"samples": (8, 4), "step": 3},
    ]
    assert library.calls[3] == ("finish",)
    assert library.calls[4][-1]["name"] == "faces from step 3", (
        "what was logged after the checkpoint is not overwritten"
    )


def test_wandb_is_offline_until_its_own_variable_says_otherwise(library, tmp_path, monkeypatch):
    WandB(tmp_path).start(0, 10)
    assert os.environ["WANDB_ERROR_REPORTING"] == "false", "its makers are told nothing"
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    WandB(tmp_path).start(0, 10)

    options = [call[-1] for call in library.calls]
    assert [(each["mode"], each["project"]) for each in options] == [("offline", "stargan-fw"), ("online", "mine")]
    assert options[0]["settings"]["x_disable_meta"]
    assert options[0]["dir"] == tmp_path


@BOTH
def test_a_library_that_refuses_leaves_the_training_alone_and_its_message_has_no_key(
    tracker, library, tmp_path, monkeypatch, caplog
):
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    library.refuses = ValueError(f"no server takes the key {KEYS['WANDB_API_KEY']}")
    opened = tracker(tmp_path)

    opened.start(0, 10)
    log_a_little(opened)

    assert caplog.messages == [
        f"Training goes on without the tracker '{tracker.name}': ValueError: no server takes the key ***"
    ]


def test_texts_without_keys_stay(monkeypatch):
    for name in [name for name in os.environ if "KEY" in name or "TOKEN" in name]:
        monkeypatch.delenv(name)
    assert without_secrets("no server is there") == "no server is there"


@BOTH
def test_without_the_package_it_is_left_out_with_the_remedy(tracker, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, tracker.name, None)
    with pytest.raises(PluginError, match=rf"Run: pip install 'stargan-fw\[{tracker.name}\]'"):
        tracker(tmp_path)


def test_a_run_keeps_no_key(cli, train, library, tmp_path, monkeypatch):
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    outcome = train("--max-steps", 1, "--set", 'training.trackers=["trackio","wandb"]')

    assert outcome.code == 0, outcome.err
    assert [call[0] for call in library.calls].count("finish") == 2
    assert files_with_keys(tmp_path) == []
    assert not any(key in outcome.out + outcome.err for key in KEYS.values())
    refused = train("--set", f"training.wandb_key={KEYS['WANDB_API_KEY']}", out=tmp_path / "other")
    assert (refused.code, (tmp_path / "other").exists()) == (2, False), "no setting takes a key"


def files_with_keys(folder):
    texts = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return [path for path, text in texts.items() if any(key.encode() in text for key in KEYS.values())]


PROGRAM = """
import json, socket, sys
from pathlib import Path
from PIL import Image
asked = []
socket.getaddrinfo = lambda host, *_, **__: asked.append(host) or []
from stargan_fw_plugins.trackers import experiment_logs
tracker = {cls.name: cls for cls in (experiment_logs.Trackio, experiment_logs.WandB)}[sys.argv[1]](Path(sys.argv[2]))
tracker.start(0, 4)
tracker.log(2, "celeba", {"g/rec": 0.5})
tracker.log(1, "rafd", {"g/rec": 0.5})
tracker.log_image(1, "samples", Image.new("RGB", (8, 8)))
tracker.close()
print(json.dumps({"opened": tracker.opened is not None, "asked": asked}))
"""


@BOTH
def test_the_real_library_asks_nobody_and_keeps_no_key(tracker, tmp_path):
    if importlib.util.find_spec(tracker.name) is None:
        pytest.skip(f"the package '{tracker.name}' is not installed")
    run = tmp_path / "run"
    run.mkdir()
    kept = {name: str(tmp_path / "kept") for name in ("HOME", "TRACKIO_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR")}

    printed = subprocess.run(
        [sys.executable, "-c", PROGRAM, tracker.name, run],
        env={**os.environ, **KEYS, **kept, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )

    [told] = [line for line in printed.stdout.splitlines() if line.startswith("{")]
    assert json.loads(told) == {"opened": True, "asked": []}
    [log] = [path for path in tmp_path.rglob("*") if path.suffix in {".db", ".wandb"}]
    assert b"rafd/g/rec" in log.read_bytes(), "the last steps of two datasets come in any order"
    assert "WARNING" not in printed.stderr
    assert files_with_keys(tmp_path) == []


def test_both_are_registered():
    assert set(PluginManager.discover().index("tracker").names()) >= {"tensorboard", "trackio", "wandb"}


def test_each_has_an_extra():
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert all(f"\n{name} = [" in project for name in ("tensorboard", "trackio", "wandb"))
