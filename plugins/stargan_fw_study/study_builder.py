"""Builds a study: draws questions, lets every model answer them, and makes the page and its key."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from stargan_fw import Translator
from stargan_fw.api import RunFolder, check_writable, write_text
from stargan_fw.errors import ConfigError, DataError, ModelError, RunError
from stargan_fw_evaluate import HeldOut, held_out_images, read_picture
from stargan_fw_study.attention_checks import draw_check, how_many_checks
from stargan_fw_study.study_key import Key, KeyQuestion, KeyTask
from stargan_fw_study.study_page import PageQuestion, draw_page
from stargan_fw_study.study_questions import Wording, default_tasks, draw_questions, parse_tasks

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from stargan_fw_registry import LabelSchema
    from stargan_fw_study.study_questions import Question, Task

FEWEST_MODELS, MOST_MODELS = 2, 9  # a choice needs two, and the keys 1 to 9 choose
UNTOUCHED = ("no change at all",)


@dataclass(frozen=True)
class StudyRequest:
    """What a user asks for.

    Attributes:
        models: `MODEL` or `NAME=MODEL` items.
        questions: the number of questions besides the attention checks.
        checks: the number of attention checks; None is as many as stop those who answer at random.
        tasks: "hair,Male,hair+Male"; None is every attribute, and combinations of each dataset's first three.
        data: the folder of datasets without a location; None is the runs' own.
        seed: the seed of inputs, targets and orders.
        title: what workers see as the study's name.
        words: how changes are put to workers: "Male=0:a woman".
        device: the device to translate on; None takes a GPU if there is one.
        plugins: plugin files to use besides the installed plugins.
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
    plugins: Sequence[Path] = ()


