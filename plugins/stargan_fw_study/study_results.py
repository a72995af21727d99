"""Reads the results that workers sent, and says which of them count."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

from stargan_fw.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from stargan_fw_study.study_key import Key


class Answer(BaseModel):
    """What a worker chose.

    Attributes:
        question: the question's id.
        choice: the id of the option.
        position: the place of the option on the page, from 1.
        seconds: how long the question was open before the worker chose.
    """

    question: str
    choice: str
    position: int | None = None
    seconds: float | None = None


class Results(BaseModel):
    """A file that the page wrote.

    Attributes:
        format: says what the file is.
        version: the version of the format.
        study: the id of the study whose questions were answered.
        worker: a random name of the browser.
        code: the name that the researcher gave to the worker; may be empty.
        finished: when the worker finished, in UTC, as ISO 8601.
        answers: the answers, in the order in which the questions were asked.
    """

    format: Literal["stargan-fw study results"]
    version: Literal[1]
    study: str
    worker: Annotated[str, Field(min_length=1, max_length=64)]
    code: Annotated[str, Field(max_length=64)] = ""
    finished: str = ""
    answers: list[Answer]

    @property
    def person(self) -> str:
        """Who answered, as far as the file tells: the code if there is one, else the browser."""
        return f"code {self.code.strip().casefold()}" if self.code.strip() else f"worker {self.worker}"


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file that does not count.

    Attributes:
        file: the file's path.
        reason: why the file does not count, in one line.
    """

    file: str
    reason: str


def result_files(paths: Sequence[Path]) -> list[Path]:
    """Returns the files of results: those that are named, and those of folders in the order of their names.

    Raises:
        DataError: a path is missing, or a folder has no results.
    """
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise DataError(f"'{path}' does not exist. Name results that the study's page saved, or a folder of them.")
        found = sorted(file for file in path.glob("*.json") if file.name != "key.json") if path.is_dir() else [path]
        if not found:
            raise DataError(f"The folder '{path}' holds no results (*.json). Name another.")
        files += found
    return list(dict.fromkeys(files))


def validate(files: Sequence[Path], key: Key, *, misses: int) -> tuple[list[Results], list[Dropped]]:
    """Divides results into those that count and those that do not.

    If a worker sent several files, only the one that was finished first can count. Whoever failed the checks does not get
    another try.

    Args:
        files: the files that workers sent.
        key: the study's key.
        misses: how many attention checks a worker may fail.

    Returns:
        The results that count, in the order of the files, and the files that do not count.
    """
    read = {file: _read(file, key) for file in files}
    complete = {file: found for file, found in read.items() if isinstance(found, Results)}
    dropped = {file: found for file, found in read.items() if isinstance(found, str)}
    first: dict[str, Path] = {}
    for file, results in sorted(complete.items(), key=lambda item: item[1].finished):
        earlier = first.setdefault(results.person, file)
        failed = sum(_chosen(results)[check.id] != check.answer for check in key.checks)
        if earlier != file:
            dropped[file] = f"is of the same worker as '{earlier}' ({results.person}), which was finished first"
        elif failed > misses:
            dropped[file] = f"fails {failed} of {len(key.checks)} attention checks"
    valid = [results for file, results in complete.items() if file not in dropped]
    return valid, [Dropped(str(file), dropped[file]) for file in files if file in dropped]


def _chosen(results: Results) -> dict[str, str]:
    return {answer.question: answer.choice for answer in results.answers}


def _read(file: Path, key: Key) -> Results | str:
    """Returns the results of a file, or the reason why they cannot count."""
    try:
        results = Results.model_validate(json.loads(file.read_bytes()), strict=True)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        return f"is no results file: {where + ': ' if where else ''}{error.errors()[0]['msg']}"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except (ValueError, RecursionError):
        return "is no results file: not JSON"
    return next(_problems(results, key), results)


def _problems(results: Results, key: Key) -> Iterator[str]:
    if results.study != key.study:
        yield f"answers the study {results.study}, not {key.study}"
        return
    options = {question.id: question.options for question in key.questions}
    chosen = _chosen(results)
    for answer in results.answers:
        if answer.question not in options:
            yield f"answers a question that the study does not have: {answer.question}"
        elif answer.choice not in options[answer.question]:
            yield f"chooses what the question {answer.question} does not offer: {answer.choice}"
    if len(chosen) < len(results.answers):
        yield "answers a question twice"
    if len(chosen) < len(options):
        yield f"answers {len(chosen)} of {len(options)} questions"
