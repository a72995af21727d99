"""What a study asks: which change of which held-out face (Tables 1 and 2), and in which words."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stargan_fw.errors import ConfigError, DataError, closest
from stargan_fw_registry import quote_name, read_quoted, split_quoted

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from stargan_fw_evaluate import HeldOut
    from stargan_fw_registry import LabelSchema

COMBINED = 3  # how many of a dataset's first attributes are also changed together: the paper's H, G and A


@dataclass(frozen=True, slots=True)
class Task:
    """A column of Table 1 or 2.

    Attributes:
        dataset: the dataset of the attributes.
        attributes: names of the attributes that change together; one for Table 1, several for Table 2.
    """

    dataset: str
    attributes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the column: "hair", "hair+Male"."""
        return "+".join(self.attributes)


@dataclass(frozen=True, slots=True)
class Question:
    """An input and the change that is asked for.

    Attributes:
        task: the column that the votes count in.
        index: the input's position among the dataset's examples.
        changes: the labels to change, each with the value that it is to take, 0 or 1.
    """

    task: Task
    index: int
    changes: tuple[tuple[str, int], ...]

    @property
    def edit(self) -> str:
        """The edit that the models are given: "celeba.Blond_Hair=1,celeba.Male=0"."""
        return ",".join(f"{self.task.dataset}.{quote_name(label)}={value}" for label, value in self.changes)


def default_tasks(schema: LabelSchema) -> list[Task]:
    """Returns a task for every attribute that is no number alone, then for every combination of the first three."""
    names = [attribute.name for attribute in schema.attributes if not attribute.continuous]
    sets = [(name,) for name in names]
    several = [itertools.combinations(names[:COMBINED], count) for count in range(2, COMBINED + 1)]
    return [Task(schema.name, chosen) for chosen in itertools.chain(sets, *several)]


def parse_tasks(text: str, schemas: Sequence[LabelSchema]) -> list[Task]:
    """Reads the tasks that a user names, as in "hair,Male,hair+Male".

    Raises:
        ConfigError: a name that no dataset has or several have, attributes of two datasets, or a task twice.
    """
    tasks = [_parse_task(item.strip(), schemas) for item in split_quoted(text)]
    twice = next((task for task in tasks if tasks.count(task) > 1), None)
    if twice:
        raise ConfigError(f"--tasks {text}: '{twice.name}' comes twice. Remove one.")
    return tasks


def _parse_task(item: str, schemas: Sequence[LabelSchema]) -> Task:
    attributes = {
        schema.name: {key: a.name for a in schema.attributes for key in (a.name, f"{schema.name}.{a.name}")}
        for schema in schemas
    }
    known = {name for names_of_one in attributes.values() for name in names_of_one}
    names = [_unquote(name) for name in ([item] if _unquote(item) in known else item.split("+"))]
    fitting = [dataset for dataset, own in attributes.items() if all(name in own for name in names)]
    if len(fitting) != 1:
        unknown = next((name for name in names if name not in known), None)
        apart = "several datasets have it. Write a dataset and a point before it"
        why = apart if fitting else "one task changes labels of one dataset. Name those of one"
        raise ConfigError(
            f"--tasks: '{item}': " + (f"no attribute '{unknown}'; {closest(unknown, known)}" if unknown else f"{why}.")
        )
    chosen = tuple(attributes[fitting[0]][name] for name in names)
    if len(set(chosen)) < len(chosen):
        raise ConfigError(f"--tasks: '{item}' names an attribute twice. Remove one.")
    numbers = {a.name for schema in schemas if schema.name == fitting[0] for a in schema.attributes if a.continuous}
    if number := next(filter(numbers.__contains__, chosen), None):
        raise ConfigError(
            f"--tasks: '{item}': '{number}' is a number, and a study asks for labels that are set or not. Leave it out."
        )
    return Task(fitting[0], chosen)


def draw_questions(
    tasks: Sequence[Task], held_out: Mapping[str, HeldOut], count: int, rng: random.Random
) -> list[Question]:
    """Draws questions. Every task gets as many as any other, give or take one.

    No input is used again before all that suit have been used. A binary label is turned over; of a group, a label that is
    not set is drawn.

    Args:
        tasks: at least one.
        held_out: the images by dataset.
        count: the number of questions, at least one for each task.
        rng: draws inputs and targets.

    Raises:
        ConfigError: there are fewer questions than tasks.
        DataError: no held-out image has known labels for a task.
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
    """Yields the changes that a task can ask of an image with these labels, (d,): none if a label is unknown (NaN)."""
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


@dataclass(frozen=True)
class Wording:
    """Puts changes in words for workers, who do not know label names: "Blond Hair", "not Male", or the researcher's words.

    Attributes:
        words: the researcher's words by "Male=0" or "celeba.Male=0".
    """

    words: Mapping[str, str]

    @classmethod
    def parse(cls, items: Sequence[str], schemas: Sequence[LabelSchema]) -> Wording:
        """Reads `LABEL=VALUE:WORDS` items, as in "Male=0:a woman".

        Raises:
            ConfigError: an item is written otherwise, or names a label that no dataset has.
        """
        labels = {key for schema in schemas for name in schema.names for key in (name, f"{schema.name}.{name}")}
        found = {}
        for item in items:
            change, value, words = _read_words(item)
            label = _unquote(change)
            if value not in {"0", "1"} or not words.strip():
                raise ConfigError(f"--say '{item}': write LABEL=0:WORDS or LABEL=1:WORDS, as in 'Male=0:a woman'.")
            if label not in labels:
                raise ConfigError(f"--say '{item}': no label '{label}'; {closest(label, labels)}")
            found[f"{label}={value}"] = words.strip()
        return cls(found)

    def of(self, dataset: str, label: str, value: int) -> str:
        """Returns the words for a change: a label that is to take a value, 0 or 1."""
        plain = label.replace("_", " ").replace(".", " ")
        default = plain if value else f"not {plain}"
        return self.words.get(f"{dataset}.{label}={value}", self.words.get(f"{label}={value}", default))


def _unquote(name: str) -> str:
    key, value = read_quoted(name)
    return key if value is None else name.strip()


def _read_words(item: str) -> tuple[str, str, str]:
    """Returns the label, the value and the words of `LABEL=VALUE:WORDS`; a label may hold any of the signs."""
    found = re.match(r"(.+?)=\s*([01])\s*:(.*)", item, re.DOTALL)
    return (found[1], found[2], found[3]) if found else (item, "", "")
