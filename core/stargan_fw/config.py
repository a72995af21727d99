"""The configuration of a run: defaults, a preset, a file and `--set`, laid over each other and checked as one."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from stargan_fw.errors import ConfigError
from stargan_fw.kinds import CONFIG_TABLES
from stargan_fw.options import describe, place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


Choice: TypeAlias = Literal["auto", "on", "off"]  # "auto" follows what the machine has


class _Strict(BaseModel):
    # TOML has inf and nan.
    model_config = ConfigDict(extra="forbid", validate_default=True, ser_json_inf_nan="constants")


class DataConfig(_Strict):
    """`[data]`.

    Attributes:
        image_size: side in pixels that images are resized to.
        path: the folder that holds datasets without a location of their own, each under its plugin's name.
        cache: where decoded images are kept; None is what the environment variable `STARGAN_FW_CACHE` says, or else
            `.stargan-fw` in `path`.
        resident: "auto" keeps the decoded training images on a GPU that has room for them, "on" on any device, "off"
            reads every batch from the disk. The batches are the same.
    """

    image_size: int = Field(default=128, gt=0)
    path: str = "data"
    cache: str | None = None
    resident: Choice = "auto"


class DatasetConfig(BaseModel):
    """`[datasets.<alias>]`: these keys, and the plugin's own.

    Attributes:
        plugin: the dataset plugin; the alias where it is not given.
        location: the folder, file or id of the data; None is `data.path`/`plugin`.
        crop_size: side in pixels of the centre crop; the plugin's own where it is not given.
        test_split: "random", "person" or "given"; likewise.
        test_size: share or number held out; likewise.
        on_contradiction: "error" or "unknown", of several labels of an exclusive group on one image; likewise.
        limit: at most so many training images, drawn once and for all; the test images stay.
        on_bad_image: "error" stops at an image that cannot be read, "skip" lists it and goes on without.
    """

    model_config = ConfigDict(extra="allow")

    plugin: str
    location: str | None = None
    crop_size: int | None = Field(default=None, gt=0)
    test_split: Literal["random", "person", "given"] | None = None
    test_size: float | int | None = Field(default=None, gt=0)
    on_contradiction: Literal["error", "unknown"] | None = None
    limit: int | None = Field(default=None, ge=2)
    on_bad_image: Literal["error", "skip"] = "error"

    @property
    def overrides(self) -> dict[str, Any]:
        """The dataset's class attributes that the configuration replaces."""
        names = ("crop_size", "test_split", "test_size", "on_contradiction")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    @property
    def options(self) -> dict[str, Any]:
        """The plugin's own options."""
        return dict(self.model_extra or {})


class OptimizerConfig(_Strict):
    """`[training.optimizers.<phase>]`: what is changed about the optimiser of one of the method's phases.

    Attributes:
        name: "adam" or "adamw".
        rate: a factor on `training.learning_rate`.
        beta1: instead of `training.beta1`.
        beta2: instead of `training.beta2`.
        weight_decay: an L2 penalty with "adam", decoupled from the gradient with "adamw".
        clip: the largest norm of all gradients of the phase together; `inf` does not clip.
    """

    name: Literal["adam", "adamw"] | None = None
    rate: float | None = Field(default=None, gt=0)
    beta1: float | None = Field(default=None, ge=0, lt=1)
    beta2: float | None = Field(default=None, ge=0, lt=1)
    weight_decay: float | None = Field(default=None, ge=0)
    clip: float | None = Field(default=None, gt=0)

    @property
    def changes(self) -> dict[str, Any]:
        """The fields of `stargan_fw.OptimizerSpec` that are replaced."""
        given = self.model_dump(exclude_none=True)
        return {"algorithm" if name == "name" else name: value for name, value in given.items()}


