"""`key.json`: which method made which option, and which answers are known. The key stays with the researcher."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads the module's annotations
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from stargan_fw.errors import DataError

FORMAT: Literal["stargan-fw study key"] = "stargan-fw study key"


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")


class KeyTask(_Document):
    """A column of the tables.

    Attributes:
        name: the column's name, unique in the study.
        dataset: the dataset of the attributes.
        attributes: names of the attributes that change; one for Table 1, several for Table 2.
    """

    name: str
    dataset: str
    attributes: list[str]


class KeyQuestion(_Document):
    """A question as the page asks it.

    Attributes:
        id: the page's name of the question.
        options: by the page's name of an option, the method that made it; in a check, "untouched" or "spoilt".
        task: the column; None for a check.
        answer: the right option of a check; None for other questions.
        input: the name of the input picture.
        edit: the edit that the models were given; empty for a check.
    """

    id: str
    options: dict[str, str]
    task: str | None = None
    answer: str | None = None
    input: str
    edit: str = ""


class Key(_Document):
    """The key of one study.

    Attributes:
        format: says what the file is.
        version: the version of the format.
        study: the study's id, which the page and its results carry.
        seed: the seed that the study was drawn with.
        methods: the methods' names in the order of the tables, each with the path of its model.
        tasks: the columns, in order.
        questions: all questions, checks included.
    """

    format: Literal["stargan-fw study key"] = FORMAT
    version: Literal[1] = 1
    study: str
    seed: int
    methods: dict[str, str]
    tasks: list[KeyTask]
    questions: list[KeyQuestion]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        votes = [question for question in self.questions if question.answer is None]
        if {question.task for question in votes} != {task.name for task in self.tasks}:
            raise ValueError("the questions are not those of the tasks")
        if len(self.methods) < 2 or any(set(question.options.values()) != set(self.methods) for question in votes):
            raise ValueError("the options are not those of the methods")
        return self

    @property
    def checks(self) -> list[KeyQuestion]:
        """The attention checks."""
        return [question for question in self.questions if question.answer is not None]

    def to_json(self) -> str:
        """Returns the file's text."""
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> Key:
        """Reads the file that `study build` wrote.

        Raises:
            DataError: the file is missing, or is no key.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise DataError(f"The key '{path}' cannot be read: {error.strerror}. Name key.json with --key.") from None
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"])) or "the file"
            raise DataError(
                f"'{path}' is not the key of a study: {where}: {error.errors()[0]['msg']}. Name key.json with --key."
            ) from None
