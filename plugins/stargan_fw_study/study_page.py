"""The page that asks workers: one HTML file with everything in it."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from stargan_fw.api import data_uri

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL import Image


@dataclass(frozen=True)
class PageQuestion:
    """A question as a worker sees it.

    Attributes:
        id: the question's name in the results.
        wanted: the changes that are asked for, in words.
        input: the picture to be changed.
        options: the pictures by their names in the results, in the order in which they stand in the file.
    """

    id: str
    wanted: Sequence[str]
    input: Image.Image
    options: Mapping[str, Image.Image]

    def to_dict(self) -> dict[str, Any]:
        """Returns the question as the page's script reads it, with pictures as `data:` addresses."""
        options = [{"id": name, "image": inlined(picture)} for name, picture in self.options.items()]
        return {"id": self.id, "wanted": list(self.wanted), "input": inlined(self.input), "options": options}


def inlined(picture: Image.Image) -> str:
    """Returns a picture as a `data:` address, lossless and without metadata."""
    return data_uri(picture, "webp", lossless=True, quality=80, method=4)


def draw_page(title: str, questions: Sequence[PageQuestion]) -> tuple[str, str]:
    """Returns the study's id, which is a hash of the questions, and the page.

    The page loads nothing from anywhere. Its policy allows its own script and style, by their hashes, and inlined pictures.

    Args:
        title: what workers see as the study's name.
        questions: at least one.
    """
    asked = [question.to_dict() for question in questions]
    study = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
    templates = Environment(loader=PackageLoader("stargan_fw_study"), autoescape=True, undefined=StrictUndefined)
    templates.filters["policy_hash"] = _policy_hash
    page = templates.get_template("study.html").render(
        title=title,
        study={"study": study, "questions": asked},
        style=_own_file("study.css"),
        script=_own_file("study.js"),
    )
    return study, page


def _own_file(name: str) -> Markup:
    """Returns a file of this package that goes into the page as it stands."""
    return Markup(files("stargan_fw_study").joinpath("templates", name).read_text(encoding="utf-8"))  # noqa: S704


def _policy_hash(text: str) -> str:
    """Returns what the page's policy calls a style or script by."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
