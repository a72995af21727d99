"""Makes a study's questions: inputs, the models' answers and spoilt pictures, in an order that tells nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from stargan_fw.api import read_picture
from stargan_fw_study.checks import draw_check
from stargan_fw_study.key import KeyQuestion
from stargan_fw_study.page import PageQuestion

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from stargan_fw import Translator
    from stargan_fw.api import HeldOut
    from stargan_fw_study.questions import Question, Task
    from stargan_fw_study.wording import Wording

UNTOUCHED = ("no change at all",)


@dataclass(frozen=True)
class QuestionMaker:
    """Makes questions for the page, each with its entry in the key.

    Attributes:
        translators: by the name of the method.
        held_out: by dataset.
        columns: what each task is called.
        wording: puts changes to workers.
        rng: of orders and tokens.
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
        pictures = [self._translated(translator, question) for translator in self.translators.values()]
        options = self._shuffled(pictures, list(self.translators))
        wanted = [self.wording.of(question.task.dataset, label, value) for label, value in question.changes]
        known = {"task": self.columns[question.task], "edit": question.edit}
        return self._both(question, wanted, options, known, self._input(question))

    def check(self, question: Question) -> tuple[PageQuestion, KeyQuestion]:
        """Returns an attention check on a question's input."""
        picture = self._input(question)
        spoil = np.random.default_rng(self.rng.getrandbits(32))
        pictures = draw_check(picture, len(self.translators), spoil)
        options = self._shuffled(pictures, ["untouched", *["spoilt"] * (len(pictures) - 1)])
        answer = next(name for name, (_, what) in options.items() if what == "untouched")
        return self._both(question, UNTOUCHED, options, {"answer": answer}, picture)

    def _both(
        self,
        question: Question,
        wanted: Sequence[str],
        options: Mapping[str, tuple[Image.Image, str]],
        known: Mapping[str, str],
        picture: Image.Image,
    ) -> tuple[PageQuestion, KeyQuestion]:
        name = self._token()
        source = self.held_out[question.task.dataset].source
        pictures = {token: option for token, (option, _) in options.items()}
        whose = {token: what for token, (_, what) in options.items()}
        entry = KeyQuestion(id=name, options=whose, input=source.name_of(question.index), **known)
        return PageQuestion(name, wanted, picture, pictures), entry

    def _shuffled(self, pictures: Sequence[Image.Image], whose: Sequence[str]) -> dict[str, tuple[Image.Image, str]]:
        pairs = list(zip(pictures, whose, strict=True))
        self.rng.shuffle(pairs)
        return {self._token(): pair for pair in pairs}

    def _token(self) -> str:
        return f"{self.rng.getrandbits(48):012x}"

    def _input(self, question: Question, side: int | None = None) -> Image.Image:
        return read_picture(self.held_out[question.task.dataset].source, question.index, side or self.side)

    def _translated(self, translator: Translator, question: Question) -> Image.Image:
        picture = translator.translate(self._input(question, translator.image_size), to=question.edit)
        same = picture.width == self.side
        return picture if same else picture.resize((self.side, self.side), Image.Resampling.LANCZOS)
