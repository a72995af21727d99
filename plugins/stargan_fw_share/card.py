"""`MODEL/README.md`: a model card as Hugging Face's Hub reads it, with a sheet."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from huggingface_hub import ModelCardData

from stargan_fw.inference.translator import EXTRAPOLATES
from stargan_fw.interfaces import TranslatesAcross
from stargan_fw.models.hub import CARD, SHEET
from stargan_fw_evaluate import as_markdown
from stargan_fw_registry import Edit, Move, describe_untrained, quote_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from PIL import Image

    from stargan_fw.interfaces import Method
    from stargan_fw.models.model_config import ModelConfig
    from stargan_fw_evaluate import Evaluation
    from stargan_fw_registry import LabelCounts, LabelSchema, LabelSpace

TAGS = ("image-to-image", "gan", "multi-domain", "stargan-fw")

# What `templates/model_card.md` says of the model's folder, which a model on the Hub does not have.
FOLDER_NOTE = re.compile(r"`[^`\n]*` is this folder: name its path where it lies elsewhere\.\n\n")
FOLDER = re.compile(
    r"""(?<=^stargan-fw translate )('[^']*'|\S+)|(?<=from_pretrained\()"(?:[^"\\]|\\.)*\"""", re.MULTILINE
)


@dataclass(frozen=True)
class Facts:
    """What a card says beyond `config.json`.

    Attributes:
        title: the model's name.
        origin: a sentence that says how the model was made.
        training: the rows of the table on data and training, by name.
        label_counts: as `ModelConfig.label_counts`, of all datasets that they are known of.
        evaluation: what was measured, or None.
        sheet: a picture of results.
        sheet_shows: the sheet's caption.
        usage: the section that says how to use the model, if this program does not.
        tags: further tags besides those of every model.
        licence: the Hub's name of the licence, such as "cc-by-nc-4.0", or None if nobody chose one.
    """

    title: str
    origin: str
    training: Mapping[str, str] = field(default_factory=dict)
    label_counts: Mapping[str, LabelCounts] = field(default_factory=dict)
    evaluation: Evaluation | None = None
    sheet: Image.Image | None = None
    sheet_shows: str = ""
    usage: str = ""
    tags: tuple[str, ...] = ()
    licence: str | None = None


def write_card(folder: Path, config: ModelConfig, method: Method, facts: Facts, *, reads_labels: bool) -> None:
    """Writes the card, and the sheet if there is one. It says whether the model can read current labels."""
    if facts.sheet:
        facts.sheet.save(folder / SHEET)
    tags = dict.fromkeys((*TAGS, *facts.tags, config.method.name))
    header = ModelCardData(
        library_name="stargan-fw", pipeline_tag="image-to-image", tags=[*tags], license=facts.licence
    )
    schemas, datasets = config.space.schemas, config.space.datasets
    counts = facts.label_counts or config.label_counts
    card = render(
        "model_card.md",
        header=header.to_yaml(),
        config=config,
        facts=facts,
        reads_labels=reads_labels,
        across=_describe_across(method, config.space),
        counts={schema.name: _describe_counts(schema, counts.get(schema.name, {})) for schema in schemas},
        untrained=describe_untrained(config.space, counts, [edit for schema in schemas for edit in _all_edits(schema)]),
        sheet_file=SHEET,
        datasets=" and ".join(filter(None, [", ".join(datasets[:-1]), datasets[-1]])),
        numbers=_example_numbers(config.space),
        examples={
            one.kind: _edit_name(config.space, schema, one.name) for schema in schemas for one in schema.attributes
        },
        edit=_example_edit(config.space),
        measured=as_markdown([facts.evaluation]).strip() if facts.evaluation else "",
    )
    (folder / CARD).write_text(card, encoding="utf-8")


def with_repo_name(card: str, repo: str) -> str:
    """Returns a card whose commands name the model as the Hub does, "user/name", instead of its folder."""
    return FOLDER.sub(lambda found: json.dumps(repo) if found[0].startswith('"') else repo, FOLDER_NOTE.sub("", card))


def render(template: str, **values: Any) -> str:
    """Returns the text of one of this package's templates, filled in. A text in a table's cell loses its bars."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape  # noqa: PLC0415 - 20 ms

    templates = Environment(
        loader=PackageLoader("stargan_fw_share"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters |= {
        "cell": lambda text: text.replace("|", "/").strip(),
        "shell": shlex.quote,
        "python": partial(json.dumps, ensure_ascii=False),
    }
    return templates.get_template(template).render(values)


def _describe_across(method: Method, space: LabelSpace) -> str:
    """Says whether an edit may name labels of several datasets; empty if the model knows one dataset."""
    if len(space.schemas) == 1:
        return ""
    if not isinstance(method, TranslatesAcross):
        return (
            "An edit names labels of one dataset. For labels of several, translate to those of one dataset, and the results "
            "to those of the next."
        )
    ends = [schema.attributes[0].write(1.0) for schema in space.schemas]
    example = ",".join(name + end for name, end in zip(first_names(space), ends, strict=False))
    several = f"An edit may name labels of several datasets at once (`{example}`)"
    if method.trained_across:
        return f"{several}: the method gives images labels of other datasets in training, too."
    return f"{several}. The model {EXTRAPOLATES}"


def first_names(space: LabelSpace) -> list[str]:
    """Returns the first label of the first two datasets, as an edit names it."""
    return [space.names[space.slice(dataset).start] for dataset in space.datasets[:2]]


def _describe_counts(schema: LabelSchema, counts: LabelCounts) -> dict[str, str]:
    """Returns for each attribute how many training images have its labels; empty if nobody counted them."""
    described = {}
    for attribute, part in schema.parts:
        named = {name: counts[name] for name in schema.names[part] if name in counts}
        texts = [
            f"{without + having}"
            if attribute.continuous
            else f"{name} {having}" + f", not {without}" * (attribute.size == 1)
            for name, (without, having) in named.items()
        ]
        described[attribute.name] = ", ".join(texts)
    return described if counts else {}


def _all_edits(schema: LabelSchema) -> list[Edit]:
    """Returns an edit that sets each label, and one that clears each label that can be cleared."""
    return [
        Edit(schema.name, ((name, value),))
        for attribute, part in schema.parts
        for name in schema.names[part]
        for value in ((1.0,) if attribute.one_hot else attribute.tested if attribute.continuous else (1.0, 0.0))
    ]


def _example_numbers(space: LabelSpace) -> list[str]:
    """Returns an edit that gives a continuous label a number, and one that adds to it; nothing if there is no such label."""
    for schema in space.schemas:
        for attribute in (attribute for attribute in schema.attributes if attribute.continuous):
            name = _edit_name(space, schema, attribute.name)
            return [name + attribute.write(0.5), name + attribute.write_move(Move(1.0, 0.1))]
    return []


def _example_edit(space: LabelSpace) -> str:
    """Returns an edit that the label space can read."""
    first = space.schemas[0]
    return _edit_name(space, first, first.names[0]) + first.attributes[0].write(1.0)


def _edit_name(space: LabelSpace, schema: LabelSchema, name: str) -> str:
    """Returns the name of a label or an attribute as an edit writes it, with the dataset's if other datasets have it, too."""
    shared = sum(bool(one.resolve_key(name)) for one in space.schemas) > 1
    return f"{schema.name}." * shared + quote_name(name)
