"""Feeds changed files and texts to everything that reads what comes from outside.

A reader may take an input or refuse it with a `RequestError`. Any other exception, more than ten seconds, or more than two
gigabytes for one input is a find: its input is written into the folder of finds, and the program's exit code is 1.

    python benchmarks/fuzz.py [--minutes M] [--seed S] [--parser NAME ...] [--finds FOLDER]
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from fuzz_parsers import Parser, make_parsers

from stargan_fw.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterable

SECONDS, GIBIBYTES = 10, 2  # for one input


class TooSlowError(BaseException):
    """An input takes too long. No reader catches it, as one may catch `TimeoutError`, which is an `OSError`."""


@dataclass
class Fuzzer:
    """Tries inputs, and keeps what goes wrong.

    Attributes:
        finds: the folder for inputs that went wrong.
        tried: the number of inputs by parser.
        refused: the number of inputs that were refused, by parser.
        found: what went wrong, and the input's file.
    """

    finds: Path
    tried: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    found: dict[str, Path] = field(default_factory=dict)

    def run(self, parsers: dict[str, Parser], minutes: float, seed: int) -> None:
        """Tries the parsers in turn until the time is over."""
        rng, end = random.Random(seed), time.monotonic() + 60 * minutes  # noqa: S311 - no secret
        while time.monotonic() < end:
            for name, parser in parsers.items():
                turn = time.monotonic() + 1
                while time.monotonic() < min(turn, end):
                    self.try_one(name, parser, draw_input(parser, rng))

    def try_one(self, name: str, parser: Parser, data: bytes) -> None:
        """Gives one input to a parser."""
        self.tried[name] += 1
        signal.alarm(SECONDS)
        try:
            parser.read(data)
        except RequestError:
            self.refused[name] += 1
        except (Exception, SystemExit, TooSlowError) as error:  # noqa: BLE001 - every other exception is a find
            self._keep(name, data, error)
        finally:
            signal.alarm(0)

    def _keep(self, name: str, data: bytes, error: BaseException) -> None:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "stargan_fw" in frame.filename]
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        what = f"{name}: {type(error).__name__} at {where}"
        if what in self.found:
            return
        self.finds.mkdir(parents=True, exist_ok=True)
        self.found[what] = self.finds / f"{name.replace(' ', '-')}-{len(self.found)}"
        self.found[what].write_bytes(data)
        print(f"FOUND {what}: {str(error)[:200]!r}: {self.found[what]}", flush=True)
        traceback.print_exception(error, limit=-6)


def draw_input(parser: Parser, rng: random.Random) -> bytes:
    """Returns a sample that is changed one to eight times."""
    data = rng.choice(parser.samples)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        data = rng.choice(parser.changes)(data, rng)
    return data


def take_samples(name: str, parser: Parser) -> None:
    """Makes sure that a parser takes its samples: changes of what is refused anyway would show little."""
    for sample in parser.samples:
        try:
            parser.read(sample)
        except RequestError as error:
            raise RuntimeError(f"the parser '{name}' refuses its sample {sample[:60]!r}") from error


def _too_slow(*_: object) -> None:
    raise TooSlowError(f"more than {SECONDS} seconds")


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + GIBIBYTES * 2**30
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def report(fuzzer: Fuzzer) -> Iterable[str]:
    """Yields a line per parser, and the sum."""
    for name, count in fuzzer.tried.items():
        yield f"{name:22} {count:9,} inputs, {fuzzer.refused[name]:9,} refused"
    yield f"{'all':22} {fuzzer.tried.total():9,} inputs, {len(fuzzer.found)} finds"


def main() -> int:
    """Fuzzes, and prints what was tried and found."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=5)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--parser", action="append", metavar="NAME", help="repeatable")
    options.add_argument("--finds", type=Path, default=Path("fuzz-finds"))
    chosen = options.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as work:
        parsers = make_parsers(Path(work))
        if unknown := set(chosen.parser or ()) - set(parsers):
            options.error(f"no parser {', '.join(unknown)}; there are {', '.join(parsers)}")
        for name, parser in parsers.items():
            take_samples(name, parser)
        signal.signal(signal.SIGALRM, _too_slow)
        _limit_memory()
        fuzzer = Fuzzer(chosen.finds)
        fuzzer.run({name: parsers[name] for name in chosen.parser or parsers}, chosen.minutes, chosen.seed)
    print("\n".join(report(fuzzer)))
    return 1 if fuzzer.found else 0


if __name__ == "__main__":
    sys.exit(main())
