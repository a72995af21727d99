"""A trained model, ready to translate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack, get_args, overload

from stargan_fw.compute.machine import choose_device
from stargan_fw.errors import DataError, ModelError, closest
from stargan_fw.inference.engine import Engine, PrecisionName
from stargan_fw.inference.figures import Row, draw_figure
from stargan_fw.inference.inputs import given, is_single
from stargan_fw.inference.pipeline import Current, Pipeline, Size
from stargan_fw.inference.target_labels import Target
from stargan_fw.interfaces.method import variant_of
from stargan_fw.models.loading import HubOptions, load, open_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import torch
    from PIL import Image
    from torch import Tensor

    from stargan_fw.interfaces import Method
    from stargan_fw.models.weights import StoredWeights
    from stargan_fw_registry import LabelSpace

# What is given back as it came: arrays and tensors of any shape, a picture's bytes, a PIL image.
Same = TypeVar("Same", "Tensor", "np.ndarray[Any, Any]", bytes, "Image.Image")


class Options(TypedDict, total=False):
    """What `Translator.translate` takes by name."""

    start: str | None
    strength: float
    current: Current
    size: Size


def _check_options(options: Options) -> None:
    """Raises TypeError at an unknown name, as Python does, and DataError at a value that an option cannot have."""
    known = sorted(Options.__optional_keys__)
    unknown = next((name for name in options if name not in known), None)
    if unknown is not None:
        raise TypeError(f"there is no option {unknown!r}; {closest(unknown, known)}")
    size = options.get("size", "model")
    if size not in get_args(Size):
        raise DataError(f"size = {size!r}: give {' or '.join(map(repr, get_args(Size)))}.")


class Translator:
    """Translates images with a trained model.

        translator = Translator.from_pretrained("runs/quickstart")
        translator.translate("face.jpg", to="Blond_Hair,Male=0").save("blond.png")

    Attributes:
        labels: the label space.
        image_size: side in pixels of what the model reads and writes.
        pipeline: translates pictures that are read as they are needed, batch by batch.
    """

    def __init__(
        self,
        method: Method,
        weights: Mapping[str, StoredWeights],
        device: torch.device,
        *,
        precision: PrecisionName = "auto",
        batch_size: int | None = None,
    ) -> None:
        """Takes a method whose networks hold no weights yet, and where those of the networks that there are lie."""
        self.labels: LabelSpace = method.space
        self.image_size = method.image_size
        self._method, self._weights, self._device = method, weights, device
        self._load(*method.translating)
        self._engine = Engine(method, device, translating=method.translating)
        self.pipeline = Pipeline(self.labels, self.image_size, self._engine, lambda: self._load(*method.reading))
        self.configure(precision=precision, batch_size=batch_size)

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path,
        *,
        device: str | None = None,
        plugins: Sequence[str | Path] = (),
        **hub: Unpack[HubOptions],
    ) -> Translator:
        """Opens a run folder, at its newest checkpoint, a model folder, or a model on the Hugging Face Hub.

        Args:
            model: the folder, or "user/name".
            device: to translate on; None takes a GPU where there is one.
            plugins: plugin files to use besides what is installed.
            **hub: `revision`, `cache_dir` and `local_files_only`, as the Hub's own library has them.

        Raises:
            HubError: there is no such folder and no such repository, or the Hub cannot be reached.
            RunError: the folder holds no model, or nothing is trained yet.
            ModelError: the model cannot be used: its weights, its configuration, or a plugin that is missing.
        """
        trained = open_model(model, plugins=plugins, **hub)
        return cls(trained.method, trained.weights, choose_device(device))

    @property
    def method(self) -> Method:
        """The method, with the weights of what translates: for those who know an image's current labels."""
        return self._method

    def configure(self, *, precision: PrecisionName | None = None, batch_size: int | None = None) -> Translator:
        """Says how to compute, and returns the translator; what is None stays as it is.

        Args:
            precision: "fp32", which gives the bits that the trained network gives; "bf16"; or "auto", the fastest: bf16 where
                the processor has it, and what a translator starts with.
            batch_size: images that go through the network at once.
        """
        if precision is not None:
            self._engine.set_precision(precision)
        if batch_size is not None:
            if batch_size < 1:
                raise ModelError(f"The batch size is {batch_size}: give 1 or more.")
            self._engine.set_batch_size(batch_size)
        return self

    def variant(self, part: str, setting: str) -> Translator:
        """Returns a translator with the same weights whose method has one of its parts set differently.

        Args:
            part: a part that the model's method offers to set, such as "mask".
            setting: how to set it: "wrong" sets the mask of another dataset than the labels'.

        Raises:
            ModelError: the method has no such part, or cannot set it so.
            LabelError: the model knows one dataset, and so has no mask.
        """
        method = variant_of(self._method, part, setting)
        precision, batch_size = self._engine.precision_name, self._engine.given_batch_size
        return Translator(method, self._weights, self._device, precision=precision, batch_size=batch_size)

    def expect(self, translations: int) -> None:
        """Says how many translations will be asked of `pipeline`, which compiles the network where that pays."""
        self._engine.expect(translations)

    @overload
    def translate(self, images: Same, to: str, **options: Unpack[Options]) -> Same: ...
    @overload
    def translate(self, images: str | Path, to: str, **options: Unpack[Options]) -> Image.Image: ...
    @overload
    def translate(self, images: Any, to: str | Sequence[str], **options: Unpack[Options]) -> list[Any]: ...
    def translate(self, images: Any, to: str | Sequence[str], **options: Unpack[Options]) -> Any:
        """Translates one picture or many, to one edit or several.

        Args:
            images: one of these, of any size, whose centred square is translated; or an iterable of them.

                - a path or a PIL image of any mode: a PIL image in RGB comes back
                - a picture's bytes: a PNG's bytes
                - a uint8 array in RGB, (H, W, 3) or (B, H, W, 3): the same
                - a float tensor in [-1, 1], (3, H, W) or (B, 3, H, W): the same, on its device
            to: labels, as "Blond_Hair,Male=0", "Male=flip", "happy", or "rafd.happy" where a name is ambiguous. What is
                not named keeps its current value, which the model's classifier reads from the image.
            **options: `strength`: how far to go, 0 (the labels as they are) to 1; `start`: an edit to start from instead
                of the current labels, so that `strength` mixes two edits; `current`: current labels that you know,
                written as an edit ("Black_Hair,Male=0"), one for all images or a list with one for each, where the
                classifier reads only what it leaves out; `size`: "model", the model's, or "original", the edit pasted
                into the picture at its own resolution.

        Returns:
            The kind that came in; for many images a list; for a list of edits a list of those, one an edit.

        Raises:
            LabelError: an unknown or ambiguous label, or a strength outside of 0 to 1.
            DataError: a picture cannot be read, or is of no kind or shape that can be translated.
            ModelError: a model without a classifier where one is needed, or without a way from the current labels.
        """
        _check_options(options)
        edits = [to] if isinstance(to, str) else to
        start, strength = options.get("start"), options.get("strength", 1.0)
        results = self._all(images, [Target.make(self.labels, edit, start, strength) for edit in edits], options)
        return results[0] if isinstance(to, str) else results

    def interpolate(self, images: Any, to: str, frames: int = 12, **options: Unpack[Options]) -> list[Any]:
        """Translates with labels that go in even steps from `start`, or the current ones, to an edit.

        Args:
            images: as `translate` takes them.
            to: the edit to end at.
            frames: number of results, at least 2: the first has the labels of the start, the last those of the edit.
            **options: those of `translate`; `strength` says how far the last one goes.

        Returns:
            One for each frame of what `translate` returns.
        """
        _check_options(options)
        if frames < 2:
            raise DataError(f"An interpolation of {frames} frames has no two ends: give 2 or more.")
        start, end = options.get("start"), options.get("strength", 1.0)
        strengths = [end * frame / (frames - 1) for frame in range(frames)]
        return self._all(images, [Target.make(self.labels, to, start, strength) for strength in strengths], options)

    def sheet(self, images: Sequence[Image.Image | str | Path], to: Sequence[str] | None = None) -> Image.Image:
        """Draws the images in every domain (Fig. 4), or under every edit (Fig. 5), the input first.

        Args:
            images: PIL images or paths.
            to: edits; None takes every domain of every dataset.
        """
        return draw_figure([Row(self)], images, to)

    def _all(self, images: Any, targets: Sequence[Target], options: Options) -> list[Any]:
        """Returns, for each target, what `translate` returns."""
        single, size = is_single(images), options.get("size", "model")
        things = [given(image) for image in ([images] if single else images)]
        self._engine.expect(len(targets) * sum(thing.count for thing in things))
        batches = self.pipeline.run(things, targets, current=options.get("current"))
        rows = [thing.results(size) for batch in batches for thing in batch]
        columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in targets]
        return [column[0] for column in columns] if single else columns

    def _load(self, *networks: str) -> None:
        """Reads the networks' weights, where that has not been done."""
        load(self._method, self._weights, networks, self._device)
