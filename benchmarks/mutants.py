"""Makes many small changes to the code, one at a time, and counts how many of them the tests catch.

Cosmic Ray makes the mutants. `[tool.mutants]` in `pyproject.toml` lists the files and the tests that must catch their
mutants. Every mutant runs in a process of its own, forked after torch is imported, and replaces its file in memory only.

    python benchmarks/mutants.py [PART OF A FILE'S PATH ...] [--jobs N]
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import signal
import sys
import time
import tomllib
from collections import Counter
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import torch
from cosmic_ray import mutating, plugins
from cosmic_ray.ast import ast_nodes, get_ast

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
OPTIONS = ["-x", "-q", "--noconftest", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
# Variable… need arguments. Bit operators instead of others hardly ever survive and would flatter the tests.
LEFT_OUT = re.compile(r"core/(Variable\w+|ReplaceBinaryOperator_\w+_(Bit\w+|LShift|RShift|Pow))")
UNCHANGED, BROKEN = "unchanged", "broken"  # two controls per file: the tests must pass with the first alone
CONTROLS = {UNCHANGED, BROKEN}


@dataclass(frozen=True)
class Mutant:
    """A changed version of a file.

    Attributes:
        path: the file.
        tests: the tests that should fail.
        operator: Cosmic Ray's name of the change.
        line: the number of the first line that differs.
        before: that line.
        after: the same line of the changed version.
        code: the changed version.
    """

    path: Path
    tests: tuple[str, ...]
    operator: str
    line: int
    before: str
    after: str
    code: str

    @property
    def name(self) -> str:
        """The file's path below the repository."""
        return str(self.path.relative_to(ROOT))


def what_runs(code: str) -> str:
    """Returns the syntax tree without what only a type checker reads; "" if `code` is no Python.

    A type checker alone reads annotations, the imports that are for it, and the bodies of protocols.
    """
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.test, node.body = ast.Constant(None), []
        elif isinstance(node, ast.ClassDef) and "Protocol" in map(ast.unparse, node.bases):
            node.body = []
    return ast.dump(tree)


def mutants_of(pattern: str, tests: list[str], wanted: list[str]) -> Iterator[Mutant]:
    """Yields two controls and the mutants of each file.

    Args:
        pattern: the files, as a glob below the repository; "::name" after it chooses one class of theirs.
        tests: the tests that should catch the mutants.
        wanted: parts of paths; only files with one of these in their path are taken. If empty, all are.
    """
    files, _, scope = pattern.partition("::")
    for path in sorted(ROOT.glob(files)):
        if wanted and not any(text in str(path) for text in wanted):
            continue
        source = path.read_text(encoding="utf-8")
        lines = lines_of(source, scope)
        yield Mutant(path, tuple(tests), UNCHANGED, 0, "", "", source)
        yield Mutant(path, tuple(tests), BROKEN, 0, "", "", "raise ImportError")
        seen = {"", what_runs(source)}
        for operator, code in changed(source):
            line, before, after = first_difference(source, code)
            if line in lines and (runs := what_runs(code)) not in seen:
                seen.add(runs)
                yield Mutant(path, tuple(tests), operator, line, before, after, code)


def changed(source: str) -> Iterator[tuple[str, str]]:
    nodes = list(ast_nodes(get_ast(source)))
    for name in sorted(name for name in plugins.operator_names() if not LEFT_OUT.fullmatch(name)):
        operator = plugins.get_operator(name)()
        for occurrence in range(sum(len(list(operator.mutation_positions(node))) for node in nodes)):
            yield name.removeprefix("core/"), mutating.mutate_code(source, operator, occurrence)


def lines_of(source: str, scope: str) -> range:
    bounds = [(node.lineno, node.end_lineno) for node in ast.parse(source).body if getattr(node, "name", "") == scope]
    first, last = bounds[0] if scope else (1, len(source.splitlines()))
    return range(first, (last or first) + 1)


def first_difference(before: str, after: str) -> tuple[int, str, str]:
    pairs = enumerate(zip([*before.splitlines(), ""], [*after.splitlines(), ""], strict=False), 1)
    return next((number, old.strip(), new.strip()) for number, (old, new) in pairs if old != new)


