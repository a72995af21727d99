"""`stargan-fw study build` and `stargan-fw study tally`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stargan_fw import Command, hookimpl
from stargan_fw.errors import ConfigError, DataError, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stargan_fw_study.study_results import Dropped

app = typer.Typer(no_args_is_help=True, help="Ask people which model is best (Tables 1 and 2).")


@app.callback()
def group() -> None:
    """Ask people which model is best (Tables 1 and 2)."""


@app.command()
def build(
    models: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Two to nine run folders or models; NAME=RUN names one.")
    ],
    *,
    data: Annotated[
        str | None, typer.Option(help="The folder of datasets without a location.  [default: the runs' own]")
    ] = None,
    questions: Annotated[int, typer.Option(min=1, help="How many, besides the attention checks.")] = 30,
    tasks: Annotated[
        str | None,
        typer.Option(help="As in hair,Male,hair+Male.  [default: every attribute, the first three combined]"),
    ] = None,
    checks: Annotated[
        int | None, typer.Option(min=0, help="Attention checks.  [default: so that one random worker in 100 passes]")
    ] = None,
    say: Annotated[
        list[str] | None, typer.Option(metavar="LABEL=VALUE:WORDS", help="'Male=0:a woman'; repeatable.")
    ] = None,
    title: Annotated[str, typer.Option(help="What workers see.")] = "Which picture is best?",
    seed: Annotated[int, typer.Option(help="Of inputs, targets and orders.")] = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")] = Path("study"),
    device: Annotated[str | None, typer.Option(help="cpu, cuda, mps; a GPU where there is one.")] = None,
    plugin: Annotated[list[Path] | None, typer.Option(help="A plugin file; repeatable.")] = None,
) -> None:
    """Write study.html, which workers open in any browser, and key.json, which stays with you."""
    from stargan_fw_study.study_builder import StudyRequest, build_study, check_folder

    check_folder(out)
    request = StudyRequest(models, questions, checks, tasks, data, seed, title, say or [], device, plugin or ())
    study = build_study(request)
    page, key = study.write(out)
    count = len(study.key.checks)
    typer.echo(
        f"{page}: {questions} questions and {count} checks, {page.stat().st_size / 1e6:.1f} MB; send it to workers"
    )
    typer.echo(f"{key}: which picture is whose; keep it to yourself")


@app.command()
def tally(
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="Files that workers sent, or folders.")],
    *,
    key: Annotated[
        Path | None, typer.Option(help="The study's key.json.  [default: beside the results, or study/key.json]")
    ] = None,
    misses: Annotated[int, typer.Option(min=0, help="Attention checks that a worker may fail.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="For spreadsheets: a line a task and method.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="For a README.")] = False,
) -> None:
    """Validate workers and print Tables 1 and 2: vote shares, 95 % intervals, the best against the runner-up."""
    from stargan_fw_study import study_tally
    from stargan_fw_study.study_key import Key
    from stargan_fw_study.study_results import result_files, validate

    if as_json + as_csv + as_markdown > 1:
        raise ConfigError("--json, --csv and --markdown exclude each other. Choose one.")
    files = result_files(results)
    known = Key.read(key or _find_key(results))
    valid, dropped = validate(files, known, misses=misses)
    if not valid:
        first = f" '{dropped[0].file}' {dropped[0].reason}." if dropped else ""
        raise DataError(f"None of the {len(files)} results counts.{first} Collect more, or see --misses and --key.")
    counted = study_tally.tally(known, valid)
    if as_json:
        typer.echo(study_tally.as_json(known.study, len(valid), counted, dropped))
    elif as_csv or as_markdown:
        typer.echo(study_tally.as_csv(counted) if as_csv else study_tally.as_markdown(counted))
        _list_dropped(len(valid), dropped)
    else:
        from rich.console import Console

        console = Console()
        console.print(*(study_tally.as_rich(table) for table in counted), study_tally.NOTE, sep="\n")
        _list_dropped(len(valid), dropped)


def _find_key(results: "Sequence[Path]") -> Path:
    folders = [path if path.is_dir() else path.parent for path in results]
    found = [folder / "key.json" for folder in [*folders, Path("study")] if (folder / "key.json").is_file()]
    if not found:
        raise DataError(
            "No key.json beside the results or in 'study'. Name the one that 'study build' wrote with --key."
        )
    return found[0]


def _list_dropped(workers: int, dropped: "Sequence[Dropped]") -> None:
    typer.echo(f"{workers} workers count, {len(dropped)} files do not.", err=True)
    for one in dropped:
        typer.echo(printable(f"dropped: '{one.file}' {one.reason}"), err=True)


@hookimpl
def register_commands(register: Callable[[Command], None]) -> None:
    """Registers `study`."""
    register(Command("study", app))
