"""`MODEL/config.json`: what a model is, but not where its data was or who made it on which machine."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from stargan_fw.component_kinds import MODEL_COMPONENTS
from stargan_fw.config import LARGEST_SIZE, Colour, GreyRange
from stargan_fw.data.images import PictureOptions
from stargan_fw.errors import LabelError, ModelError, one_line
from stargan_fw.files import read_json, why_unreadable
from stargan_fw.interfaces.dataset import Fit  # noqa: TC001 - pydantic evaluates it
from stargan_fw.options import describe_error
from stargan_fw.runs.run_folder import LabelCount  # noqa: TC001 - pydantic evaluates it
from stargan_fw_registry import LabelSpace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from stargan_fw.config import Config
    from stargan_fw.plugin_manager import PluginManager

FORMAT = 1
ANEW = "Export the model again, or download it again."
LARGEST_FILE = 2**22  # bytes
LARGEST_NUMBER = 2**20  # among a network's arguments, such as layers and channels
# These texts are printed. None may hold what a terminal obeys, and a name may hold no path.
NAME = r"^[^\x00-\x1f\x7f-\x9f/\\]{1,100}$"
SENTENCE = r"^[^\x00-\x1f\x7f-\x9f]{1,500}$"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())


def _check_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    """Refuses numbers that make no sense for a network, before anything is built that many times."""
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
    """A component: the name that it is registered by, and its own options."""

    name: str = Field(pattern=NAME)
    arguments: Annotated[dict[str, Any], AfterValidator(_check_arguments)] = {}


class Need(_Strict):
    """A plugin that the model needs.

    Attributes:
        provides: the components that come from it, as "generator attention".
        distribution: the installed package that it comes with, if it is installed.
        version: the package's version when the model was written.
        file: the name of the plugin file, if the plugin is not installed.
    """

    provides: list[str] = Field(min_length=1)
    distribution: str | None = Field(default=None, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
    version: str | None = Field(default=None, pattern=r"^[A-Za-z0-9.+!_-]+$")
    file: str | None = Field(default=None, pattern=NAME)

    def __str__(self) -> str:
        return f"{self.distribution or self.file} {self.version or ''}".strip()

    def remedy(self) -> str:
        """Returns how to get the plugin."""
        if self.file:
            return f"It is in the plugin file '{self.file}': name it with --plugin"
        if self.distribution:
            made_with = f" (the model was made with {self.version})" if self.version else ""
            return f"Install its plugin: pip install {self.distribution}{made_with}"
        return "Name the file of its plugin with --plugin FILE"


class Pictures(_Strict):
    """How a dataset's pictures became squares in RGB; see the attributes of `stargan_fw.Dataset` of these names."""

    fit: Fit = "crop"
    background: Colour = "white"
    grey_range: GreyRange | None = None

    @property
    def options(self) -> PictureOptions:
        """The options to read pictures to translate with; `crop_size` is that of the training data and does not count."""
        grey = (self.grey_range[0], self.grey_range[1]) if self.grey_range else None
        return PictureOptions(None, self.fit, self.background, grey)