@dataclass(frozen=True)
class Study:
    """A study that can be written.

    Attributes:
        page: the HTML.
        key: what stays with the researcher.
    """

    page: str
    key: Key

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Writes `study.html` and `key.json`, and returns their paths.

        Raises:
            RunError: the folder holds another study. Only its key explains its answers, so the key must stay.
        """
        page, key = folder / "study.html", folder / "key.json"
        check_folder(folder, self.key)
        write_text(key, self.key.to_json())
        write_text(page, self.page)
        return page, key


def check_folder(folder: Path, key: Key | None = None) -> None:
    """Raises RequestError if a study cannot be written to a folder, or if the key of another study is there."""
    if folder.exists() and not folder.is_dir():
        raise RunError(f"'{folder}' is a file. Name a folder with -o.")
    check_writable(folder, "Name another folder with -o.")
    path = folder / "key.json"
    if key and path.exists() and path.read_bytes() != key.to_json().encode():
        raise RunError(
            f"'{folder}' holds another study, and without its key.json its answers mean nothing. Name another folder "
            "with -o, or remove that one."
        )


def build_study(request: StudyRequest) -> Study:
    """Builds a study. The same request gives the same bytes.

    Raises:
        ConfigError: models, tasks, questions or words that do not fit.
        RunError: a model that is no run or is not trained, or data that has changed since.
        ModelError: models that have no labels in common.
        DataError: data that is missing or has no image to ask about.
    """
    models = name_models(request.models)
    opened = partial(Translator.from_pretrained, device=request.device, accelerate=True, plugins=request.plugins)
    translators = {name: opened(model) for name, model in models.items()}
    schemas = shared_schemas(translators)
    wording = Wording.parse(request.words, schemas)
    tasks, held_out = _tasks_and_images(request, schemas, list(models.values()))
    rng = random.Random(f"stargan-fw study {request.seed} {' '.join(models)}")  # noqa: S311 - an order, no secret
    drawn = draw_questions(tasks, held_out, request.questions, rng)
    columns = _column_names(tasks)
    maker = QuestionMaker(translators, held_out, columns, wording, rng)
    checks = how_many_checks(len(models)) if request.checks is None else request.checks
    made = [maker.ask(question) for question in drawn]
    made += [maker.check(drawn[number % len(drawn)]) for number in range(checks)]
    rng.shuffle(made)
    study, page = draw_page(request.title, [question for question, _ in made])
    listed = [KeyTask(name=name, dataset=task.dataset, attributes=[*task.attributes]) for task, name in columns.items()]
    entries = [entry for _, entry in made]
    return Study(page, Key(study=study, seed=request.seed, methods=models, tasks=listed, questions=entries))


def name_models(items: Sequence[str]) -> dict[str, str]:
    """Returns models by the names that they have in the tables.

    Args:
        items: `MODEL`, which is called by the name of its folder, or `NAME=MODEL`.

    Raises:
        ConfigError: fewer than two models, more than nine, or two of one name.
    """
    if not FEWEST_MODELS <= len(items) <= MOST_MODELS:
        raise ConfigError(
            f"A study compares {FEWEST_MODELS} to {MOST_MODELS} models, and {len(items)} were named. "
            f"Name {FEWEST_MODELS} to {MOST_MODELS} run folders or models."
        )
    named: dict[str, str] = {}
    for item in items:
        name, equals, model = item.partition("=")
        if not equals or not name or not model or Path(item).exists():
            name, model = Path(item).resolve().name, item
        if name in named:
            raise ConfigError(
                f"'{named[name]}' and '{model}' would both be called '{name}'. Write one as NAME={model}."
            )
        named[name] = model
    return named


def shared_schemas(translators: Mapping[str, Translator]) -> list[LabelSchema]:
    """Returns the datasets that all models know with the same labels, in the first model's order.

    Raises:
        ModelError: there are none.
    """
    spaces = [translator.labels for translator in translators.values()]
    shared = [
        schema
        for schema in spaces[0].schemas
        if all(schema.to_dict() in [other.to_dict() for other in space.schemas] for space in spaces)
    ]
    if not shared:
        known = "; ".join(f"{name}: {', '.join(t.labels.names)}" for name, t in translators.items())
        raise ModelError(f"The models have no dataset with the same labels in common ({known}). Compare those that do.")
    return shared


def find_held_out(
    models: Sequence[str], datasets: Collection[str], data: str | None, plugins: Sequence[Path] = ()
) -> dict[str, HeldOut]:
    """Returns, by dataset, the images that every run held out, cropped as the first run crops them.

    Args:
        models: run folders. Exported models say nothing about data and are passed over.
        datasets: aliases of the datasets that are wanted.
        data: the folder of datasets without a location; None is the runs' own.
        plugins: plugin files to use besides the installed plugins.

    Raises:
        RunError: no model is a run folder, or the data is divided otherwise than when a run began.
        DataError: data is missing or broken, or no image was held out by all runs.
    """
    runs = [run for run in (RunFolder(Path(model)) for model in models) if run.holds_run]
    if not runs:
        raise RunError(
            f"None of {', '.join(models)} is a run folder, and only runs remember which images were held out. Name at "
            "least one."
        )
    by_dataset: dict[str, list[HeldOut]] = {}
    for run in runs:
        for held_out in held_out_images(run, datasets, data, plugins):
            by_dataset.setdefault(held_out.source.alias, []).append(held_out)
    return {alias: _held_out_by_all(alias, found) for alias, found in by_dataset.items()}


def _held_out_by_all(alias: str, found: Sequence[HeldOut]) -> HeldOut:
    first = found[0]
    shared = set.intersection(*({one.source.name_of(index) for index in one.indices} for one in found))
    indices = [index for index in first.indices if first.source.name_of(index) in shared]
    if not indices:
        raise DataError(
            f"No image of the dataset '{alias}' was held out by all of the runs, so none is new to every model. "
            "Compare runs with the same split."
        )
    return HeldOut(first.source, indices)


def _tasks_and_images(
    request: StudyRequest, schemas: Sequence[LabelSchema], models: Sequence[str]
) -> tuple[list[Task], dict[str, HeldOut]]:
    """Returns the tasks, and the images of their datasets."""
    chosen = parse_tasks(request.tasks, schemas) if request.tasks else None
    tasks = chosen or [task for schema in schemas for task in default_tasks(schema)]
    if not tasks:
        raise ConfigError(
            "All labels of the models are numbers, and a study asks for labels that are set or not. Name models with such."
        )
    held_out = find_held_out(models, {task.dataset for task in tasks}, request.data, request.plugins)
    unread = next((task for task in chosen or () if task.dataset not in held_out), None)
    if unread:
        raise ConfigError(f"--tasks: no run folder among the models names the dataset '{unread.dataset}'. Add one.")
    return [task for task in tasks if task.dataset in held_out], held_out


def _column_names(tasks: Sequence[Task]) -> dict[Task, str]:
    """Returns the name of each task's column, with the dataset if there are several datasets."""
    several = len({task.dataset for task in tasks}) > 1
    return {task: f"{task.dataset}.{task.name}" if several else task.name for task in tasks}


