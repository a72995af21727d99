"""What an evaluation found, and the forms in which it is given out."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stargan_fw.errors import RunError
from stargan_fw.files import write_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FILE = "evaluation.json"
FORMAT = 1
COLUMNS = ("run", "metric", "target", "value", "low", "high", "split", "n")

# metric → what a reader is told it is, and how a figure of it is written.
METRICS: dict[str, tuple[str, Callable[[float], str]]] = {
    "classification_error": ("classification error", "{:.2%}".format),
    "real_classification_error": ("error on real images", "{:.2%}".format),
    "share_read": ("read as", "{:.2%}".format),
    "share_read_of_input": ("inputs read as", "{:.2%}".format),
    "reconstruction_l1": ("reconstruction L1", "{:.4f}".format),
    "classifier_frechet_distance": ("classifier Fréchet distance", "{:.3f}".format),
    "classifier_kernel_distance": ("classifier kernel distance", "{:.5f}".format),
    "inception_frechet_distance": ("FID", "{:.3f}".format),
    "inception_kernel_distance": ("KID", "{:.5f}".format),
    "psnr": ("PSNR, dB", "{:.2f}".format),
    "psnr_of_input": ("PSNR of the input, dB", "{:.2f}".format),
    "ssim": ("SSIM", "{:.4f}".format),
    "identity_error": ("identity error", "{:.4f}".format),
    "parameters": ("parameters", "{:,.0f}".format),
    "images_per_second": ("images/s", "{:,.1f}".format),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes:
        metric: a key of `METRICS`.
        target: what was measured: a label ("pets.cat"), a dataset ("pets"), or "" for the whole run.
        value: the figure; shares are 0 to 1.
        low, high: its 95 % interval, or for speeds the slowest and fastest round; None where there is none.
        split: of which images: "test"; "" where it is of none.
        n: how many there were; 0 where there were none.
    """

    metric: str
    target: str
    value: float
    low: float | None = None
    high: float | None = None
    split: str = "test"
    n: int = 0

    @property
    def text(self) -> str:
        """Value and interval, as people write them."""
        write = METRICS[self.metric][1]
        return write(self.value) + (
            "" if self.low is None or self.high is None else f" [{write(self.low)}, {write(self.high)}]"
        )


@dataclass
class Evaluation:
    """What was found of one run.

    Attributes:
        run: its folder, as it was named.
        checkpoint: that was evaluated.
        settings: what was asked for.
        rows: the figures.
        notes: what a reader must know to believe them.
    """

    run: str
    checkpoint: str
    settings: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Returns it as `RUN/evaluation.json` has it."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def read(cls, run: Path) -> Evaluation | None:
        """Reads `RUN/evaluation.json`; None where the run was not evaluated.

        Raises:
            RunError: it is broken.
        """
        path = run / FILE
        if not path.exists():
            return None
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            rows = [Row(**row) for row in values["rows"] if row["metric"] in METRICS]
            return cls(values["run"], values["checkpoint"], values["settings"], rows, values["notes"])
        except (ValueError, TypeError, KeyError):
            raise RunError(f"'{path}' cannot be read. Evaluate the run again, or remove it.") from None

    def value(self, metric: str, target: str = "") -> Row:
        """Returns a row; KeyError where there is none."""
        found = next((row for row in self.rows if (row.metric, row.target) == (metric, target)), None)
        if found is None:
            raise KeyError((metric, target))
        return found

    def write(self) -> Path:
        """Writes `RUN/evaluation.json`, in place of the one before, and returns its path."""
        path = Path(self.run) / FILE
        write_text(path, json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n")
        return path


def as_csv(evaluations: Sequence[Evaluation]) -> str:
    """Returns a line for each figure; unknown bounds are empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for evaluation in evaluations:
        writer.writerows({"run": evaluation.run, **asdict(row)} for row in evaluation.rows)
    return text.getvalue()


def as_markdown(evaluations: Sequence[Evaluation]) -> str:
    """Returns a table with a column for each run, and the notes below it."""
    header, *rows = table(evaluations)
    lines = [header, ["---"] * len(header), *rows]
    text = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines]
    return "\n".join([*text, *(f"\n{note}" for note in notes(evaluations)), ""])


def notes(evaluations: Sequence[Evaluation]) -> list[str]:
    """Returns what a reader must know to believe the figures, each note once."""
    return list(dict.fromkeys(note for evaluation in evaluations for note in evaluation.notes))


def table(evaluations: Sequence[Evaluation], *, brief: bool = False) -> list[list[str]]:
    """Returns the cells of a table: a header, then a line for each figure, with a column for each run.

    Args:
        evaluations: of the runs.
        brief: show single labels for the errors alone, and of all else only what holds for a dataset.
    """
    cells = [
        {(row.metric, row.target): row for row in evaluation.rows if not (brief and _is_detail(row))}
        for evaluation in evaluations
    ]
    keys = sorted(dict.fromkeys(key for column in cells for key in column), key=lambda key: list(METRICS).index(key[0]))
    lines = [["", "of", "n", *names([evaluation.run for evaluation in evaluations])]]
    for key in keys:
        here = [column.get(key) for column in cells]
        counts = sorted({row.n for row in here if row and row.n})
        figures = [row.text if row else "" for row in here]
        lines.append([METRICS[key[0]][0], key[1], " / ".join(map(str, counts)), *figures])
    return lines


def _is_detail(row: Row) -> bool:
    of_all_labels = row.metric.endswith("classification_error") or row.metric.startswith("share_read")
    return "." in row.target and not of_all_labels


def names(runs: Sequence[str]) -> list[str]:
    """Returns the folders' names, or their paths where names are the same."""
    short = [Path(run).resolve().name for run in runs]
    return short if len(set(short)) == len(short) else list(runs)
