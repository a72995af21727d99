"""A trained model, ready to translate."""

from __future__ import annotations

import logging
from copy import copy
from itertools import chain
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack, get_args, overload

from stargan_fw.compute.machine import accelerate_networks, choose_device
from stargan_fw.errors import DataError
from stargan_fw.inference.engine import Engine, PrecisionName
from stargan_fw.inference.figures import FigureRow, draw_figure
from stargan_fw.inference.inputs import USUAL, Reading, as_input, is_single
from stargan_fw.inference.pipeline import Pipeline, Size
from stargan_fw.inference.target_labels import Current, Target
from stargan_fw.interfaces.method import require_across, variant_of
from stargan_fw.models.loading import load, open_model
from stargan_fw_registry import describe_untrained

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy as np
    import torch
    from PIL import Image
    from torch import Tensor

    from stargan_fw.interfaces import Crop, Method
    from stargan_fw.models.loading import TrainedModel
    from stargan_fw_registry import Edit, LabelSpace

logger = logging.getLogger(__name__)
EXTRAPOLATES = "was trained with labels of one dataset at a time: what it makes of several at once is an extrapolation."

# The kinds of input whose output is of the same type: arrays, tensors, a picture's bytes, a PIL image.
Same = TypeVar("Same", "Tensor", "np.ndarray[Any, Any]", bytes, "Image.Image")


class Options(TypedDict, total=False):
    """The options of `Translator.translate`."""

    start: str | None
    strength: float
    current: Current
    size: Size


