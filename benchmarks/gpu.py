"""Settles what a GPU does with this project: tests, ways to train, speed, memory, and where the time goes.

    python benchmarks/gpu.py [--out gpu] [--minutes 9] [--only speed,kernels]
    python benchmarks/gpu.py --device cpu --small         # every section with tiny networks, as the tests run it
    python benchmarks/gpu.py --page gpu/gpu.json          # makes docs/performance_gpu.md of a result

It runs from a clone, without installing anything and without a network, and says which packages are missing. OUT/gpu.json
and OUT/gpu.md are complete up to the last finished measurement at any time, so ending the program loses nothing.

Each section of `gpu_sections.py` is a process of its own with a share of the time. What a section leaves goes to the later
ones. If a measurement fails, its error becomes the result, and if the process dies, another one goes on after it.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gpu_page import make_page, markdown

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [str(ROOT / name) for name in ("core", "plugins", "registry")]
SHARES = {  # parts of the time, in the order in which the sections run; `gpu_sections.py` has the sections
    "machine": 40,  # reads torch from the disk for the first time
    "tests": 60,
    "ways": 130,
    "speed": 125,
    "length": 70,
    "kernels": 30,
    "networks": 20,
    "layers": 25,
    "labels": 15,
    "translation": 25,
    "loading": 15,
    "ranks": 30,
}
POLL, GRACE = 0.5, 5.0  # seconds
IMPORTED_AS = {"pillow": "PIL", "tomli-w": "tomli_w"}
NOT_USED = {"torchvision"}  # by anything that is measured


def missing_packages(requirements: Sequence[str]) -> list[str]:
    """Returns the requirements, such as "rich>=13.9", of packages that cannot be imported here."""
    names = {requirement: requirement.split(">")[0] for requirement in requirements}
    return [
        requirement
        for requirement, name in names.items()
        if name not in NOT_USED and importlib.util.find_spec(IMPORTED_AS.get(name, name)) is None
    ]


def explain_missing(missing: Sequence[str]) -> str:
    """Returns a message with a line to paste that brings the packages without installing them."""
    if any(requirement.startswith("torch") for requirement in missing):
        return "PyTorch is missing. Run this with the Python that has it."
    needed, again = shlex.join(missing), shlex.join([sys.executable, *sys.argv])
    return (
        f"Missing here: {needed}. Paste:\n"
        f"  {shlex.quote(sys.executable)} -m pip install --target gpu-packages {needed} && PYTHONPATH=gpu-packages {again}\n"
        "Without a network, make the folder gpu-packages on another machine with the same Python, and copy it here."
    )


def describe_distribution(project: Mapping[str, Any], folder: Path) -> None:
    """Writes what Python would know of this clone if it were installed: the version, and the plugins' entry points.

    Plugins are found through entry points, so a clone on `PYTHONPATH` alone has none.
    """
    info = folder / f"stargan_fw-{project['version']}.dist-info"
    info.mkdir(parents=True)
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    groups = [
        "\n".join([f"[{group}]", *(f"{name} = {module}" for name, module in entries.items())])
        for group, entries in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n\n".join(groups) + "\n", encoding="utf-8")


def is_installed() -> bool:
    """Returns whether stargan-fw is installed, from this clone or from elsewhere."""
    try:
        importlib.metadata.version("stargan-fw")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def environment(project: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Returns the environment in which this clone's sources are imported, installed or not."""
    paths = list(SOURCES)
    if not is_installed():
        describe_distribution(project, folder / "distribution")
        paths.append(str(folder / "distribution"))
    if before := os.environ.get("PYTHONPATH"):
        paths += map(os.path.abspath, before.split(os.pathsep))  # sections run in this clone's folder
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


class Result:
    """What was found so far; written to `OUT/gpu.json` and `OUT/gpu.md` at every change.

    Args:
        out: the folder.
        options: those of the command line.
    """

    def __init__(self, out: Path, options: argparse.Namespace) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.json, self._page = out / "gpu.json", out / "gpu.md"
        self.sections: dict[str, dict[str, Any]] = {}
        self._about = {
            "format": 1,
            "began": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": _commit(),
            "device": options.device,
            "small": options.small,
        }

    def write(self, section: str, records: Sequence[Mapping[str, Any]], seconds: float) -> None:
        """Writes a section's records so far: of each item the last one counts."""
        items = {record["item"]: {k: v for k, v in record.items() if k != "item"} for record in records}
        self.sections[section] = {"seconds": round(seconds, 1), "items": items}
        found = {**self._about, "sections": self.sections}
        for path, text in ((self.json, json.dumps(found, indent=1)), (self._page, markdown(found))):
            partial = path.with_suffix(".partial")
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)

    @property
    def failed(self) -> list[str]:
        """The measurements that failed, by section and item."""
        return [
            f"{section}: {name}: {item['error']}"
            for section, found in self.sections.items()
            for name, item in found["items"].items()
            if "error" in item
        ]


