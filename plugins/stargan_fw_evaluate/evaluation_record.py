"""The results of an evaluation, in `RUN/evaluation.json` and as tables."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from stargan_fw.errors import RunError
from stargan_fw.files import check_format, read_json, write_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FILE = "evaluation.json"
FORMAT = 1
LARGEST_FILE = 2**24  # bytes

# metric → its name for readers, and the format of its figures.
METRICS: dict[str, tuple[str, Callable[[float], str]]] = {
    "psnr_gain": ("PSNR gain, dB", "{:+.2f}".format),
    "identity_error": ("identity error", "{:.4f}".format),
    "off_target_change": ("other labels changed", "{:.2%}".format),
    "classification_error": ("classification error", "{:.2%}".format),
    "regression_error": ("error of a number", "{:.3g}".format),
    "across_error": ("error of the whole edit", "{:.2%}".format),
    "across_part_error": ("error of a part of it", "{:.2%}".format),
    "off_target_change_of_label": ("changed although nobody asked", "{:.2%}".format),
    "composition_drift": ("drift in ten edits for nothing", "{:.4f}".format),
    "own_label_drift": ("drift in one edit for nothing", "{:.4f}".format),
    "real_classification_error": ("error on real images", "{:.2%}".format),
    "real_regression_error": ("error of a number on real images", "{:.3g}".format),
    "share_read": ("read as", "{:.2%}".format),
    "share_read_of_input": ("inputs read as", "{:.2%}".format),
    "reconstruction_l1": ("reconstruction L1", "{:.4f}".format),
    "classifier_frechet_distance": ("classifier Fréchet distance", "{:.3f}".format),
    "classifier_kernel_distance": ("classifier kernel distance", "{:.5f}".format),
    "inception_frechet_distance": ("FID", "{:.3f}".format),
    "inception_kernel_distance": ("KID", "{:.5f}".format),
    "embedding_frechet_distance": ("Fréchet distance of the embedding", "{:.3f}".format),
    "embedding_kernel_distance": ("kernel distance of the embedding", "{:.5f}".format),
    "feature_distance": ("feature distance to the truth", "{:.4f}".format),
    "feature_distance_of_input": ("feature distance of the input to the truth", "{:.4f}".format),
    "feature_distance_to_input": ("feature distance to the input", "{:.4f}".format),
    "psnr": ("PSNR, dB", "{:.2f}".format),
    "psnr_of_input": ("PSNR of the input, dB", "{:.2f}".format),
    "ssim": ("SSIM", "{:.4f}".format),
    "parameters": ("parameters", "{:,.0f}".format),
    "images_per_second": ("images/s", "{:,.1f}".format),
}
SHARES = frozenset(
    {
        "off_target_change",
        "off_target_change_of_label",
        "classification_error",
        "across_error",
        "across_part_error",
        "real_classification_error",
        "share_read",
        "share_read_of_input",
    }
)  # whose outcomes are counted; all others are measured
LEADING = ("psnr_gain", "identity_error", "off_target_change")  # errors near zero rank nobody, but these do


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes:
        metric: a key of `METRICS`.
        target: a label ("pets.cat"), a dataset ("pets"), or "" for the whole run; " on " and the images' dataset follow if images
            of several datasets were asked for. Of an edit across datasets the edit and the images' dataset
            ("pets.cat,coats.black on pets"), and before these the part that is measured, if there is one.
        value: the figure; shares are from 0 to 1.
        low: the lower bound of the 95 % interval, or a speed's slowest round; None if unknown.
        high: the upper bound, or a speed's fastest round; None if unknown.
        split: "test" if the figure is of test images, "" if it needs no images.
        n: the number of outcomes, of which an image has one per label that it is translated to, or that is read; 0 if there are none.
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
        """The value and its interval, formatted."""
        write = METRICS[self.metric][1]
        interval = "" if self.low is None or self.high is None else f" [{write(self.low)}, {write(self.high)}]"
        return write(self.value) + interval


@dataclass
class Evaluation:
    """The results of evaluating one run.

    Attributes:
        run: the run folder, as the user named it.
        checkpoint: the name of the evaluated checkpoint.
        settings: the settings of the evaluation.
        rows: the figures.
        notes: what a reader must know to judge the figures.
    """

    run: str
    checkpoint: str
    settings: dict[str, Any]
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Returns the content of `RUN/evaluation.json`."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def read(cls, run: Path) -> Evaluation | None:
        """Reads `RUN/evaluation.json`; None if it does not exist, RunError if it is broken or has a newer format."""
        path = run / FILE
        if not path.exists():
            return None
        try:
            values = read_json(path, LARGEST_FILE)
            check_format(values, FORMAT, path)
            rows = [row for row in values["rows"] if row["metric"] in METRICS]
            return _EVALUATION.validate_python({**values, "rows": rows})
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            raise RunError(f"'{path}' cannot be read. Evaluate the run again, or remove it.") from None

    def value(self, metric: str, target: str = "") -> Row:
        """Returns a row; KeyError if there is none."""
        found = next((row for row in self.rows if (row.metric, row.target) == (metric, target)), None)
        if found is None:
            raise KeyError((metric, target))
        return found

    def write(self) -> Path:
        """Writes `RUN/evaluation.json` and returns its path. A link of that name is replaced, not followed."""
        path = Path(self.run) / FILE
        if path.is_symlink():
            path.unlink()
        write_text(path, json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n")
        return path


_EVALUATION = TypeAdapter(Evaluation)


def as_markdown(evaluations: Sequence[Evaluation]) -> str:
    """Returns a table with a column per run, and the notes below it."""
    header, *rows = evaluation_table(evaluations)
    lines = [header, ["---"] * len(header), *rows]
    text = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines]
    return "\n".join([*text, *(f"\n{note}" for note in evaluation_notes(evaluations)), ""])


def evaluation_notes(evaluations: Sequence[Evaluation]) -> list[str]:
    """Returns the notes of all evaluations, each once."""
    return list(dict.fromkeys(note for evaluation in evaluations for note in evaluation.notes))


def evaluation_table(evaluations: Sequence[Evaluation], *, brief: bool = False) -> list[list[str]]:
    """Returns the cells of a table: a header, then a line per figure, with a column per run.

    Args:
        evaluations: the runs' evaluations.
        brief: leave out figures of single labels, except for the errors and the shares.
    """
    cells = [
        {(row.metric, row.target): row for row in evaluation.rows if not (brief and _is_detail(row))}
        for evaluation in evaluations
    ]
    keys = sorted(dict.fromkeys(key for column in cells for key in column), key=lambda key: list(METRICS).index(key[0]))
    lines = [["", "of", "n", *_name_runs([evaluation.run for evaluation in evaluations])]]
    for key in keys:
        found = [column.get(key) for column in cells]
        counts = sorted({row.n for row in found if row and row.n})
        figures = [row.text if row else "" for row in found]
        lines.append([METRICS[key[0]][0], key[1], " / ".join(map(str, counts)), *figures])
    return lines


def _is_detail(row: Row) -> bool:
    if row.metric == "off_target_change_of_label":
        return False
    always_shown = row.metric.endswith(("classification_error", "regression_error")) or row.metric.startswith(
        ("share_read", "across")
    )
    leads = row.metric in LEADING and "," in row.target.partition(" on ")[0]  # an edit of several datasets
    return "." in row.target and not (always_shown or leads)


def _name_runs(runs: Sequence[str]) -> list[str]:
    """Returns the folders' names, or their paths if two names are the same."""
    short = [Path(run).resolve().name for run in runs]
    return short if len(set(short)) == len(short) else list(runs)
