"""Builds the packages of a release, and tries them as somebody would who has nothing but them.

    python benchmarks/release_check.py [--tag v0.1.0] [--packages-of SITE_PACKAGES] [--dist dist]

The wheel is built from the sdist, so that the sdist is known to build. Both must render on PyPI, have every data file and a
`py.typed` for each package, and name no path of the machine that built them. The wheel is then installed into an empty
environment, every entry point is loaded, all extras must be installable together, and the program draws faces, trains for four steps
and translates. The licences of all that was installed are listed in build/release/licences.md.

An empty environment downloads gigabytes, most of them PyTorch. With `--packages-of` it sees the packages of another environment
instead, and only the wheel is installed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "release"
TEXT = {".py", ".pyi", ".toml", ".md", ".html", ".css", ".js", ".json", ".jsonl", ".c", ".cff", ".txt", ""}
TINY = [
    *("--set", "data.image_size=32", "--set", "generator.conv_dim=4", "--set", "discriminator.conv_dim=4"),
    *("--set", "training.n_critic=1", "--max-steps", "4"),
]
# Read in the packages' own licence files. cuda-toolkit only names other packages; of dicebear-styles one drawing is used, avataaars.
LICENCES_NOT_IN_METADATA = {
    "cuda-toolkit": "NVIDIA CUDA Toolkit EULA",
    "dicebear-styles": "MIT; avataaars: free for personal and commercial use",
    "resvg_py": "MIT",
}
LOAD_ENTRY_POINTS = """
from importlib.metadata import distribution
for entry in distribution("stargan-fw").entry_points:
    entry.load()
    print(entry.group, entry.name, sep=": ")
"""
LIST_LICENCES = """
from importlib.metadata import PackageNotFoundError, distribution
from packaging.requirements import Requirement

def licence(package):
    classified = [line.rpartition(" :: ")[2] for line in package.get_all("Classifier", []) if line.startswith("License ::")]
    stated = (package.get("License") or "").strip().partition("\\n")[0]
    return package.get("License-Expression") or ", ".join(classified) or stated or "unknown"

extras = set(distribution("stargan-fw").metadata.get_all("Provides-Extra")) - {"dev"}
found, waiting = {}, [("stargan-fw", extra) for extra in {"", *extras}]
while waiting:
    name, extra = waiting.pop()
    try:
        package = distribution(name)
    except PackageNotFoundError:  # of another platform, or of an extra that is not installed
        continue
    if (package.name.lower(), extra) in found:
        continue
    found[package.name.lower(), extra] = f"{package.name}\t{package.version}\t{licence(package.metadata)}"
    for line in package.requires or []:
        need = Requirement(line)
        if need.marker is None or need.marker.evaluate({"extra": extra}):
            waiting += [(need.name, chosen) for chosen in {"", *need.extras}]
print(*sorted(set(found.values()), key=str.lower), sep="\\n")
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the release and return the exit code: 1 if there is a fault."""
    options = parse(arguments)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    sdist, wheel = build(options.dist)
    faults = [
        *tag_faults(options.tag, project["project"]["version"]),
        *version_faults(ROOT, project["project"]["version"]),
        *wheel_faults(wheel, project),
        *path_faults(wheel_texts(wheel)),
        *path_faults(sdist_texts(sdist)),
        *rendering_faults([sdist, wheel]),
    ]
    program = install(wheel, project, options.packages_of)
    faults += licence_faults(list_licences(program))
    try_out(program)
    for path in (sdist, wheel):
        print(f"{path.name}: {path.stat().st_size / 1000:,.0f} kB")
    print(f"environment: {size(program.parent) / 1e6:,.0f} MB")
    print(*[f"FAULT: {fault}" for fault in faults] or ["The release is fit to publish."], sep="\n")
    return int(bool(faults))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tag", help="the tag that is published; it must be v and the version")
    parser.add_argument("--packages-of", type=Path, help="site-packages of an environment that has the dependencies")
    parser.add_argument(
        "--dist", type=Path, default=ROOT / "dist", help="where the two packages go; it is emptied first"
    )
    return parser.parse_args(arguments)


def build(dist: Path) -> tuple[Path, Path]:
    """Build the sdist, and the wheel from the sdist, into a folder that has nothing else afterwards."""
    shutil.rmtree(dist, ignore_errors=True)
    run([sys.executable, "-m", "build", "--outdir", str(dist), str(ROOT)])
    return next(dist.glob("*.tar.gz")), next(dist.glob("*.whl"))


def tag_faults(tag: str | None, version: str) -> Iterator[str]:
    """Compare the tag that is published with the version in pyproject.toml."""
    if tag not in {None, f"v{version}"}:
        yield f"the tag is {tag}, and pyproject.toml has version {version}: tag v{version}, or change the version"


def version_faults(root: Path, version: str) -> Iterator[str]:
    """Compare the version in pyproject.toml with the one in CITATION.cff."""
    if f"\nversion: {version}\n" not in (root / "CITATION.cff").read_text(encoding="utf-8"):
        yield f"CITATION.cff has another version than pyproject.toml: write `version: {version}`"


def wheel_faults(wheel: Path, project: dict[str, dict]) -> Iterator[str]:
    """Find files of the packages that the wheel lacks: code, data and each package's `py.typed`."""
    inside = set(zipfile.ZipFile(wheel).namelist())
    for package in map(Path, project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]):
        wanted = {Path(package.name, "py.typed").as_posix()} | {
            path.relative_to(ROOT / package.parent).as_posix()
            for path in (ROOT / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        yield from (f"the wheel lacks {name}" for name in sorted(wanted - inside))


def wheel_texts(wheel: Path) -> Iterator[tuple[str, str]]:
    """Read the text files of a wheel: names and contents."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if PurePosixPath(name).suffix in TEXT:
                yield name, archive.read(name).decode(errors="replace")


def sdist_texts(sdist: Path) -> Iterator[tuple[str, str]]:
    """Read the text files of an sdist: names and contents."""
    with tarfile.open(sdist) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None and PurePosixPath(member.name).suffix in TEXT:
                yield member.name, content.read().decode(errors="replace")


def path_faults(texts: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Find paths of this machine in files: the repository's folder, the home folder, and the folder of this Python."""
    places = {str(ROOT), str(Path.home()), sys.prefix} - {"/"}
    names = "|".join(map(re.escape, places))
    pattern = re.compile(rf"(?<![\w.)}}\]])(?:{names})(?=[/\s\"'`)\]]|$)")  # `{folder}/root` is a path of any machine
    for name, text in texts:
        yield from (f"{name} names {match[0]}, a path of this machine" for match in pattern.finditer(text))


def rendering_faults(packages: Sequence[Path]) -> Iterator[str]:
    """Ask twine whether PyPI renders the README."""
    checked = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *packages], capture_output=True, text=True, check=False
    )
    if checked.returncode:
        yield f"twine check: {checked.stdout}{checked.stderr}"


