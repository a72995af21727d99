"""What all tests share: the command line as a user calls it, small data and a tiny model, drawn and trained once.

Nothing here imports a plugin before a test asks for its data: `tests/core` runs without any, and overrides `small_data`,
`tiny` and what is made of them once.
"""

import gc
import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from stargan_fw.cli.main import main
from stargan_fw.runs.run_folder import RunFolder

# Networks this small run no faster on two threads, and two test processes that spin for threads stand in each other's way.
torch.set_num_threads(1)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Keeps all that is older than the test out of its collections, which take milliseconds then."""
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Has what a test leaves open complain in that test: a warning is an error, and a later test would fail for it."""
    if nextitem is None or nextitem.path != item.path:
        gc.unfreeze()  # what the file's tests had in common
    gc.collect()
    gc.unfreeze()


TINY = [
    "--preset",
    "stargan_64",
    "--precision",
    "fp32",
    "--set",
    "data.image_size=32",
    "--set",
    "training.batch_size=4",
    "--set",
    "training.steps=40",
    "--set",
    "training.n_critic=1",
    "--set",
    "generator.conv_dim=4",
    "--set",
    "generator.repeat_num=1",
    "--set",
    "discriminator.conv_dim=4",
]


# A process in the background inherits ignored signals, and the program leaves ignored signals alone: tests must not depend on
# how they were started.
for _number, _handler in {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}.items():
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)


@dataclass
class Outcome:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class TinyTraining:
    """How a tiny model is trained: on which datasets, and with which options."""

    datasets: str
    options: Sequence[str]

    def command(self, data: Path, out: Path, *more) -> list[str]:
        """Returns the arguments of the program."""
        command = ["train", "--datasets", self.datasets, "--data", data, "--out", out, *self.options, *more]
        return [str(argument) for argument in command]

    def run(self, data: Path, out: Path, *more) -> None:
        """Trains, outside of any one test."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["stargan-fw", *self.command(data, out, *more)])
            with pytest.raises(SystemExit, match="0"):
                main()


@pytest.fixture(scope="session")
def tiny() -> TinyTraining:
    """How `train` and `trained_once` train."""
    return TinyTraining("celeba,rafd", TINY)


@pytest.fixture(scope="session")
def small_data(tmp_path_factory):
    """A folder with celeba/ (30 images) and rafd/ (5 people, 120 images); not to be written to, but for its cache."""
    from stargan_fw_plugins.datasets.celeba import CelebA
    from stargan_fw_plugins.datasets.rafd import RaFD

    root = tmp_path_factory.mktemp("small")
    for dataset in (CelebA, RaFD):
        (root / dataset.name).mkdir()
        dataset.draw_stand_in(root / dataset.name, images=30, people=5, seed=1)
    return root


@pytest.fixture(scope="session")
def emoji_data(tmp_path_factory):
    """A folder with packages of the layout that `examples/emoji.py` reads, with drawings of two motifs that have all labels."""
    root = tmp_path_factory.mktemp("emoji")
    for vendor, left in (("google", 30), ("twitter", 8)):
        _draw_emoji(root / "node_modules" / f"emoji-datasource-{vendor}", vendor, left)
    return root


TONES = {"1F3FB": "#ffe0bd", "1F3FC": "#e0bb95", "1F3FD": "#bf8f68", "1F3FE": "#9b643d", "1F3FF": "#594539"}
PEOPLE = {
    "1F468-200D-1F33E": "person-role",  # farmers: a man, a woman and a neutral person
    "1F469-200D-1F33E": "person-role",
    "1F9D1-200D-1F33E": "person-role",
    "1F46E-200D-2642-FE0F": "person-role",  # police officers
    "1F46E-200D-2640-FE0F": "person-role",
    "1F46E": "person-role",
    "1F468-200D-1F9B0": "person",  # of red-haired people only the man
    "1F3C3-200D-2642-FE0F": "person-activity",  # runners
    "1F3C3-200D-2640-FE0F": "person-activity",
    "1F3C3": "person-activity",
}


def _draw_emoji(package: Path, vendor: str, left: int) -> None:
    from PIL import Image, ImageDraw

    pictures = package / "img" / vendor / "64"
    pictures.mkdir(parents=True)
    entries = [{"unified": "1F33E", "image": "1f33e.png", "subcategory": "plant-other"}]
    for number, (code, category) in enumerate(PEOPLE.items()):
        first, *rest = code.split("-")
        codes = {"": code, **{tone: "-".join([first, tone, *rest]) for tone in TONES}}
        drawn = {tone: {"unified": one, "image": f"{one.lower()}.png"} for tone, one in codes.items()}
        for tone, entry in drawn.items():
            picture = Image.new("RGBA", (64, 64))
            draw = ImageDraw.Draw(picture)
            draw.ellipse((left, 8 + number, 56, 58), TONES.get(tone, "#ffcc22"))
            draw.rectangle((20, 44, 44, 60), ("#3355aa", "#aa3355", "#55aa33")[number % 3])
            picture.save(pictures / entry["image"])
        entries.append({**drawn.pop(""), "subcategory": category, "skin_variations": drawn})
    (package / "emoji.json").write_text(json.dumps(entries))


@pytest.fixture
def cli(monkeypatch, capsys):
    """Runs the program in this process: `cli("train", "--datasets", "celeba") -> Outcome`."""

    def run(*arguments) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["stargan-fw", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def train(cli, tiny, small_data, tmp_path):
    """Trains a tiny model: `train("--max-steps", 4) -> Outcome`, by default on both datasets, in `tmp_path / "run"`."""
    usual = tiny

    def run(*more, datasets=usual.datasets, data=small_data, out=tmp_path / "run", tiny=usual.options) -> Outcome:
        return cli(*TinyTraining(datasets, tiny).command(data, out, *more))

    return run


@pytest.fixture(scope="session")
def trained_once(tiny, small_data, tmp_path_factory):
    """The folder of a tiny run of 4 steps on both datasets; not to be written to."""
    out = tmp_path_factory.mktemp("trained") / "run"
    tiny.run(small_data, out, "--max-steps", 4)
    return out


@pytest.fixture
def trained(trained_once, tmp_path):
    """A copy of that run to change."""
    return shutil.copytree(trained_once, tmp_path / "trained")


@pytest.fixture(scope="session")
def exported_once(trained_once, tmp_path_factory):
    """The model folder of that run; not to be written to."""
    from stargan_fw_share import export_run

    out = tmp_path_factory.mktemp("exported") / "model"
    export_run(RunFolder(trained_once), out)
    return out


@pytest.fixture
def exported(exported_once, tmp_path):
    """A copy of that model folder to change."""
    return shutil.copytree(exported_once, tmp_path / "exported")


@pytest.fixture
def metrics():
    """Reads a run's logged rows without how fast it was, which no two runs share: `metrics(run) -> [{"step": 1, …}, …]`."""

    def read(run: Path) -> list[dict]:
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        return [{name: value for name, value in row.items() if name != "images_per_second"} for row in rows]

    return read


