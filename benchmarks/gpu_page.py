"""Writes a result of `gpu.py` as Markdown: the aims, and a table per section."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

TITLES = {
    "machine": "The machine",
    "tests": "The tests that need the device",
    "ways": "Ways to train, against the plain one",
    "speed": "A training step, against the reference's formulation",
    "length": "The paper's 200,000 updates",
    "kernels": "Where the time goes",
    "networks": "Shares of the measured limits, by network",
    "layers": "Layers for tensor cores, against those that they replace",
    "labels": "The cost of labels",
    "translation": "Translating",
    "loading": "Reading batches",
    "ranks": "Two processes on one GPU, through gloo",
}
NOTES = {
    "machine": "Matrix products are square and large. A copy's bytes are counted where they are read and where they are written.",
    "ways": "What `training.tune` tries, against plain torch in fp32 without TF32: layers as they are built, eager, contiguous. Losses "
    "are of the first step, and gradients of the initial weights: the share that is missing or too much, and the rest, relative to "
    "the norm. A way is right within the tolerances of `training.tune`.",
    "speed": "Images per second of whole cycles (five updates of the critic, one of the generator), medians of rounds that took "
    "turns. Memory is the most that a cycle had in use, weights included. The share is that of the measured bf16 rate, for the products "
    "of the networks as they are built.",
    "length": "From a steady minute. Sheets, checkpoints and logs of a run come on top.",
    "kernels": "Shares are of the time of all kernels in a cycle.",
    "networks": "Shares are of the measured bf16 rate and of the measured copy bandwidth. Bytes are what the operators of the plain "
    "network read and write, so a compiled or cached network may have more than its share.",
    "layers": "Forward and backward, eager, medians of turns. The swapped penalty is compiled.",
}
DOCUMENT, DATA = "performance_gpu.md", "performance_gpu.json"
COMMAND = """```sh
make gpu                                              # measures, in at most nine minutes, and writes gpu/gpu.json
python benchmarks/gpu.py --page gpu/gpu.json          # makes this page of that result
```"""
AT_16, AT_64 = "batch 16, 128 px", "batch 64, 128 px"
FASTEST = ", fastest way"

# What is aimed at: the text, section, item and column, and the bound, which a minus sign makes an upper one.
AIMS = [
    ("at least 5 times the reference's step, batch 16, 128 px", "speed", AT_16, "ratio", 5.0),
    ("at least 25 % of the bf16 rate over a cycle, batch 16, 128 px", "speed", AT_16, "share of bf16", 0.25),
    ("at least 35 % of the bf16 rate over a cycle, batch 64, 128 px", "speed", AT_64, "share of bf16", 0.35),
    ("at most 0.6 times the reference's memory, batch 16, 128 px", "speed", AT_16, "memory ratio", -0.6),
    (
        "at most 15 minutes for 200,000 updates on an H200",
        "length",
        "batch 16, 128 px",
        "minutes for 200,000 updates",
        -15.0,
    ),
]


def show(value: Any) -> str:
    """Returns a cell: numbers with three digits that count."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|").replace("\n", " ")


def markdown(result: Mapping[str, Any] | None) -> str:
    """Returns the page of a result; None is a page that says that nothing was measured."""
    if result is None:
        return f"# On a GPU\n\nNot measured. Nothing here says yet how fast any GPU is.\n\n{COMMAND}\n"
    small = " Networks were tiny: these numbers only show that the program works." if result["small"] else ""
    about = f"Measured on {result['began']}, commit {result['commit']}, device {result['device']}.{small}"
    parts = ["# On a GPU", about, COMMAND]
    if not result["small"]:
        parts += ["## Aims", _table(list(aims(result["sections"])))]
    for name, section in result["sections"].items():
        parts += [f"## {TITLES[name]}", *([NOTES[name]] if name in NOTES else []), *_section(section["items"])]
    return "\n\n".join(parts) + "\n"


def aims(sections: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields a row for every aim, by default and in the fastest way that was right."""
    for text, section, item, column, bound in AIMS:
        items = sections.get(section, {}).get("items", {})
        found = [items.get(f"{item}{way}", {}).get("found", {}).get(column) for way in ("", FASTEST)]
        met = [value >= bound if bound > 0 else value <= -bound for value in found if value is not None]
        row = {"aim": text, "by default": found[0], "fastest way": found[1]}
        yield {**row, "met": any(met) if met else "not measured"}


def _section(items: Mapping[str, Any]) -> Iterator[str]:
    """Yields a section's tables, and what is not in them with the reason."""
    flat = [{"": name, **item["found"]} for name, item in items.items() if isinstance(item.get("found"), dict)]
    if flat:
        yield _table(flat)
    for name, item in items.items():
        if isinstance(item.get("found"), list):
            yield f"{name}:"
            yield _table(item["found"])
    missing = [f"- {name}: {why}" for name, item in items.items() if (why := _why_missing(item))]
    if missing:
        yield "\n".join(missing)


def _why_missing(item: Mapping[str, Any]) -> str | None:
    if "error" in item:
        return f"failed: {show(item['error'])}"
    if "skipped" in item:
        return f"left out: {item['skipped']}"
    return "not finished" if "begun" in item else None


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [columns, ["---"] * len(columns), *([show(row.get(column)) for column in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def make_page(source: Path, docs: Path) -> Path:
    """Writes docs/performance_gpu.md of a result, and keeps the result beside the page.

    Raises:
        SystemExit: the result is of tiny networks, which measures nothing.
    """
    text = source.read_text(encoding="utf-8")
    result = json.loads(text)
    if result["small"]:
        raise SystemExit(f"'{source}' is of --small, which measures nothing.")
    (docs / DATA).write_text(text.rstrip() + "\n", encoding="utf-8")
    page = docs / DOCUMENT
    page.write_text(markdown(result), encoding="utf-8")
    return page