def start(mutant: Mutant) -> int:
    """Runs the mutant's tests in a process of its own, silently, and returns the process id."""
    process = os.fork()
    if process:
        return process
    os.setpgid(0, 0)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    code = 1
    try:
        load_instead(mutant)
        code = pytest.main([*OPTIONS, *mutant.tests])
    finally:
        os._exit(code)


def load_instead(mutant: Mutant) -> None:
    load = SourceFileLoader.get_code

    def get_code(loader: SourceFileLoader, name: str) -> Any:
        if Path(loader.path) == mutant.path:
            return compile(mutant.code, loader.path, "exec", dont_inherit=True)
        return load(loader, name)

    SourceFileLoader.get_code = get_code


def outcomes(mutants: list[Mutant], jobs: int, timeout: float) -> Iterator[tuple[Mutant, bool]]:
    """Yields every mutant with whether its tests passed; a mutant that takes longer than `timeout` seconds is caught."""
    waiting, running = mutants[::-1], {}
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop()
            running[start(mutant)] = mutant, time.monotonic()
        time.sleep(0.02)
        for process, (mutant, began) in list(running.items()):
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                del running[process]
                yield mutant, os.waitstatus_to_exitcode(status) == pytest.ExitCode.OK
            elif time.monotonic() - began > timeout:
                os.killpg(process, signal.SIGKILL)


def check_control(mutant: Mutant, *, passed: bool) -> None:
    if mutant.operator == UNCHANGED and not passed:
        sys.exit(f"{mutant.name}: {' '.join(mutant.tests)} fail without a change. Mend them first.")
    if mutant.operator == BROKEN and passed:
        sys.exit(f"{mutant.name}: {' '.join(mutant.tests)} do not import this file. Install this checkout first.")


def import_third_parties() -> None:
    """Imports what our modules import, and forgets our modules: each fork imports them anew, with its mutant."""
    for name in ("stargan_fw_share.export", "stargan_fw.cli.main", "stargan_fw_plugins.datasets.celeba"):
        import_module(name)
    for name in [name for name in sys.modules if name.startswith("stargan_fw")]:
        del sys.modules[name]


def use_fast_hypothesis() -> None:
    """Skips shrinking, since the first failure decides, and draws the same examples for every mutant."""
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
    hypothesis.settings.register_profile("mutants", database=None, derandomize=True, deadline=None, phases=phases)
    hypothesis.settings.load_profile("mutants")


def report(mutants: list[Mutant], table: dict[str, Any], jobs: int) -> float:
    """Runs the mutants, prints those that survive, and returns the share that is caught."""
    tested: Counter[str] = Counter()
    caught: Counter[str] = Counter()
    for mutant, passed in outcomes(mutants, jobs, table["timeout"]):
        if mutant.operator in CONTROLS:
            check_control(mutant, passed=passed)
            continue
        tested[mutant.name] += 1
        caught[mutant.name] += not passed
        if passed:
            print(f"survived: {mutant.name}:{mutant.line} {mutant.operator}")
            print(f"    - {mutant.before}\n    + {mutant.after}", flush=True)
    for name, count in tested.items():
        print(f"{name}: {caught[name]} of {count} caught")
    share = caught.total() / tested.total()
    print(
        f"{caught.total()} of {tested.total()} mutants caught: {share:.1%}; at least {table['caught']:.0%} are wanted"
    )
    return share


def main() -> None:
    """Exits with 1 if too few mutants are caught."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", help="only files with one of these in their path")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    os.chdir(ROOT)
    table = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutants"]
    parts = [(file, part["tests"]) for part in table["parts"] for file in part["files"]]
    mutants = [mutant for file, tests in parts for mutant in mutants_of(file, tests, arguments.files)]
    torch.set_num_threads(1)
    import_third_parties()
    use_fast_hypothesis()
    sys.exit(report(mutants, table, arguments.jobs) < table["caught"])


if __name__ == "__main__":
    main()
