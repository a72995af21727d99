"""`RUN/evaluation.json`: what was measured of a run, which its card shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from stargan_fw.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILE = "evaluation.json"


class Result(BaseModel):
    """A row.

    Attributes:
        metric: what was measured, with its unit: "expression error (%)".
        value: the figure.
        interval: its lower and upper bound, where they are known.
        split: of which images: "test".
    """

    model_config = ConfigDict(extra="forbid")

    metric: str
    value: float
    interval: tuple[float, float] | None = None
    split: str


_ROWS = TypeAdapter(list[Result])


def write_results(run: Path, results: Sequence[Result]) -> None:
    """Writes the rows of a run, in place of those before."""
    (run / FILE).write_bytes(_ROWS.dump_json(list(results), indent=1) + b"\n")


def read_results(run: Path) -> list[Result]:
    """Returns the rows of a run; none where nothing was measured.

    Raises:
        RunError: the file is broken.
    """
    path = run / FILE
    if not path.exists():
        return []
    try:
        return _ROWS.validate_json(path.read_bytes())
    except ValidationError as error:
        raise RunError(f"'{path}' cannot be read: {error.errors()[0]['msg']}. Evaluate the run again.") from None