@pytest.fixture
def tensors():
    """Reads all that a checkpoint holds: `tensors(run, 4) -> {"generator/conv.weight": …}`."""

    def read(run: Path, step: int) -> dict[str, torch.Tensor]:
        files = sorted((run / "checkpoints" / f"step-{step:08d}").glob("*.safetensors"))
        return {f"{file.stem}/{name}": value for file in files for name, value in load_file(file).items()}

    return read


ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver's own name for a reference to an element
KEYS = {"Enter": "\ue007", "Tab": "\ue004", "ArrowRight": "\ue014", "ArrowDown": "\ue015", "ArrowLeft": "\ue012"}
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,900",
]


@dataclass
class Browser:
    """As much of WebDriver as the tests of pages need."""

    address: str

    def call(self, method, path, body=None):
        data = None if method == "GET" else json.dumps(body or {}).encode()
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=180) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(json.load(error)["value"]["message"]) from None

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, selector):
        return self.call("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.call("POST", f"/element/{self.find(selector)}/click")

    def type(self, selector, text):
        self.call("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def press(self, *keys):
        strokes = [{"type": way, "value": KEYS.get(key, key)} for key in keys for way in ("keyDown", "keyUp")]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]})

    def tap(self, selector):
        where = {"type": "pointerMove", "duration": 0, "x": 0, "y": 0, "origin": {ELEMENT: self.find(selector)}}
        taps = [where, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        finger = {"type": "pointer", "id": "finger", "parameters": {"pointerType": "touch"}, "actions": taps}
        self.call("POST", "/actions", {"actions": [finger]})

    def wait_for(self, script, *arguments, seconds=300):
        """Returns what the script returns, once that is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := self.run(script, *arguments):
                return found
            time.sleep(0.1)
        raise AssertionError(f"not within {seconds} s: {script}")


@pytest.fixture
def browser(tmp_path):
    """A headless browser with a fresh profile that saves downloads in `tmp_path / "downloads"`."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no chromium and chromedriver here: apt-get install chromium chromium-driver")
    flags = [*CHROMIUM_FLAGS, f"--user-data-dir={tmp_path / 'profile'}"]
    prefs = {"download.default_directory": str(tmp_path / "downloads"), "download.prompt_for_download": False}
    options = {"binary": chromium, "args": flags, "prefs": prefs}
    with subprocess.Popen(
        [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            line = next(line for line in process.stdout if "started successfully on port" in line)
            address = f"http://127.0.0.1:{line.split('port ')[1].strip().rstrip('.')}"
            wanted = {
                "browserName": "chrome",
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"performance": "ALL"},
            }
            session = Browser(f"{address}/session").call("POST", "", {"capabilities": {"alwaysMatch": wanted}})
            opened = Browser(f"{address}/session/{session['sessionId']}")
            yield opened
            opened.call("DELETE", "")
        finally:
            process.terminate()
