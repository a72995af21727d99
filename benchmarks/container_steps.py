"""Runs the steps of a Dockerfile as a script, if there is no container engine at hand.

    python benchmarks/container_steps.py [Dockerfile] [--arg DEVICE=cpu] [--packages-of SITE_PACKAGES] [--command plugins list]

A folder, build/container, stands for the container's root, and a virtual environment in it for the Python of the image. COPY copies,
RUN runs with the container's variables, and at the end the container's own command runs. Programs that need root and change the
system, such as apt-get, are shown and not run. The base image is taken for granted.

The environment is empty and downloads PyTorch. With `--packages-of` it sees the packages of another environment instead.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
NEED_ROOT = ("apt-get", "useradd")


@dataclass
class Container:
    """What the steps of a Dockerfile made.

    Attributes:
        root: the folder that stands for the container's root.
        variables: those of the container, and the build's arguments.
        place: the working directory, as the container names it.
        entrypoint: the program that the container runs, and its first arguments.
        command: further arguments, which a user may replace.
        folders: the folders of the container that COPY and WORKDIR made.
    """

    root: Path
    variables: dict[str, str] = field(default_factory=dict)
    place: str = "/"
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    folders: set[str] = field(default_factory=set)

    def outside(self, path: str) -> Path:
        """Returns where a path of the container is on this machine."""
        return self.root / PurePosixPath(self.place, path).relative_to("/")

    def translated(self, text: str) -> str:
        """Returns a text with the paths of this machine in place of the container's."""
        names = "|".join(map(re.escape, self.folders))
        return re.sub(rf"(?<![\w/.])({names})(?=[/\s\"';\[]|$)", lambda found: f"{self.root}{found[1]}", text)

    def start(self, *arguments: str, **changed: str) -> subprocess.Popen[str]:
        """Starts the container's program, with other arguments than its own or with other variables."""
        words = [self.translated(word) for word in (*self.entrypoint, *(arguments or self.command))]
        print("$", *words, flush=True)
        return subprocess.Popen(words, cwd=self.outside("."), env={**self._environment(), **changed}, text=True)

    def copy(self, sources: Sequence[Path], target: str) -> None:
        """Copies files, and what is in folders, as COPY does."""
        self.folders.add(str(PurePosixPath(self.place, target)))
        into = self.outside(target)
        for source in sources:
            if source.is_dir():
                shutil.copytree(source, into, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                into.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, into)

    def run(self, script: str) -> None:
        """Runs what stands behind RUN; SystemExit with its exit code if it fails."""
        print("$", script, flush=True)
        command = ["sh", "-e", "-c", self.translated(script)]
        ran = subprocess.run(command, cwd=self.outside("."), env=self._environment(), check=False)
        if ran.returncode:
            sys.exit(ran.returncode)

    def _environment(self) -> dict[str, str]:
        return {**{name: value for name, value in os.environ.items() if name != "PYTHONPATH"}, **self.variables}


def read_steps(dockerfile: Path) -> list[tuple[str, str]]:
    """Returns the instructions of a Dockerfile, each with what stands behind it."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = filter(str.strip, text.replace("\\\n", " ").splitlines())
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


def take(container: Container, name: str, rest: str, context: Path) -> None:
    """Takes one step; ValueError if it is none that this program knows."""
    if name in {"ARG", "ENV"}:
        for pair in shlex.split(rest):
            variable, _, value = pair.partition("=")
            if name == "ENV" or variable not in container.variables:
                container.variables[variable] = value
    elif name == "COPY":
        *sources, target = rest.split()
        container.copy([context / source for source in sources], target)
    elif name == "WORKDIR":
        container.place = rest
        container.folders.add(rest)
        container.outside(".").mkdir(parents=True, exist_ok=True)
    elif name == "RUN":
        container.run(rest)
    elif name == "ENTRYPOINT":
        container.entrypoint = json.loads(rest)
    elif name == "CMD":
        container.command = json.loads(rest)
    elif name not in {"FROM", "USER", "EXPOSE", "HEALTHCHECK"}:
        raise ValueError(f"{name} {rest}: this program does not know such a step")


def build(dockerfile: Path, context: Path, root: Path, programs: Path, arguments: Mapping[str, str]) -> Container:
    """Takes all steps of a Dockerfile.

    Args:
        dockerfile: the file.
        context: the folder that COPY copies from.
        root: an empty folder, which stands for the container's root.
        programs: the folder that has the container's python and pip.
        arguments: values for ARG.
    """
    stubs = root / "stubs"
    stubs.mkdir(parents=True)
    for name in NEED_ROOT:
        (stubs / name).write_text(f'#!/bin/sh\necho "not run, because it needs root: {name} $*"\n', encoding="utf-8")
        (stubs / name).chmod(0o755)
    path = os.pathsep.join([str(stubs), str(programs), os.environ["PATH"]])
    container = Container(root, {**arguments, "PATH": path}, folders={"/var"})
    for name, rest in read_steps(dockerfile):
        take(container, name, rest, context)
    return container


def make_environment(folder: Path, packages_of: Path | None) -> Path:
    """Makes a virtual environment, which may see the packages of another one, and returns the folder of its programs."""
    venv.create(folder, with_pip=True)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    if packages_of is not None:
        command = [programs / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        place = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        Path(place, "others.pth").write_text(f"{packages_of.resolve()}\n", encoding="utf-8")
    return programs


def main(words: Sequence[str] | None = None) -> int:
    """Takes the steps, and returns the exit code of the container's command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("dockerfile", type=Path, nargs="?", default=ROOT / "Dockerfile")
    parser.add_argument("--arg", action="append", default=[], metavar="NAME=VALUE", help="an argument of the build")
    parser.add_argument("--packages-of", type=Path, help="site-packages of an environment that has the dependencies")
    parser.add_argument("--command", nargs="+", default=[], help="what to run in place of the container's own command")
    options = parser.parse_args(words)
    place = ROOT / "build" / "container"
    shutil.rmtree(place, ignore_errors=True)
    programs = make_environment(place / "venv", options.packages_of)
    arguments = dict(pair.split("=", 1) for pair in options.arg)
    container = build(options.dockerfile, options.dockerfile.parent, place / "root", programs, arguments)
    return container.start(*options.command).wait()


if __name__ == "__main__":
    sys.exit(main())
