"""Merges the rows of a table that name the same image."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stargan_fw_plugins.datasets.doubts import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stargan_fw import Example
    from stargan_fw_plugins.datasets.records import Records


def merge_repeated(examples: Sequence[Example], records: Records) -> tuple[list[Example], list[Finding]]:
    """Returns one example per image file, and findings on those that several rows name.

    A label on which the rows of an image disagree is unknown; a label that only some of them know is taken from those. An
    image that is on both sides of a split is a test image.

    Args:
        examples: one per row.
        records: the table, for the places of rows.
    """
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, example in enumerate(examples):
        if isinstance(example.image, Path | str):
            rows_of[str(example.image)].append(row)
    repeated = {rows[0]: rows for rows in rows_of.values() if len(rows) > 1}
    if not repeated:
        return list(examples), []
    later = {row for rows in repeated.values() for row in rows[1:]}
    merged = {row: _merge([examples[other] for other in rows]) for row, rows in repeated.items()}
    kept = [merged.get(row, example) for row, example in enumerate(examples) if row not in later]
    return kept, _describe(examples, repeated, records)


def _merge(rows: Sequence[Example]) -> Example:
    labels = {}
    for name in rows[0].labels:
        known = {row.labels[name] for row in rows if row.labels[name] is not None}
        labels[name] = known.pop() if len(known) == 1 else None
    people = {row.identity for row in rows}
    sides = {row.split for row in rows}
    return replace(
        rows[0],
        labels=labels,
        identity=rows[0].identity if len(people) == 1 else None,
        split=rows[0].split if len(sides) == 1 else "test",
    )


def _describe(examples: Sequence[Example], repeated: dict[int, list[int]], records: Records) -> list[Finding]:
    """Returns a finding for images that are listed again, one for other labels, and one for both sides of a split."""
    total = sum(map(len, repeated.values()))
    findings = [Finding("left out", f"{total - len(repeated)} of {total} rows that name {len(repeated)} images again")]
    disagreeing = [rows for rows in repeated.values() if _differ([examples[row].labels for row in rows])]
    if disagreeing:
        findings.append(
            Finding(
                "warning",
                f"{len(disagreeing)} images are listed again with other labels, which are unknown for"
                f" them: {_such_as(examples, disagreeing[0], records)}",
            )
        )
    crossing = [rows for rows in repeated.values() if len({examples[row].split for row in rows}) > 1]
    if crossing:
        findings.append(
            Finding(
                "warning",
                f"{len(crossing)} images are listed on both sides of the split, and are test images:"
                f" {_such_as(examples, crossing[0], records)}",
            )
        )
    return findings


def _differ(labels: Sequence[object]) -> bool:
    return any(other != labels[0] for other in labels[1:])


def _such_as(examples: Sequence[Example], rows: Sequence[int], records: Records) -> str:
    said = [f"{records.locate(row)} ({_labels(examples[row])})" for row in rows[:3]]
    return f"'{examples[rows[0]].image}' by {' and '.join(said)}"


def _labels(example: Example) -> str:
    return ", ".join(f"{name} {value}" for name, value in example.labels.items() if value is not None)