class ModelConfig(_Strict):
    """`config.json`.

    Attributes:
        format: version of the folder's format.
        made_with: the program and its version.
        image_size: side in pixels.
        dtype: the type of the weights.
        labels: the label space, as `LabelSpace.to_dict` writes it.
        crops: per dataset, the side in pixels of the centre crop that images had before the resize; None is the short side.
        own_crops: for each dataset that cropped its images by squares of their own, such as around faces, a description of
            them. `crops` holds for its other images.
        pictures: how the datasets' pictures became squares in RGB; a dataset is left out if it used the defaults.
        label_counts: per dataset and label, how many training images are known not to have the label, and to have it. A
            dataset is left out if that is not known, or if it has images of both kinds for each label.
        method: the method, which owns the networks.
        components: what the method builds, by kind: "generator", "discriminator", "loss".
        plugins: the plugins that register all of these.
    """

    format: int = Field(default=FORMAT, ge=1, le=FORMAT)
    made_with: str = ""
    image_size: int = Field(gt=0, le=LARGEST_SIZE)
    dtype: Literal["float32"] = "float32"
    labels: dict[str, Any]
    crops: dict[str, Annotated[int, Field(gt=0)] | None]
    own_crops: dict[str, Annotated[str, Field(pattern=SENTENCE)]] = {}
    pictures: dict[str, Pictures] = {}
    label_counts: dict[str, dict[str, LabelCount]] = {}
    method: Component
    components: dict[Annotated[str, Field(pattern=rf"^({'|'.join(MODEL_COMPONENTS)})$")], Component]
    plugins: list[Need]

    @model_validator(mode="after")
    def _crops_of_datasets(self) -> ModelConfig:
        try:
            datasets = self.space.datasets
        except LabelError as error:
            raise ValueError(f"labels: {error}") from None
        for key in ("crops", "own_crops", "pictures", "label_counts"):
            named, known = set(getattr(self, key)), set(datasets)
            if not (named == known if key == "crops" else named <= known):
                raise ValueError(
                    f"{key} names {', '.join(getattr(self, key))}, but the labels are of {', '.join(datasets)}"
                )
        return self

    @property
    def space(self) -> LabelSpace:
        """The label space."""
        return LabelSpace.from_dict(self.labels)

    @property
    def parts(self) -> dict[str, Component]:
        """The method and its components, by kind."""
        return {"method": self.method, **self.components}

    def settings(self) -> dict[str, Any]:
        """Returns the tables of a run's configuration that say what the model is."""
        tables = {kind: {**part.arguments, "name": part.name} for kind, part in self.parts.items()}
        return {"data": {"image_size": self.image_size}, **tables}

    def to_json(self) -> str:
        """Returns the file's text."""
        # So that earlier versions read the file, if there is nothing to say.
        left_out = {key for key in ("pictures", "label_counts") if not getattr(self, key)}
        return json.dumps(self.model_dump(exclude=left_out), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> ModelConfig:
        """Reads a `config.json`, which may come from anybody.

        Raises:
            ModelError: the file is too large, is no JSON, has a newer format, or has an unknown key or a value of a wrong type.
        """
        document = _read_json(path)
        check_format(document.get("format"), path)
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            first = error.errors()[0]
            reason = describe_error(error, cls, document) if first["loc"] else f"{_reason(first['msg'])}."
            raise ModelError(f"'{path}': {one_line(reason)}") from None


def describe_pictures(
    config: Config, plugins: PluginManager, splits: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Pictures]:
    """Returns how the pictures of each dataset became squares, without those that used the defaults.

    Args:
        config: the configuration.
        plugins: have the datasets' classes; if one is not there, the configuration says what it can.
        splits: what a run recorded about each dataset's images, such as the range of greys that was found.
    """
    found = {}
    for alias, table in config.datasets.items():
        kind = plugins.index("dataset").get(table.plugin) if table.plugin in plugins.index("dataset") else None
        of_class = {key: getattr(kind, key, None) for key in Pictures.model_fields}
        of_class["grey_range"] = of_class["grey_range"] or splits.get(alias, {}).get("grey_range")
        known = {key: value for key, value in (of_class | table.overrides).items() if value is not None}
        found[alias] = Pictures(**{key: known[key] for key in Pictures.model_fields if key in known})
    return {alias: pictures for alias, pictures in found.items() if pictures != Pictures()}


def label_counts(splits: Mapping[str, Any]) -> dict[str, dict[str, list[int]]]:
    """Returns the counts of the datasets whose images a run has counted, as `ModelConfig.label_counts` has them."""
    return {alias: split["label_counts"] for alias, split in splits.items() if "label_counts" in split}


def check_format(version: object, path: Path) -> None:
    """Raises ModelError if a file has another format than this program reads."""
    if type(version) is not int or version < 1:
        raise ModelError(f"'{path}' is no model of stargan-fw: it has no format version. {ANEW}")
    if version > FORMAT:
        raise ModelError(
            f"'{path}' is of format {version}, which a newer stargan-fw wrote; this one reads up to {FORMAT}. "
            "Update stargan-fw: pip install --upgrade stargan-fw."
        )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = read_json(path, LARGEST_FILE)
    except OSError as error:
        raise ModelError(f"'{path}' cannot be read: {why_unreadable(error)}. {ANEW}") from None
    except ValueError as error:
        raise ModelError(f"'{path}' is not JSON: {one_line(str(error))}. {ANEW}") from None
    if not isinstance(document, dict):
        raise ModelError(f"'{path}' is no model of stargan-fw: it holds no object. {ANEW}")
    return document


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ")
