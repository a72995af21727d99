"""`MODEL/config.json`: what a model is, without where its data lay or whose machine it was made on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from stargan_fw.config import ComponentConfig, Config
from stargan_fw.errors import LabelError, ModelError, one_line
from stargan_fw.kinds import MODEL_COMPONENTS
from stargan_fw.options import describe
from stargan_fw_registry import LabelSpace

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
LARGEST_FILE = 2**22  # bytes
LARGEST_NUMBER = 2**20  # of a network's arguments: layers, channels
NAME = r"^[^\x00-\x1f\x7f-\x9f/\\]{1,100}$"  # of what is printed: no path, nothing that a terminal obeys
COMPONENT = rf"^({'|'.join(MODEL_COMPONENTS)})$"
SENTENCE = r"^[^\x00-\x1f\x7f-\x9f]{1,500}$"  # that is printed
UPDATE = "Update stargan-fw: pip install --upgrade stargan-fw"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())


def _check_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    """Refuses numbers that no network means, before anything is built that many times."""
    if "name" in arguments:
        raise ValueError("'name' is no argument of a component")
    stack: list[Any] = [arguments]
    while stack:
        value = stack.pop()
        if isinstance(value, int) and abs(value) > LARGEST_NUMBER:
            raise ValueError(f"a number is larger than {LARGEST_NUMBER}")
        stack += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return arguments


class Component(_Strict):
    """A registered component.

    Attributes:
        name: that it is registered by.
        arguments: its own options.
    """

    name: str = Field(pattern=NAME)
    arguments: Annotated[dict[str, Any], AfterValidator(_check_arguments)] = {}


class Need(_Strict):
    """A plugin that the model needs.

    Attributes:
        provides: its components, as "generator attention".
        distribution: that it is installed with.
        version: of the distribution, when the model was written.
        file: the name of the plugin file, where it is not installed.
    """

    provides: list[str] = Field(min_length=1)
    distribution: str | None = Field(default=None, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
    version: str | None = Field(default=None, pattern=r"^[A-Za-z0-9.+!_-]+$")
    file: str | None = Field(default=None, pattern=NAME)

    def remedy(self) -> str:
        """Returns how to get the plugin."""
        if self.file:
            return f"It is in the plugin file '{self.file}': name it with --plugin"
        if self.distribution:
            made_with = f" (the model was made with {self.version})" if self.version else ""
            return f"Install its plugin: pip install {self.distribution}{made_with}"
        return "Name the file of its plugin with --plugin FILE"


class ModelConfig(_Strict):
    """`config.json`.

    Attributes:
        format: version of the folder's format.
        made_with: the program and its version.
        image_size: side in pixels.
        dtype: of the weights.
        labels: as `LabelSpace.to_dict` writes them.
        crops: side in pixels of the centre crop that each dataset had before the resize; None is the short side.
        own_crops: of datasets whose images had squares of their own, such as around faces, which, in words; of their other
            images `crops` holds.
        method: owns the networks.
        components: what the method builds: "generator", "discriminator", "loss".
        plugins: where all of these come from.
    """

    format: int = Field(default=FORMAT, ge=1, le=FORMAT)
    made_with: str = ""
    image_size: int = Field(gt=0, le=2**14)
    dtype: Literal["float32"] = "float32"
    labels: dict[str, Any]
    crops: dict[str, Annotated[int, Field(gt=0)] | None]
    own_crops: dict[str, Annotated[str, Field(pattern=SENTENCE)]] = {}
    method: Component
    components: dict[Annotated[str, Field(pattern=COMPONENT)], Component]
    plugins: list[Need]

    @model_validator(mode="after")
    def _crops_of_datasets(self) -> ModelConfig:
        try:
            datasets = LabelSpace.from_dict(self.labels).datasets
        except LabelError as error:
            raise ValueError(f"labels: {error}") from None
        if set(datasets) != set(self.crops):
            raise ValueError(f"crops names {', '.join(self.crops)}, but the labels are of {', '.join(datasets)}")
        if not set(self.own_crops) <= set(datasets):
            named = ", ".join(self.own_crops)
            raise ValueError(f"own_crops names {named}, but the labels are of {', '.join(datasets)}")
        return self

    @property
    def space(self) -> LabelSpace:
        """The label space."""
        return LabelSpace.from_dict(self.labels)

    def settings(self) -> dict[str, Any]:
        """Returns the tables of a run's configuration that say what the model is."""
        tables = {"method": self.method, **self.components}
        named = {kind: {**component.arguments, "name": component.name} for kind, component in tables.items()}
        return {"data": {"image_size": self.image_size}, **named}

    def config(self) -> Config:
        """Returns the configuration that builds the model."""
        return Config.model_validate(self.settings())

    def to_json(self) -> str:
        """Returns the file's text."""
        return json.dumps(self.model_dump(), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> ModelConfig:
        """Reads a `config.json`, which a stranger may have written.

        Raises:
            ModelError: it is too large, no JSON, of a newer format, or says anything unknown or mistyped.
        """
        document = _read_json(path)
        check_format(document.get("format"), path)
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            if error.errors()[0]["loc"]:
                raise ModelError(f"'{path}': {one_line(describe(error, cls, document))}") from None
            reason = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise ModelError(f"'{path}': {one_line(reason)}.") from None


def check_format(version: object, path: Path) -> None:
    """Raises ModelError where a file is of another format than this program reads."""
    if type(version) is not int or version < 1:
        raise ModelError(f"'{path}' is no model of stargan-fw: it has no format version.")
    if version > FORMAT:
        raise ModelError(
            f"'{path}' is of format {version}, which a newer stargan-fw wrote; this one reads up to {FORMAT}. {UPDATE}."
        )


def component(config: ComponentConfig) -> Component:
    """Returns a configured component as `config.json` has it."""
    return Component(name=str(config.name), arguments=config.options)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ModelError(f"'{path}' is no file.")
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ModelError(f"'{path}' is larger than {LARGEST_FILE // 2**20} MiB: it is no model's config.json.")
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except OSError as error:
        raise ModelError(f"'{path}' cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"'{path}' is not JSON: {one_line(str(error))}.") from None
    if not isinstance(document, dict):
        raise ModelError(f"'{path}' is no model of stargan-fw: it holds no object.")
    return document


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number of JSON")
