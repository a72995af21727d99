"""`MODEL/README.md`: a model card as Hugging Face's Hub reads it, with a sheet."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from huggingface_hub import ModelCardData

from stargan_fw.errors import LabelError
from stargan_fw.runs.evaluation_record import as_markdown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from PIL import Image

    from stargan_fw.models.model_config import ModelConfig
    from stargan_fw.runs.evaluation_record import Evaluation
    from stargan_fw_registry import LabelSpace

SHEET = "sheet.png"
TAGS = ("image-to-image", "gan", "multi-domain", "stargan-fw")

KINDS = {
    "binary": "A binary label is set (`{0}`), not set (`{0}=0`) or turned over (`{0}=flip`).",
    "categorical": "Of a categorical attribute one label is set.",
    "exclusive": "Of an exclusive group at most one label is set (`{0}=` for none).",
}
HERE = "`{name}` is this folder: name its path where it lies elsewhere.\n\n"
HERE_LINE = re.compile(re.escape(HERE).replace(re.escape("{name}"), r"[^`\n]*"))
ADDRESS = re.compile(
    r"""(?<=^stargan-fw translate )('[^']*'|\S+)|(?<=from_pretrained\()"(?:[^"\\]|\\.)*\"""", re.MULTILINE
)

LIMITS = """## Limits and intended use

- The model edits square pictures like those it was trained on, at {size} by {size} pixels. Other pictures, poses, light
  and crops give worse results, and what an edit should leave alone, such as the background, may drift.
- A label is what the annotators of its dataset wrote down. It carries their errors and prejudices: "Male", "Young" or
  an expression on a picture is nobody's gender, age or feeling. Groups that are rare in the data are served worse.
- It is meant for research, teaching and art. Do not use it to deceive: do not show edited pictures of real people as
  real, and ask those who are on them. It is no means to recognise, judge or sort people.
- The data's own terms apply: many face datasets allow research alone."""


@dataclass(frozen=True)
class Facts:
    """What a card says besides what `config.json` does.

    Attributes:
        title: the model's name.
        origin: a sentence on how the model was made.
        training: what it was trained on and how, by name.
        evaluation: what was measured; None where nothing was.
        sheet: a picture of results.
        sheet_shows: its caption.
        classifier: whether the model can read current labels.
        usage: the section on how to use it, where that is not this program's way.
        tags: besides those of every model.
        licence: as the Hub names it, such as "cc-by-nc-4.0"; None where nobody says.
    """

    title: str
    origin: str
    training: Mapping[str, str] = field(default_factory=dict)
    evaluation: Evaluation | None = None
    sheet: Image.Image | None = None
    sheet_shows: str = ""
    classifier: bool = True
    usage: str = ""
    tags: tuple[str, ...] = ()
    licence: str | None = None


def write_card(folder: Path, config: ModelConfig, facts: Facts) -> None:
    """Writes the card, and its sheet where there is one."""
    if facts.sheet:
        facts.sheet.save(folder / SHEET)
    parts = [part for part in _parts(config, facts) if part]
    (folder / "README.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def with_repo_name(card: str, repo: str) -> str:
    """Returns a card whose commands name the model as the Hub does, "user/name", and no longer a folder."""
    return ADDRESS.sub(lambda found: json.dumps(repo) if found[0].startswith('"') else repo, HERE_LINE.sub("", card))


def _parts(config: ModelConfig, facts: Facts) -> Iterator[str]:
    space = config.space
    yield f"---\n{_header(config, facts).to_yaml()}\n---"
    yield f"# {facts.title}"
    yield (
        f"One model that translates pictures between the labels of {_listed(space.datasets)}. {facts.origin} "
        f"Made with {config.made_with}, by the method `{config.method.name}`."
    )
    if facts.sheet:
        yield f"![{facts.sheet_shows}]({SHEET})\n\n*{facts.sheet_shows}*"
    yield f"## Labels\n\n{_label_table(space)}"
    yield facts.usage or _usage(space, facts)
    yield f"## The model\n\n{_table(('', ''), _settings(config).items())}"
    if facts.training:
        yield f"## Training\n\n{_table(('', ''), facts.training.items())}"
    if facts.evaluation:
        yield f"## Measured\n\n{as_markdown([facts.evaluation]).strip()}"
    yield LIMITS.format(size=config.image_size)


def _header(config: ModelConfig, facts: Facts) -> ModelCardData:
    tags = dict.fromkeys((*TAGS, *facts.tags, config.method.name))
    return ModelCardData(library_name="stargan-fw", pipeline_tag="image-to-image", tags=[*tags], license=facts.licence)


def _kinds(space: LabelSpace) -> str:
    """Explains the kinds of labels that there are, each by an example."""
    example = {attribute.kind: attribute.name for schema in space.schemas for attribute in schema.attributes}
    told = [text.format(example[kind]) for kind, text in KINDS.items() if kind in example]
    return " ".join([*told, "An edit is one label or several of one dataset, separated by commas."])


def _label_table(space: LabelSpace) -> str:
    rows = []
    for dataset in space.datasets:
        schema = space.schema(dataset)
        for attribute, part in schema.parts:
            rows.append((dataset, attribute.name, attribute.kind, ", ".join(schema.names[part])))
    return _table(("dataset", "attribute", "kind", "labels"), rows)


def _usage(space: LabelSpace, facts: Facts) -> str:
    edit, name = example_edit(space), facts.title
    command, here = shlex.quote(name), HERE.format(name=name)
    unnamed = (
        "Labels that are not named keep their value, which the model reads from the picture."
        if facts.classifier
        else "The model comes without a classifier: name every label of the dataset."
    )
    return f"""## How to use it

```sh
pip install stargan-fw
stargan-fw translate {command} face.jpg --to {shlex.quote(edit)} -o out
```

```python
from stargan_fw import Translator

translator = Translator.from_pretrained({json.dumps(name, ensure_ascii=False)})
translator.translate("face.jpg", to={json.dumps(edit, ensure_ascii=False)}).save("translated.png")
```

{here}{_kinds(space)} {unnamed}"""


def example_edit(space: LabelSpace) -> str:
    """Returns an edit that the label space can read."""
    schema = space.schemas[0]
    name = schema.names[0]
    try:
        space.resolve(name)
    except LabelError:
        return space.names[0]
    return name


def _settings(config: ModelConfig) -> dict[str, str]:
    settings = {"image size": f"{config.image_size} px"}
    for name, side in config.crops.items():
        centre = f"the middle {side} px" if side else "the middle square"
        own = config.own_crops.get(name)
        settings[f"crop of {name}"] = f"{own}; of other pictures {centre}" if own else centre
    for kind, component in {"method": config.method, **config.components}.items():
        options = ", ".join(f"{key} = {value}" for key, value in component.arguments.items())
        settings[kind] = f"{component.name} ({options})" if options else component.name
    settings["plugins"] = ", ".join(f"{need.distribution or need.file} {need.version or ''}" for need in config.plugins)
    return settings


def _table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heading, ("---",) * len(heading), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/').strip() for cell in line)} |" for line in lines)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