class Translator:
    """Translates images with a trained model.

        translator = Translator.from_pretrained("runs/quickstart")
        translator.translate("face.jpg", to="Blond_Hair,Male=0").save("blond.png")

    One thread at a time may use a translator: some methods keep what they read from an image, and weights are loaded and
    networks compiled when they are first needed. Several threads take a lock, or a translator each.

    Attributes:
        labels: the label space.
        image_size: side of the model's pictures in pixels.
        pipeline: translates many images batch by batch, and reads each image when it is needed.
    """

    def __init__(
        self,
        trained: TrainedModel,
        device: torch.device,
        *,
        precision: PrecisionName = "auto",
        batch_size: int | None = None,
        crop: Crop | None = None,
    ) -> None:
        """Loads the weights of the model's translating networks; `from_pretrained` opens a stored model."""
        self.labels: LabelSpace = trained.method.space
        self.image_size = trained.method.image_size
        self._trained, self._device, self._crop = trained, device, crop
        self._precision, self._batch_size, self._warned = precision, batch_size, set[str]()
        self._use(trained.method)

    def _use(self, method: Method) -> None:
        self._method = method
        self._load(*method.translating)
        self._engine = Engine(method, self._device, precision=self._precision, batch_size=self._batch_size)
        self.pipeline = Pipeline(self.labels, self.image_size, self._engine, lambda: self._load(*method.reading))

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path,
        *,
        device: str | None = None,
        precision: PrecisionName = "auto",
        batch_size: int | None = None,
        plugins: Sequence[str | Path] = (),
        accelerate: bool = False,
        crop: str | None = None,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
    ) -> Translator:
        """Opens a run folder at its newest checkpoint, a model folder, or a model on the Hugging Face Hub.

        Args:
            model: the folder, or "user/name" on the Hub.
            device: the device to translate on, as torch names it; None takes a GPU if there is one.
            precision: "fp32" gives the same bits as the network in training, if layers are accelerated as there; "bf16"
                is faster on hardware that multiplies bf16; "auto" is bf16 on such hardware and fp32 elsewhere.
            batch_size: images per call of the network; None chooses by the device.
            plugins: plugin files to use besides the installed plugins.
            accelerate: whether to swap layers for faster ones, as the command line does. On a processor the first use
                may start a compiler for their C code. Without acceleration every layer is torch's own.
            crop: the name of a crop that finds what to translate in each picture, such as "face"; None translates the
                middle, or the whole picture if the model was trained on that.
            revision: branch, tag or commit of a model on the Hub; None is "main".
            cache_dir: the folder for downloads; None is the Hub library's own.
            local_files_only: use earlier downloads only.

        Raises:
            HubError: there is no such folder and no such repository, or the Hub cannot be reached.
            RunError: the folder holds no model, or nothing is trained yet.
            ModelError: the weights or the configuration cannot be used, a plugin is missing, or there is no such
                precision or batch size.
            ConfigError: there is no such device.
        """
        trained = open_model(
            model, plugins=plugins, revision=revision, cache_dir=cache_dir, local_files_only=local_files_only
        )
        chosen = choose_device(device)
        if accelerate:
            accelerate_networks(trained.method.networks.values(), trained.plugins, chosen)
        found = trained.plugins.index("crop").get(crop)() if crop else None
        return cls(trained, chosen, precision=precision, batch_size=batch_size, crop=found)

    @property
    def method(self) -> Method:
        """The method with the weights of its translating networks, for callers with images and labels as tensors."""
        return self._method

    def variant(self, part: str, setting: str) -> Translator:
        """Returns a translator with the same weights and one part of the method set differently.

        Args:
            part: a part that the method can set differently, such as "mask".
            setting: the setting of that part, such as "wrong": the mask of another dataset than the labels'.

        Raises:
            ModelError: the method has no such part, or cannot set it so.
            LabelError: the model knows one dataset only, and so has no mask.
        """
        translator = copy(self)
        translator._use(variant_of(self._method, part, setting))  # noqa: SLF001 - of the same class
        return translator

    def reading(self, targets: Sequence[Target] = ()) -> Reading:
        """Returns how pictures are read: as those of the first target's first dataset were in training."""
        return Reading(self._trained.pictures.get(self._datasets_of(targets)[0], USUAL.options), self._crop)

    def own_crop(self, targets: Sequence[Target]) -> str:
        """Describes the squares that a dataset of the first target was trained on; empty if they were the usual ones."""
        return next(filter(None, map(self._trained.own_crops.get, self._datasets_of(targets))), "")

    def warn_of_untrained(self, edits: Iterable[Sequence[Edit]]) -> list[str]:
        """Logs, once each, what of some edits the model was not trained for, and returns these sentences.

        Args:
            edits: each as `LabelSpace.resolve_all` returns it.

        Raises:
            ModelError: an edit is of several datasets, and the method translates to labels of one at a time.
        """
        each = list(edits)
        warnings = describe_untrained(self.labels, self._trained.label_counts, chain.from_iterable(each))
        several = [[edit.dataset for edit in of_one] for of_one in each if len(of_one) > 1]
        if not all(require_across(self._method, datasets).trained_across for datasets in several):
            warnings.append(f"The method '{self._method.name}' {EXTRAPOLATES}")
        for text in set(warnings) - self._warned:
            logger.warning("%s", text)
        self._warned.update(warnings)
        return warnings

    def _datasets_of(self, targets: Sequence[Target]) -> Sequence[str]:
        return targets[0].datasets if targets else self.labels.datasets[:1]

    @overload
    def translate(self, images: Same, to: str, **options: Unpack[Options]) -> Same: ...
    @overload
    def translate(self, images: str | Path, to: str, **options: Unpack[Options]) -> Image.Image: ...
    @overload
    def translate(self, images: Any, to: str | Sequence[str], **options: Unpack[Options]) -> list[Any]: ...
    def translate(
        self,
        images: Any,
        to: str | Sequence[str],
        *,
        start: str | None = None,
        strength: float = 1.0,
        current: Current = None,
        size: Size = "model",
    ) -> Any:
        """Translates one image or many, to one edit or several.

        Args:
            images: one of these, or an iterable of them. The centred square of each image is translated.

                - a path or a PIL image of any mode: a PIL image in RGB is returned
                - a picture's bytes: a PNG's bytes are returned
                - a uint8 array in RGB, (H, W, 3) or (B, H, W, 3): the same is returned
                - a float tensor in [-1, 1], (3, H, W) or (B, 3, H, W): the same is returned, on its device
            to: labels, as "Blond_Hair,Male=0", "Male=flip", "Young=0.5", "age=60", "age+20", or "dataset.label". Labels that
                are not named keep their current value, which the model's classifier reads from the image. Labels of
                several datasets ("happy,Blond_Hair") set the mask bit of each (Eq. 7), at once or in turn.
            start: an edit of the same datasets to start from instead of the current labels, so that `strength` mixes
                two edits.
            strength: how far to go from the start to the edit, from 0 (the labels of the start) to 1.
            current: current labels that you know, written as an edit ("Black_Hair,Male=0"): one edit for all images, or
                a list with one per image. The classifier reads the other labels.
            size: "model" returns the model's size, "original" the edit pasted into the image at its own resolution.

        Returns:
            The kind of the input; for many images a list; for a list of edits a list with one such result per edit.

        Raises:
            LabelError: a label is unknown or ambiguous, the start is of other datasets, or the strength is not 0 to 1.
            DataError: an image cannot be read, or has a type or shape that cannot be translated.
            ModelError: the model needs a classifier and has none, has no way from the current labels, or translates to labels
                of one dataset at a time.
        """
        edits = [to] if isinstance(to, str) else to
        targets = [Target.make(self.labels, edit, start, strength) for edit in edits]
        results = self._translate_to(images, targets, current, size)
        return results[0] if isinstance(to, str) else results

    def interpolate(
        self,
        images: Any,
        to: str,
        frames: int = 12,
        *,
        start: str | None = None,
        strength: float = 1.0,
        current: Current = None,
        size: Size = "model",
    ) -> list[Any]:
        """Translates to labels that go in even steps from `start`, or from the current labels, to an edit.

        Args:
            images: as `translate` takes them.
            to: the edit to end at.
            frames: number of results, at least 2: the first has the labels of the start, the last those of the edit.
            start: as `translate` takes it.
            strength: how far the last frame goes.
            current: as `translate` takes it.
            size: as `translate` takes it.

        Returns:
            A list with one result of `translate` per frame.
        """
        if frames < 2:
            raise DataError(f"An interpolation of {frames} frames has no two ends: give 2 or more.")
        strengths = [strength * frame / (frames - 1) for frame in range(frames)]
        return self._translate_to(
            images, [Target.make(self.labels, to, start, part) for part in strengths], current, size
        )

    def sheet(
        self, images: Sequence[Image.Image | str | Path], to: Sequence[str] | None = None, down: Sequence[str] = ()
    ) -> Image.Image:
        """Draws one row per image: the input, and its translations to every domain or to every edit.

        Args:
            images: PIL images or paths.
            to: the edits; None shows every domain of every dataset, without those in `down`.
            down: edits that get a row each, in which they are combined with every column's.
        """
        return draw_figure([FigureRow(self)], images, to, down=down)

    def _translate_to(self, images: Any, targets: Sequence[Target], current: Current, size: Size) -> list[Any]:
        """Returns a list with one result of `translate` per target."""
        if size not in get_args(Size):
            raise DataError(f"size = {size!r}: give {' or '.join(map(repr, get_args(Size)))}.")
        single = is_single(images)
        self.warn_of_untrained(edits for target in targets for edits in (target.edits, target.start))
        reading = self.reading(targets)
        inputs = [as_input(image, reading) for image in ([images] if single else images)]
        rows = [image.results(size) for batch in self.pipeline.run(inputs, targets, current=current) for image in batch]
        columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in targets]
        return [column[0] for column in columns] if single else columns

    def _load(self, *networks: str) -> None:
        """Loads the networks' weights, unless that was done before."""
        load(self._method, self._trained.weights, networks, self._device)
