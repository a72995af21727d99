"""`key.json`: what stays with the researcher, which option is whose and which answers are known."""

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
        name: what it is called, unique in the study.
        dataset: whose attributes change.
        attributes: their names; one for Table 1, several for Table 2.
    """

    name: str
    dataset: str
    attributes: list[str]


class KeyQuestion(_Document):
    """A question as the page asks it.

    Attributes:
        id: what the page calls it.
        options: by the page's name of an option, the method that made it; of a check, what the picture is.
        task: the column; None for a check.
        answer: the option that is right; None where any may be.
        input: name of the picture.
        edit: what the models were given; empty for a check.
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
        version: of the format.
        study: the study's id, which the page and its results carry.
        seed: that it was drawn with.
        methods: names in the order of the tables, with where each model was read.
        tasks: the columns, in order.
        questions: all of them, checks included.
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
        """The questions with a known answer."""
        return [question for question in self.questions if question.answer is not None]

    def to_json(self) -> str:
        """Returns the file's text."""
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> Key:
        """Reads the file that `study build` wrote.

        Raises:
            DataError: it is missing, or is no key.
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