class TrainingConfig(_Strict):
    """`[training]`.

    Attributes:
        batch_size: images per batch; the method may need more than one (`Method.least_batch_size`).
        micro_batch_size: images whose gradients are computed at a time where a method can add them up: the
            same update, but for rounding, in less memory, of networks that look at each image alone.
            "auto" is 3 images of 128 pixels in fp32 on a processor, else the batch.
        n_critic: discriminator updates per generator update, counted for each dataset and each kind of its batches.
        learning_rate: Adam's, before it decays.
        beta1: Adam's.
        beta2: Adam's.
        optimizers: what is changed about the optimiser of single phases, such as the discriminator's, "d".
        steps: discriminator updates in all; or `epochs`.
        epochs: passes over the largest dataset where they alternate, over all where they are proportional.
        strategy: "alternate" takes the datasets in turn, "proportional" as often as they have images.
        decay: the share of the steps, at the end, over which the rate falls linearly to zero.
        seed: of everything random.
        precision: "auto" is bf16 where the processor computes in it, else fp32.
        compile: "auto" compiles the networks where a compiler is found and the run is long enough to pay for it.
        graphs: "auto" captures what is compiled in CUDA graphs, on NVIDIA's GPUs; where that fails, it goes on without.
        accelerate: "auto" swaps layers of the networks for ones that compute the same faster on their device; "off" leaves
            them as they are built.
        channels_last: how networks and images lie in memory; "auto" is channels last in bf16 on CUDA.
        ema: decay of the moving average of the generator's weights, which follows each of its updates; 0 is off.
        flip: probability of a horizontal flip.
        log_every: steps between rows of `metrics.jsonl`.
        sample_every: steps between sample sheets.
        save_every: steps between checkpoints.
        keep_checkpoints: how many of the latest are kept.
        trackers: where metrics go besides `metrics.jsonl`.
        start: a run folder or a model folder whose weights training begins with; None begins at random.
    """

    batch_size: int = Field(default=16, ge=1)
    micro_batch_size: PositiveInt | Literal["auto"] = "auto"
    n_critic: int = Field(default=5, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    beta1: float = Field(default=0.5, ge=0, lt=1)
    beta2: float = Field(default=0.999, ge=0, lt=1)
    optimizers: dict[str, OptimizerConfig] = {}
    steps: int | None = Field(default=None, gt=0)
    epochs: int | None = Field(default=None, gt=0)
    strategy: Literal["alternate", "proportional"] = "alternate"
    decay: float = Field(default=0.5, ge=0, le=1)
    seed: int = Field(default=0, ge=0)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: Choice = "auto"
    graphs: Choice = "auto"
    accelerate: Literal["auto", "off"] = "auto"
    channels_last: Choice = "auto"
    ema: float = Field(default=0.0, ge=0, lt=1)
    flip: float = Field(default=0.5, ge=0, le=1)
    log_every: int = Field(default=10, gt=0)
    sample_every: int = Field(default=500, gt=0)
    save_every: int = Field(default=500, gt=0)
    keep_checkpoints: int = Field(default=2, ge=1)
    trackers: list[str] = []
    start: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_length(cls, values: dict[str, Any]) -> dict[str, Any]:
        if isinstance(values, dict) and not values.get("steps") and not values.get("epochs"):
            values = {**values, "epochs": 20}
        return values


class ComponentConfig(BaseModel):
    """`[method]`, `[generator]`, `[discriminator]`, `[loss]`, `[embedding]`: a name, and that component's own options.

    Attributes:
        name: of the component; where it is not given, the method names its networks and loss.
    """

    model_config = ConfigDict(extra="allow")

    name: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The component's own options."""
        return dict(self.model_extra or {})


class Config(_Strict):
    """Everything that a run is made from.

    Attributes:
        plugins: plugin files.
        data: images and where they lie.
        datasets: by alias, in the order of the joint label vector.
        training: the schedule, the optimiser and what is written.
        method: owns the networks and losses.
        generator: translates images.
        discriminator: scores images and reads their labels.
        loss: the adversarial loss, with the weights of the others.
        embedding: what a translation must keep, for methods with an identity loss.
    """

    plugins: list[str] = []
    data: DataConfig = DataConfig()
    datasets: dict[str, DatasetConfig] = {}
    training: TrainingConfig = TrainingConfig()
    method: ComponentConfig = ComponentConfig()
    generator: ComponentConfig = ComponentConfig()
    discriminator: ComponentConfig = ComponentConfig()
    loss: ComponentConfig = ComponentConfig()
    embedding: ComponentConfig = ComponentConfig()

    def to_toml(self) -> str:
        """Returns the configuration as TOML, which `Layer.from_file` reads back."""
        values = self.model_dump(mode="json", exclude_none=True)
        if not self.training.optimizers:
            del values["training"]["optimizers"]
        return tomli_w.dumps(values)


@dataclass(frozen=True, slots=True)
class Layer:
    """A partial configuration.

    Attributes:
        source: where it comes from, for messages: a path, "--set".
        values: nested tables.
    """

    source: str
    values: dict[str, Any]

    @classmethod
    def from_file(cls, path: Path) -> Layer:
        """Reads a TOML file.

        Raises:
            ConfigError: it is missing or is not TOML.
        """
        try:
            return cls(str(path), tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise ConfigError(f"The configuration '{path}' cannot be read: {error.strerror}.") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"The configuration '{path}' is not TOML: {error}") from None

    @classmethod
    def from_settings(cls, settings: Iterable[str]) -> Layer:
        """Reads `key=value` pairs as `--set` takes them; a value that is not TOML is a string.

        Raises:
            ConfigError: no `=`, or a key that is both a value and a table.
        """
        values: dict[str, Any] = {}
        for setting in settings:
            key, equals, text = setting.partition("=")
            if not equals or not key.strip():
                raise ConfigError(f"--set {setting}: expected key=value, such as training.batch_size=4.")
            *tables, last = key.strip().split(".")
            table = values
            for name in tables:
                table = table.setdefault(name, {})
                if not isinstance(table, dict):
                    raise ConfigError(f"--set {setting}: '{name}' is a value, not a table.")
            table[last] = _value(text)
        return cls("--set", values)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()


def merge(layers: Sequence[Layer], written: Sequence[Layer] = ()) -> Config:
    """Lays the layers over each other, the last on top, and checks the whole.

    A layer that names `training.steps` or `training.epochs` replaces both of those below it, and one that names another
    component drops the options of the one below.

    Args:
        layers: the weakest first.
        written: as the user wrote them, where `layers` have been rearranged: a mistake is told with its place in these.

    Raises:
        ConfigError: an unknown key or a bad value, with the layer that brought it and the closest known key.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        _check_one_length(layer)
        _lay_over(merged, layer)
    for alias, dataset in _table(merged, "datasets").items():
        if isinstance(dataset, dict):
            dataset.setdefault("plugin", alias)
    try:
        return Config.model_validate(merged)
    except ValidationError as error:
        raise with_source([*layers, *written], place(error, merged), describe(error, Config, merged)) from None


def with_source(layers: Sequence[Layer], path: Sequence[str], message: str) -> ConfigError:
    """Returns the error that a message makes, headed by the layer that brought the key, where one did."""
    source = next((layer.source for layer in reversed(layers) if _has(layer.values, path)), None)
    return ConfigError(f"{source}: {message}" if source else message)


def _check_one_length(layer: Layer) -> None:
    training = _table(layer.values, "training")
    if training.get("steps") is not None and training.get("epochs") is not None:
        raise ConfigError(
            f"{layer.source}: training.steps and training.epochs are both given, and each sets the length. Leave one out."
        )


def _lay_over(merged: dict[str, Any], layer: Layer) -> None:
    for key, value in layer.values.items():
        below = merged.get(key)
        if not isinstance(value, dict) or not isinstance(below, dict):
            merged[key] = _copied(value)
            continue
        if key == "training" and {"steps", "epochs"} & set(value):
            below = {name: kept for name, kept in below.items() if name not in {"steps", "epochs"}}
        if key in CONFIG_TABLES and "name" in value and value["name"] != below.get("name"):
            below = {}
        inner = dict(below)
        _lay_over(inner, Layer(layer.source, value))
        merged[key] = inner


def _copied(value: Any) -> Any:
    return {key: _copied(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def _table(values: dict[str, Any], name: str) -> dict[str, Any]:
    """Returns a table; an empty one where something else is in its place, which `merge` reports."""
    table = values.get(name)
    return table if isinstance(table, dict) else {}


def _has(values: Any, path: Sequence[str]) -> bool:
    for part in path:
        if not isinstance(values, dict) or part not in values:
            return False
        values = values[part]
    return bool(path)


@dataclass(frozen=True, slots=True)
class DatasetItem:
    """An item of `--datasets`: `plugin`, `plugin:location` or `alias=plugin:location`."""

    alias: str
    plugin: str
    location: str | None

    @classmethod
    def parse_all(cls, text: str) -> list[DatasetItem]:
        """Reads a comma-separated list.

        Raises:
            ConfigError: an empty item, or an alias that comes twice.
        """
        items = [cls._parse(item.strip(), text) for item in text.split(",")]
        aliases = [item.alias for item in items]
        twice = next((alias for alias in aliases if aliases.count(alias) > 1), None)
        if twice:
            raise ConfigError(f"--datasets {text}: '{twice}' comes twice; give one another name, as in b={twice}:PATH.")
        return items

    @classmethod
    def _parse(cls, item: str, text: str) -> DatasetItem:
        named, _, location = item.partition(":")  # first: a location may have an equals sign
        alias, equals, plugin = named.partition("=")
        if not equals:
            plugin = alias
        if not plugin or not alias:
            raise ConfigError(f"--datasets {text}: '{item}' is not plugin, plugin:location or alias=plugin:location.")
        return cls(alias, plugin, location or None)


def dataset_layer(text: str, below: Sequence[Layer]) -> Layer:
    """Returns the layer of `--datasets`, with the options that lower layers have for the same aliases and plugins."""
    options: dict[str, Any] = {}
    for layer in below:
        _lay_over(options, Layer(layer.source, _table(layer.values, "datasets")))
    datasets = {}
    for item in DatasetItem.parse_all(text):
        chosen = {"plugin": item.plugin, **({"location": item.location} if item.location else {})}
        kept = _table(options, item.alias)
        datasets[item.alias] = {**(kept if kept.get("plugin", item.plugin) == item.plugin else {}), **chosen}
    return Layer("--datasets", {"datasets": datasets})