def _commit() -> str | None:
    if not shutil.which("git"):
        return None
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def read_records(path: Path) -> list[dict[str, Any]]:
    """Returns the complete lines of a section's file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1] if line]


class Section:
    """Runs one section in processes of its own.

    Args:
        name: the section.
        arguments: more arguments of `gpu_sections.py`.
        env: the environment.
        folder: keeps the section's records and what it prints.
    """

    def __init__(self, name: str, arguments: Sequence[str], env: Mapping[str, str], folder: Path) -> None:
        self.name, self._env = name, env
        self._records, self._log = folder / f"{name}.jsonl", folder / f"{name}.log"
        command = [sys.executable, str(ROOT / "benchmarks" / "gpu_sections.py"), name, "--records", str(self._records)]
        self._command = [*command, *arguments]

    def run(self, until: float, result: Result) -> None:
        """Measures until the section is complete or its time, in seconds since the epoch, is over."""
        start = time.time()
        while True:
            before = len(read_records(self._records))
            with self._log.open("w", encoding="utf-8") as log:
                code = self._wait(log, until, lambda: result.write(self.name, self._all(), time.time() - start))
            self._finish(code, time.time() - start)
            result.write(self.name, self._all(), time.time() - start)
            if code in {0, None} or len(read_records(self._records)) <= before + 1:  # only the failure was recorded
                return

    def _all(self) -> list[dict[str, Any]]:
        return read_records(self._records)

    def _wait(self, log: Any, until: float, changed: Any) -> int | None:
        """Returns the process's exit code, or None if its time was over."""
        command = [*self._command, "--until", str(until)]
        with subprocess.Popen(command, env=self._env, cwd=ROOT, stdout=log, stderr=log, process_group=0) as process:
            try:
                size = 0
                while process.poll() is None and time.time() < until + GRACE:
                    time.sleep(POLL)
                    latest = self._records.stat().st_size if self._records.exists() else 0
                    if latest != size:
                        size = latest
                        changed()
                return process.poll()
            finally:
                _end_group(process)

    def _finish(self, code: int | None, seconds: float) -> None:
        """Records why an item that was begun has no result, or why the section has no item."""
        records = self._all()
        last = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
        over = f"stopped after {seconds:.0f} s, since the time was over"
        kind, why = ("skipped", over) if code is None else ("error", f"exit code {code}: {' / '.join(last)}")
        begun = [record["item"] for record in records if "begun" in record]
        ended = {record["item"] for record in records if "begun" not in record}
        if code != 0 and not begun:
            self._record("start", kind, why)
        for item in begun:
            if item not in ended:
                self._record(item, kind, why)

    def _record(self, item: str, kind: str, why: str) -> None:
        with self._records.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"item": item, kind: why}) + "\n")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Ends a process with all that it started; `torchrun` needs a moment to pass SIGTERM on to its own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        limit = time.time() + GRACE
        while _signal_group(process, number) and time.time() < limit:
            time.sleep(0.1)


def _signal_group(process: subprocess.Popen[bytes], number: int) -> bool:
    """Sends a signal to a process and all that it started, and returns whether any of them was still there."""
    process.poll()
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """Turns SIGTERM into an exception within the block, so that what the block started is ended too."""

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def measure(options: argparse.Namespace, project: Mapping[str, Any]) -> Result:
    """Runs the chosen sections one after the other."""
    end, result = time.time() + 60 * options.minutes, Result(options.out.absolute(), options)
    arguments = ["--device", options.device, "--state", str(result.json), *["--small"] * options.small]
    with ending_on_signals(), tempfile.TemporaryDirectory() as name:
        env = environment(project, Path(name))
        left = {section: SHARES[section] for section in SHARES if section in options.only}
        for section in list(left):
            now = time.time()
            until = now + max(0.0, end - GRACE - now) * left[section] / sum(left.values())
            Section(section, arguments, env, Path(name)).run(until, result)
            del left[section]
            found = result.sections[section]
            print(f"{section}: {len(found['items'])} results in {found['seconds']:.0f} s", flush=True)
            if "error" in found["items"].get("start", {}):
                break  # what keeps one section from starting keeps all from it
    return result


def sections(text: str) -> list[str]:
    """Reads "speed,kernels"."""
    names = text.split(",")
    if unknown := next((name for name in names if name not in SHARES), None):
        raise argparse.ArgumentTypeError(f"'{unknown}' is no section: take some of {', '.join(SHARES)}.")
    return names


def main() -> None:
    """Measures, or makes the page of an earlier result."""
    parser = argparse.ArgumentParser(description="What a GPU does with this project, in nine minutes.")
    parser.add_argument("--out", type=Path, default=Path("gpu"), help="folder for gpu.json and gpu.md")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny networks: tries the program, measures nothing")
    parser.add_argument("--only", type=sections, default=list(SHARES), help="sections, separated by commas")
    parser.add_argument("--page", type=Path, metavar="GPU.JSON", help="make docs/performance_gpu.md of this result")
    options = parser.parse_args()
    if options.page:
        print(make_page(options.page, ROOT / "docs"))
        return
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if missing := missing_packages(project["dependencies"]):
        sys.exit(explain_missing(missing))
    result = measure(options, project)
    print(f"{result.json} and {result.json.with_suffix('.md')}")
    if result.failed:
        sys.exit("\n".join(["These failed:", *result.failed]))


if __name__ == "__main__":
    main()
