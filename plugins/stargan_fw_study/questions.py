"""What a study asks: which held-out face is to be changed how (Tables 1 and 2)."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stargan_fw.errors import ConfigError, DataError, closest

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from stargan_fw.api import HeldOut
    from stargan_fw_registry import LabelSchema

COMBINED = 3  # attributes of a dataset, the first ones, that are also changed together: the paper's H, G and A


@dataclass(frozen=True, slots=True)
class Task:
    """A column of Table 1 or 2.

    Attributes:
        dataset: whose attributes they are.
        attributes: names of those that change together; one for Table 1.
    """

    dataset: str
    attributes: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the column is called: "hair", "hair+Male"."""
        return "+".join(self.attributes)


@dataclass(frozen=True, slots=True)
class Question:
    """One input and what is asked of it.

    Attributes:
        task: the column that its vote counts in.
        index: of the input among the dataset's examples.
        changes: label name and the value, 0 or 1, that it is to take.
    """

    task: Task
    index: int
    changes: tuple[tuple[str, int], ...]

    @property
    def edit(self) -> str:
        """The edit that a model is given, with its dataset: "celeba.Blond_Hair=1,celeba.Male=0"."""
        return ",".join(f"{self.task.dataset}.{label}={value}" for label, value in self.changes)


def default_tasks(schema: LabelSchema) -> list[Task]:
    """Returns every attribute alone, then every combination of the first three."""
    names = [attribute.name for attribute in schema.attributes]
    sets = [(name,) for name in names]
    several = [itertools.combinations(names[:COMBINED], count) for count in range(2, COMBINED + 1)]
    return [Task(schema.name, chosen) for chosen in itertools.chain(sets, *several)]


def parse_tasks(text: str, schemas: Sequence[LabelSchema]) -> list[Task]:
    """Reads the tasks that a user names, as in "hair,Male,hair+Male".

    Raises:
        ConfigError: a name that no dataset or more than one has, attributes of two datasets, or a task twice.
    """
    tasks = [_parse_task(item.strip(), schemas) for item in text.split(",")]
    twice = next((task for task in tasks if tasks.count(task) > 1), None)
    if twice:
        raise ConfigError(f"--tasks {text}: '{twice.name}' comes twice. Remove one.")
    return tasks


def _parse_task(item: str, schemas: Sequence[LabelSchema]) -> Task:
    names = [name.strip() for name in item.split("+")]
    attributes = {
        schema.name: {key: a.name for a in schema.attributes for key in (a.name, f"{schema.name}.{a.name}")}
        for schema in schemas
    }
    fitting = [dataset for dataset, known in attributes.items() if all(name in known for name in names)]
    if len(fitting) != 1:
        known = {name for names_of_one in attributes.values() for name in names_of_one}
        unknown = next((name for name in names if name not in known), None)
        why = "several datasets have it: prefix it with one" if fitting else "one task changes labels of one dataset"
        raise ConfigError(
            f"--tasks: '{item}': " + (f"no attribute '{unknown}'; {closest(unknown, known)}" if unknown else f"{why}.")
        )
    chosen = tuple(attributes[fitting[0]][name] for name in names)
    if len(set(chosen)) < len(chosen):
        raise ConfigError(f"--tasks: '{item}' names an attribute twice. Remove one.")
    return Task(fitting[0], chosen)


def draw_questions(
    tasks: Sequence[Task], held_out: Mapping[str, HeldOut], count: int, rng: random.Random
) -> list[Question]:
    """Draws questions, as many for each task as for any other, give or take one.

    No input comes twice before all that suit have been used. A label alone is turned over; of a group, one that is not
    set is drawn.

    Args:
        tasks: at least one.
        held_out: by dataset.
        count: of questions, at least one a task.
        rng: draws inputs and targets.

    Raises:
        ConfigError: fewer questions than tasks.
        DataError: no held-out image has the labels of a task.
    """
    if count < len(tasks):
        names = ", ".join(task.name for task in tasks)
        raise ConfigError(
            f"{count} questions cannot cover the {len(tasks)} tasks {names}. Ask more with --questions, or name fewer "
            "with --tasks."
        )
    decks = {dataset: rng.sample(chosen.indices, len(chosen.indices)) for dataset, chosen in held_out.items()}
    questions = []
    for task in (tasks[number % len(tasks)] for number in range(count)):
        question = _draw(task, held_out[task.dataset], decks[task.dataset], rng)
        decks[task.dataset].remove(question.index)
        decks[task.dataset].append(question.index)
        questions.append(question)
    return questions


def _draw(task: Task, held_out: HeldOut, deck: Sequence[int], rng: random.Random) -> Question:
    for index in deck:
        possible = list(_changes(task, held_out.source.schema, held_out.source.labels[index]))
        if possible:
            return Question(task, index, rng.choice(possible))
    raise DataError(
        f"None of the {len(deck)} held-out images of the dataset '{task.dataset}' has known labels for '{task.name}'. "
        "Leave that out with --tasks."
    )


def _changes(task: Task, schema: LabelSchema, labels: NDArray) -> Iterator[tuple[tuple[str, int], ...]]:  # type: ignore[type-arg]
    """Yields what the task can ask of an image with these labels, (d,); nothing where one of them is unknown."""
    choices = []
    for attribute, part in schema.parts:
        if attribute.name in task.attributes:
            names, values = schema.names[part], labels[part]
            if any(math.isnan(value) for value in values):
                return
            pairs = zip(names, values, strict=True)
            flipped = [(name, int(1 - value)) for name, value in pairs if attribute.size == 1 or not value]
            choices.append(flipped)
    yield from itertools.product(*choices)
