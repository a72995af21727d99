"""The configuration of a run: defaults, a preset, a file and `--set` are merged in this order and checked together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import tomli_w
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, model_validator

from stargan_fw.errors import is_printable

LARGEST_SIZE = 2**14  # pixels

Choice: TypeAlias = Literal["auto", "on", "off"]  # "auto" depends on the machine


class _Strict(BaseModel):
    # TOML has inf and nan.
    model_config = ConfigDict(extra="forbid", validate_default=True, ser_json_inf_nan="constants")


class _WithOptions(BaseModel):
    """A table with keys of its own and the options of the component that it configures."""

    model_config = ConfigDict(extra="allow")

    @property
    def options(self) -> dict[str, Any]:
        """The component's options."""
        return dict(self.model_extra or {})


def _check_path(path: str) -> str:
    if "\0" in path:
        raise ValueError("no path can hold a zero byte")
    if any("\ud800" <= character <= "\udfff" for character in path):
        raise ValueError(
            "a name in the path is not UTF-8, which a run could not record: rename it, or name a link to it"
        )
    return path


PathText: TypeAlias = Annotated[str, AfterValidator(_check_path)]


def expand_path(path: str) -> str:
    """Returns a configured path with `~` and environment variables replaced, unless there is one as it is written.

    A run records what was written, which may be another place on another machine. Variables that are not set stay.
    """
    return path if os.path.lexists(path) else os.path.expandvars(os.path.expanduser(path))  # noqa: PTH111 - raises nothing


class DataConfig(_Strict):
    """`[data]`.

    Attributes:
        image_size: the side in pixels to which images are resized.
        path: the folder of datasets without a location of their own, each under its plugin's name. Relative paths start at
            the working directory, as those on the command line do, also if a file in another folder names them; `~` and
            `$VARIABLE` are replaced.
        cache: the folder of decoded images; None is that of the environment variable `STARGAN_FW_CACHE`, if it is set, or
            `.stargan-fw` in `path`.
        resident: keep the decoded training images on the device: "auto" on a GPU if they take at most half of its free
            memory, "on" on any device; "off" reads every batch from the disk. The batches are the same.
    """

    image_size: int = Field(default=128, gt=0, le=LARGEST_SIZE)
    path: PathText = "data"
    cache: PathText | None = None
    resident: Choice = "auto"


def _check_colour(colour: str) -> str:
    from PIL import ImageColor  # noqa: PLC0415 - most configurations name no colour

    if len(ImageColor.getrgb(colour)) != 3:
        raise ValueError("a background is opaque: write a colour's name or #rrggbb")
    return colour


def _check_range(values: list[float]) -> list[float]:
    if len(values) != 2 or not values[0] < values[1]:
        raise ValueError("write two numbers, the darkest value and the brightest")
    return values


Colour: TypeAlias = Annotated[str, Field(max_length=40), AfterValidator(_check_colour)]
GreyRange: TypeAlias = Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], AfterValidator(_check_range)]


class DatasetConfig(_WithOptions):
    """`[datasets.<alias>]`: these keys, and the plugin's own.

    Attributes:
        plugin: the dataset plugin; by default, the alias.
        location: the folder, file or id of the data; None is `data.path`/`plugin`. Read as `data.path` is.
        crop_size: the side of the centre crop in pixels; None is the plugin's own.
        fit: "crop" keeps a square, "squeeze" and "pad" make one of the whole image; None is the plugin's own.
        background: the colour under transparent pixels, by name or as "#rrggbb"; None is the plugin's own, mostly white.
        grey_range: the values that become black and white in grey images of more than 8 bits; None is found from the set.
        test_split: "random", "person", or "given" for the split in the dataset's files; None is the plugin's own.
        test_size: the share or number of images, or of people, to hold out; None is the plugin's own.
        on_contradiction: several labels of an exclusive group on an image are an "error" or "unknown"; None is the plugin's own.
        limit: the largest number of training images, chosen with a fixed seed; the test images stay.
        on_bad_image: "error" stops at an image that cannot be read, "skip" lists it and goes on without it.
    """

    plugin: str
    location: PathText | None = None
    crop_size: int | None = Field(default=None, gt=0)
    fit: Literal["crop", "squeeze", "pad"] | None = None
    background: Colour | None = None
    grey_range: GreyRange | None = None
    test_split: Literal["random", "person", "given"] | None = None
    test_size: float | int | None = Field(default=None, gt=0)
    on_contradiction: Literal["error", "unknown"] | None = None
    limit: int | None = Field(default=None, ge=2)
    on_bad_image: Literal["error", "skip"] = "error"

    @property
    def overrides(self) -> dict[str, Any]:
        """The dataset's class attributes that the configuration replaces."""
        shown = ("crop_size", "fit", "background", "grey_range")
        names = (*shown, "test_split", "test_size", "on_contradiction", "on_bad_image")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


