"""Builds a study: draws questions, lets every model answer them, and writes the page and its key."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stargan_fw.errors import ConfigError, RunError
from stargan_fw_study.checks import how_many_checks
from stargan_fw_study.inputs import find_held_out
from stargan_fw_study.key import Key, KeyTask
from stargan_fw_study.maker import QuestionMaker
from stargan_fw_study.models import name_models, open_models, shared_schemas
from stargan_fw_study.page import draw_page
from stargan_fw_study.questions import Task, default_tasks, draw_questions, parse_tasks
from stargan_fw_study.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stargan_fw.api import HeldOut
    from stargan_fw_registry import LabelSchema


@dataclass(frozen=True)
class StudyRequest:
    """What a user asks for.

    Attributes:
        models: `MODEL` or `NAME=MODEL` each.
        questions: how many are asked, besides the checks.
        checks: how many attention checks; None is as many as keep those out who answer at random.
        tasks: "hair,Male,hair+Male"; None is every attribute, and combinations of the first three.
        data: the folder of datasets without a location; None is the runs' own.
        seed: of inputs, targets and orders.
        title: what workers see as the study's name.
        words: how changes are put to workers, as "Male=0:a woman".
        device: to translate on; None takes a GPU where there is one.
    """

    models: Sequence[str]
    questions: int
    checks: int | None
    tasks: str | None
    data: str | None
    seed: int
    title: str
    words: Sequence[str]
    device: str | None


@dataclass(frozen=True)
class Study:
    """A study that is ready to be written.

    Attributes:
        page: the HTML.
        key: what stays with the researcher.
    """

    page: str
    key: Key

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Writes `study.html` and `key.json`, and returns where they are.

        Raises:
            RunError: the folder holds another study, whose answers its key alone explains.
        """
        page, key = folder / "study.html", folder / "key.json"
        check_folder(folder, self.key)
        folder.mkdir(parents=True, exist_ok=True)
        key.write_bytes(self.key.to_json().encode())
        page.write_text(self.page, encoding="utf-8", newline="\n")
        return page, key


def check_folder(folder: Path, key: Key | None = None) -> None:
    """Raises RunError where a study cannot be written there: it is no folder, or holds the key of another study."""
    if folder.exists() and not folder.is_dir():
        raise RunError(f"'{folder}' is a file. Name a folder with -o.")
    path = folder / "key.json"
    if key and path.exists() and path.read_bytes() != key.to_json().encode():
        raise RunError(
            f"'{folder}' holds another study, and without its key.json its answers mean nothing. Name another folder "
            "with -o, or remove that one."
        )


def build_study(request: StudyRequest) -> Study:
    """Builds a study; the same request gives the same bytes.

    Raises:
        ConfigError: models, tasks, questions or words that do not fit.
        RunError: a model that is no run or is not trained, or data that has changed since.
        ModelError: models without labels in common.
        DataError: data that is missing or has no image to ask about.
    """
    named = name_models(request.models)
    translators = open_models(named, request.device)
    schemas = shared_schemas(translators)
    wording = Wording.parse(request.words, schemas)
    tasks, held_out = _what_to_ask(request, schemas, list(named.values()))
    rng = random.Random(f"stargan-fw study {request.seed} {' '.join(named)}")  # noqa: S311 - an order, no secret
    drawn = draw_questions(tasks, held_out, request.questions, rng)
    columns = _column_names(tasks)
    maker = QuestionMaker(translators, held_out, columns, wording, rng)
    checks = how_many_checks(len(named)) if request.checks is None else request.checks
    asked = [maker.ask(question) for question in drawn]
    asked += [maker.check(drawn[number % len(drawn)]) for number in range(checks)]
    rng.shuffle(asked)
    study, page = draw_page(request.title, [question for question, _ in asked])
    listed = [KeyTask(name=name, dataset=task.dataset, attributes=[*task.attributes]) for task, name in columns.items()]
    entries = [entry for _, entry in asked]
    return Study(page, Key(study=study, seed=request.seed, methods=named, tasks=listed, questions=entries))


def _what_to_ask(
    request: StudyRequest, schemas: Sequence[LabelSchema], models: Sequence[str]
) -> tuple[list[Task], dict[str, HeldOut]]:
    """Returns the tasks, and the images of their datasets."""
    chosen = parse_tasks(request.tasks, schemas) if request.tasks else None
    tasks = chosen or [task for schema in schemas for task in default_tasks(schema)]
    held_out = find_held_out(models, {task.dataset for task in tasks}, request.data)
    unread = next((task for task in chosen or () if task.dataset not in held_out), None)
    if unread:
        raise ConfigError(f"--tasks: no run folder among the models names the dataset '{unread.dataset}'. Add one.")
    return [task for task in tasks if task.dataset in held_out], held_out


def _column_names(tasks: Sequence[Task]) -> dict[Task, str]:
    """Returns what each column is called: with its dataset where there are several."""
    several = len({task.dataset for task in tasks}) > 1
    return {task: f"{task.dataset}.{task.name}" if several else task.name for task in tasks}