@dataclass(frozen=True)
class QuestionMaker:
    """Makes questions for the page, each with its entry in the key. Orders and names on the page tell nothing.

    Attributes:
        translators: the models by the name of their method.
        held_out: the images by dataset.
        columns: the name of each task's column.
        wording: puts changes to workers.
        rng: draws orders and names.
    """

    translators: Mapping[str, Translator]
    held_out: Mapping[str, HeldOut]
    columns: Mapping[Task, str]
    wording: Wording
    rng: random.Random

    @property
    def side(self) -> int:
        """Side in pixels of every picture of the study: that of the largest model."""
        return max(translator.image_size for translator in self.translators.values())

    def ask(self, question: Question) -> tuple[PageQuestion, KeyQuestion]:
        """Returns a question with every model's answer to it."""
        pictures = [self._translate(translator, question) for translator in self.translators.values()]
        options = self._shuffle(pictures, list(self.translators))
        wanted = [self.wording.of(question.task.dataset, label, value) for label, value in question.changes]
        known = {"task": self.columns[question.task], "edit": question.edit}
        return self._pair(question, wanted, options, known, self._input(question, self.side))

    def check(self, question: Question) -> tuple[PageQuestion, KeyQuestion]:
        """Returns an attention check on the input of a question."""
        picture = self._input(question, self.side)
        spoil = np.random.default_rng(self.rng.getrandbits(32))
        pictures = draw_check(picture, len(self.translators), spoil)
        options = self._shuffle(pictures, ["untouched", *["spoilt"] * (len(pictures) - 1)])
        answer = next(name for name, (_, what) in options.items() if what == "untouched")
        return self._pair(question, UNTOUCHED, options, {"answer": answer}, picture)

    def _pair(
        self,
        question: Question,
        wanted: Sequence[str],
        options: Mapping[str, tuple[Image.Image, str]],
        known: Mapping[str, str],
        picture: Image.Image,
    ) -> tuple[PageQuestion, KeyQuestion]:
        """Returns what the page shows of a question, and what the key knows of it."""
        name = self._token()
        source = self.held_out[question.task.dataset].source
        pictures = {token: option for token, (option, _) in options.items()}
        makers = {token: maker for token, (_, maker) in options.items()}
        entry = KeyQuestion(id=name, options=makers, input=source.name_of(question.index), **known)
        return PageQuestion(name, wanted, picture, pictures), entry

    def _shuffle(self, pictures: Sequence[Image.Image], makers: Sequence[str]) -> dict[str, tuple[Image.Image, str]]:
        """Returns the pictures with their makers in a random order, each under a random name."""
        pairs = list(zip(pictures, makers, strict=True))
        self.rng.shuffle(pairs)
        return {self._token(): pair for pair in pairs}

    def _token(self) -> str:
        return f"{self.rng.getrandbits(48):012x}"

    def _input(self, question: Question, side: int) -> Image.Image:
        return read_picture(self.held_out[question.task.dataset].source, question.index, side)

    def _translate(self, translator: Translator, question: Question) -> Image.Image:
        picture = translator.translate(self._input(question, translator.image_size), to=question.edit)
        same = picture.width == self.side
        return picture if same else picture.resize((self.side, self.side), Image.Resampling.LANCZOS)