class OptimizerConfig(_Strict):
    """`[training.optimizers.<phase>]`: changes to the optimiser of one of the method's phases.

    Attributes:
        name: "adam" or "adamw".
        rate: a factor on `training.learning_rate`.
        beta1: replaces `training.beta1`.
        beta2: replaces `training.beta2`.
        weight_decay: an L2 penalty with "adam", decoupled from the gradient with "adamw".
        clip: the largest norm of the phase's gradients together; `inf` does not clip.
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
        values = self.model_dump(exclude_none=True)
        return {"algorithm" if name == "name" else name: value for name, value in values.items()}


class TrainingConfig(_Strict):
    """`[training]`.

    Attributes:
        batch_size: images per batch; the method may need more than one (`Method.min_batch_size`).
        micro_batch_size: accumulate gradients over chunks of this many images, if the method can. Saves memory; the update
            is the same up to rounding, unless networks mix images (BatchNorm). "auto" is 3 images of 128 pixels in fp32 on
            a processor, else the whole batch.
        n_critic: discriminator updates per generator update, counted for each dataset and each kind of its batches.
        learning_rate: Adam's, before it decays.
        beta1: Adam's.
        beta2: Adam's.
        optimizers: changes to the optimiser of single phases, such as the discriminator's, "d".
        steps: the number of discriminator updates; or set `epochs`.
        epochs: passes over the largest dataset if datasets alternate, over all datasets if they are proportional.
        strategy: "alternate" takes the datasets in turn, "proportional" in proportion to their images.
        decay: the share of the steps, at the end, over which the rate falls linearly to zero.
        seed: the seed of everything random.
        precision: "auto" is bf16 on GPUs of NVIDIA that multiply bf16 matrices in hardware, else fp32.
        compile: "on" compiles the networks that the method lets compile, "all" also the critic's penalty; "auto" does so only if
            tuning found it faster.
        graphs: "on" captures compiled networks in CUDA graphs, on NVIDIA's GPUs; "auto" only if tuning found it faster.
        accelerate: "auto" swaps layers for ones that were measured to compute the same faster on such a device, "on" also
            for ones that nobody measured there; "off" keeps all layers.
        channels_last: the memory layout of networks and images; "auto" is the plain one, unless tuning found the other faster.
        tune: before the first step, try which of these five is fastest here and right; those that are not "auto" stay.
        ema: the decay of the moving average of the generator's weights, which follows the generator's updates; 0 is off.
        flip: probability of a horizontal flip.
        on_non_finite: if a loss or gradient is NaN or infinite, "stop" ends the training before that update; "skip" leaves
            the update of that phase out and goes on. The metrics count these as `<phase>/skipped`.
        max_skipped: with "skip", the largest number of updates in a row that a phase may leave out on a dataset. After
            that, training stops.
        log_every: steps between rows of `metrics.jsonl`.
        sample_every: steps between sample sheets.
        save_every: steps between checkpoints.
        keep_checkpoints: the number of checkpoints to keep, the newest ones. The disk needs room for one more.
        keep_every: also keep the checkpoints of steps that are multiples of this number; None keeps the newest alone.
        trackers: where metrics go besides `metrics.jsonl`.
        start: the run folder or model folder with the weights to begin with; None begins at random.
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
    seed: int = Field(default=0, ge=0, lt=2**63)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: Literal["auto", "on", "off", "all"] = "auto"
    graphs: Choice = "auto"
    accelerate: Choice = "auto"
    channels_last: Choice = "auto"
    tune: bool = False
    ema: float = Field(default=0.0, ge=0, lt=1)
    flip: float = Field(default=0.5, ge=0, le=1)
    on_non_finite: Literal["stop", "skip"] = "stop"
    max_skipped: int = Field(default=10, ge=1)
    log_every: int = Field(default=10, gt=0)
    sample_every: int = Field(default=500, gt=0)
    save_every: int = Field(default=500, gt=0)
    keep_checkpoints: int = Field(default=2, ge=1)
    keep_every: int | None = Field(default=None, gt=0)
    trackers: list[str] = []
    start: PathText | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_length(cls, values: dict[str, Any]) -> dict[str, Any]:
        if isinstance(values, dict) and not values.get("steps") and not values.get("epochs"):
            values = {**values, "epochs": 20}
        return values


class ComponentConfig(_WithOptions):
    """`[method]`, `[generator]`, `[discriminator]`, `[loss]`, `[embedding]`: a name, and that component's own options.

    Attributes:
        name: the component's name; None lets the method name its networks and loss.
    """

    name: str | None = None


def _plugin_path(name: str) -> str:
    """Returns the absolute path of a plugin file, so that the recorded configuration means the same file everywhere."""
    if not name or not is_printable(name):
        raise ValueError("a plugin file's name is empty, or has characters that cannot be shown")
    return str(Path(name).absolute())


class Config(_Strict):
    """Everything that a run is made from.

    Attributes:
        plugins: plugin files. Those of a file that the user names are loaded, those of a folder that is opened are not.
        data: the images' size and folders.
        datasets: alias → dataset, in the order of the joint label vector.
        training: the schedule, the optimiser, and how often results are written.
        method: owns the networks and losses.
        generator: translates images.
        discriminator: scores images and reads their labels.
        loss: the adversarial loss, with the weights of the others.
        embedding: what a translation must keep, for methods with an identity loss.
    """

    plugins: list[Annotated[str, AfterValidator(_plugin_path)]] = []
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