def install(wheel: Path, project: dict[str, dict], packages_of: Path | None) -> Path:
    """Install the wheel into an empty environment, and return the folder of its programs."""
    shutil.rmtree(WORK, ignore_errors=True)
    venv.create(WORK / "venv", with_pip=True)
    program = WORK / "venv" / ("Scripts" if os.name == "nt" else "bin")
    if packages_of is None:
        run([program / "pip", "install", "--quiet", f"{wheel}[sample]"])
        extras = ",".join(project["project"]["optional-dependencies"])
        run([program / "pip", "install", "--quiet", "--dry-run", f"{wheel}[{extras}]"])
    else:
        printed = run([program / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
        Path(printed.strip(), "others.pth").write_text(f"{packages_of.resolve()}\n", encoding="utf-8")
        run([program / "pip", "install", "--quiet", "--no-deps", "--ignore-installed", wheel])
    print(run([program / "python", "-c", LOAD_ENTRY_POINTS]))
    return program


def list_licences(program: Path) -> list[list[str]]:
    """List name, version and licence of what was installed, and write the list to build/release/licences.md."""
    printed = run([program / "python", "-c", LIST_LICENCES])
    rows = [line.split("\t") for line in printed.splitlines()]
    rows = [[name, version, LICENCES_NOT_IN_METADATA.get(name, licence)] for name, version, licence in rows]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    (WORK / "licences.md").write_text(f"| package | version | licence |\n|---|---|---|\n{table}\n", encoding="utf-8")
    print(table)
    return rows


def licence_faults(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Find licences that are not said, or that ask a program under MIT for more than MIT does."""
    for name, version, licence in rows:
        if licence == "unknown" or re.search(r"\bA?GPL|GNU (Affero )?General", licence):
            yield f"{name} {version} has the licence {licence}: read it, and say so in the README or leave the package out"


def try_out(program: Path) -> None:
    """Draw faces, train for four steps and translate, in an empty folder."""
    place = WORK / "place"
    place.mkdir()
    stargan = program / "stargan-fw"
    for words in (
        ["--version"],
        ["--help"],
        ["plugins", "list"],
        ["data", "sample", "data", "--images", "40", "--people", "6"],
    ):
        print(run([stargan, *words], place))
    print(run([stargan, "train", "--datasets", "celeba,rafd", "--data", "data", "--out", "run", *TINY], place))
    face = next((place / "data" / "rafd").rglob("*.jpg"))
    print(run([stargan, "translate", "run", face, "--to", "happy", "--to", "Blond_Hair", "-o", "out"], place))
    pictures = [path for path in (place / "out").rglob("*") if path.is_file()]
    print(f"{len(pictures)} translated pictures")


def size(folder: Path) -> int:
    """Add up the bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def run(command: Sequence[str | Path], place: Path = ROOT) -> str:
    """Run a command without this environment's own packages, and return what it prints; a failing one ends the check."""
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    print("$", *command, flush=True)
    ran = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        sys.exit(f"{ran.stdout}{ran.stderr}\nFAULT: the command above ended with {ran.returncode}")
    return ran.stdout


if __name__ == "__main__":
    sys.exit(main())
