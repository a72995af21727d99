"""`stargan-fw evaluate`."""

import io
from collections.abc import Callable, Sequence
from csv import DictWriter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stargan_fw import Command, hookimpl
from stargan_fw.cli.command_options import (
    CacheOption,
    DeviceOption,
    JsonOption,
    PluginOption,
    PrecisionOption,
    SeedOption,
)
from stargan_fw.cli.notes import json_text
from stargan_fw.errors import ConfigError
from stargan_fw.files import check_writable, write_text

if TYPE_CHECKING:
    from rich.console import Console

    from stargan_fw_evaluate.evaluation_record import Evaluation

COLUMNS = ("run", "metric", "target", "value", "low", "high", "split", "n")

RunDataOption = Annotated[
    str | None, typer.Option(help="The folder of datasets without a location.", show_default="the runs' own")
]
ScoredDatasetsOption = Annotated[
    str | None,
    typer.Option(help="Datasets that define the labels to translate to.", show_default="those that all runs have"),
]
SourceOption = Annotated[
    str | None, typer.Option(metavar="LABELS", help="Translate only images that have these labels.")
]
ReadOption = Annotated[
    list[str] | None,
    typer.Option(metavar="LABEL", help="Also count images that the classifier reads as this label; repeatable."),
]
LimitOption = Annotated[int | None, typer.Option(min=1, help="Translate at most this many test images of a dataset.")]
ClassifierStepsOption = Annotated[int | None, typer.Option(min=1, help="Training steps of a missing classifier.")]
InceptionOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Inception weights on disk, for the true FID and KID.")
]
EmbeddingOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Also measure distances in the features of this embedding, such as 'face'."),
]


def evaluate(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folders.")],
    *,
    data: RunDataOption = None,
    cache: CacheOption = None,
    datasets: ScoredDatasetsOption = None,
    images: Annotated[
        str | None,
        typer.Option(
            metavar="DATASETS", help="Translate the images of these datasets.", show_default="each dataset's own"
        ),
    ] = None,
    source: SourceOption = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL", help="Translate only to this label, or to these of several datasets; repeatable."
        ),
    ] = None,
    mask: Annotated[
        Literal["right", "wrong"], typer.Option(help="'wrong' translates with another dataset's mask.")
    ] = "right",
    read: ReadOption = None,
    limit: LimitOption = None,
    classifier_steps: ClassifierStepsOption = None,
    inception: InceptionOption = None,
    embedding: EmbeddingOption = None,
    seed: SeedOption = 0,
    precision: PrecisionOption = "fp32",
    device: DeviceOption = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the numbers as CSV.")] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table as Markdown.")] = None,
) -> None:
    """Measure runs on the same unseen images: classification error, parameters, speed and more."""
    from rich.console import Console

    from stargan_fw.compute.machine import choose_device
    from stargan_fw_evaluate.evaluation_progress import EvaluationProgress
    from stargan_fw_evaluate.evaluation_request import EvaluationRequest
    from stargan_fw_evaluate.protocol import evaluate as evaluate_runs

    _check_target("--csv", csv)
    _check_target("--markdown", markdown)
    for run in runs:
        if run.is_dir():
            check_writable(run, "The result, evaluation.json, goes there: permit it, or copy the run.")
    request = EvaluationRequest(
        datasets=() if datasets is None else tuple(name.strip() for name in datasets.split(",")),
        images=images,
        source=source,
        to=tuple(to or ()),
        limit=limit,
        data=data,
        cache=cache,
        classifier_steps=classifier_steps,
        inception=inception,
        embedding=embedding,
        seed=seed,
        mask=mask,
        precision=precision,
        read=tuple(read or ()),
        plugins=tuple(plugin or ()),
    )
    evaluations = evaluate_runs(runs, request, choose_device(device), EvaluationProgress(Console(stderr=True)))
    if as_json:  # show results before writing: a failing disk must not lose hours of work
        typer.echo(json_text([evaluation.to_dict() for evaluation in evaluations]))
    else:
        _show(Console(), evaluations)
    written = _write(evaluations, csv, markdown)
    if not as_json:
        typer.echo("\n".join(f"{path} written" for path in written))


def _write(evaluations: "list[Evaluation]", csv: Path | None, markdown: Path | None) -> list[Path]:
    """Writes the requested files and every run's `evaluation.json`, and returns the paths of the latter."""
    from stargan_fw_evaluate.evaluation_record import as_markdown

    if csv:
        write_text(csv, as_csv(evaluations))
    if markdown:
        write_text(markdown, as_markdown(evaluations))
    return [evaluation.write() for evaluation in evaluations]


def as_csv(evaluations: "Sequence[Evaluation]") -> str:
    """Returns a line per figure; unknown bounds are empty."""
    text = io.StringIO()
    writer = DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for evaluation in evaluations:
        writer.writerows({"run": evaluation.run, **asdict(row)} for row in evaluation.rows)
    return text.getvalue()


def _check_target(option: str, file: Path | None) -> None:
    if file and (file.is_dir() or not file.absolute().parent.is_dir()):
        wrong = "is a folder" if file.is_dir() else f"the folder '{file.absolute().parent}' does not exist"
        raise ConfigError(f"{option} {file}: {wrong}. Name a file in a folder that exists.")
    if file:
        check_writable(file.parent, f"Name a file in another folder with {option}.")


def _show(console: "Console", evaluations: "list[Evaluation]") -> None:
    from rich.markup import escape
    from rich.table import Table

    from stargan_fw_evaluate.evaluation_record import evaluation_notes, evaluation_table

    header, *rows = evaluation_table(evaluations, brief=True)
    shown = Table()
    for name in header:
        shown.add_column(escape(name), overflow="fold")
    for row in rows:
        shown.add_row(*map(escape, row))
    console.print(shown)
    for note in evaluation_notes(evaluations):
        console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)


@hookimpl
def register_commands(register: Callable[[Command], None]) -> None:
    """Registers `evaluate`."""
    register(Command("evaluate", evaluate, after="sheet"))
