"""A trained model, ready to translate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, overload

import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from stargan_fw.components import build_method
from stargan_fw.data.framing import prepare
from stargan_fw.data.images import UNREADABLE, reason
from stargan_fw.errors import DataError, ModelError
from stargan_fw.inference.pictures import to_pictures, to_tensor
from stargan_fw.inference.sheets import domains, draw_sheet, translate_to_all
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.training.machine import choose_device
from stargan_fw.training.run_folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stargan_fw.interfaces import Method
    from stargan_fw_registry import LabelSpace


class Translator:
    """Translates images with a trained model.

        translator = Translator.from_pretrained("runs/quickstart")
        translator.translate("face.jpg", to="Blond_Hair,Male=0").save("blond.png")

    Attributes:
        labels: the label space.
        image_size: side in pixels of what the model reads and writes.
    """

    def __init__(self, method: Method, weights: dict[str, Path], device: torch.device) -> None:
        """Takes a method whose networks hold no weights yet, and the files of the networks that there are."""
        self.labels: LabelSpace = method.space
        self.image_size = method.image_size
        self._method, self._weights, self._device = method, weights, device
        self._load(*method.translating)

    @classmethod
    def from_pretrained(cls, model: str | Path, *, device: str | None = None) -> Translator:
        """Opens a run folder, at its newest checkpoint.

        Args:
            model: the folder.
            device: to translate on; None takes a GPU where there is one.

        Raises:
            RunError: the folder holds no run, or nothing is trained yet.
            ModelError: the weights do not fit the configuration.
        """
        run = RunFolder(Path(model))
        config = run.config()
        plugins = PluginManager.discover(tuple(config.plugins))
        checkpoint = run.checkpoints.latest()
        with torch.device("meta"):
            method = build_method(config, run.labels(), plugins)
        weights = {name: checkpoint / f"{name}.safetensors" for name in method.networks}
        averaged = checkpoint / "ema.safetensors"
        if averaged.exists():
            weights["generator"] = averaged
        return cls(method, weights, choose_device(device))

    @overload
    def translate(self, image: Tensor, to: str) -> Tensor: ...
    @overload
    def translate(self, image: Image.Image | str | Path, to: str) -> Image.Image: ...
    def translate(self, image: Tensor | Image.Image | str | Path, to: str) -> Tensor | Image.Image:
        """Translates one picture, or a batch.

        Args:
            image: a PIL image or a path, of any size and mode, whose centred square is taken; or a float tensor of
                shape (B, 3, `image_size`, `image_size`) in [-1, 1].
            to: labels, as "Blond_Hair,Male=0", "happy", or "rafd.happy" where a name is ambiguous. What is not named
                keeps its current value, which the model's classifier reads from the image.

        Returns:
            A PIL image for an image or a path, a tensor for a tensor.

        Raises:
            LabelError: an unknown or ambiguous label.
            DataError: the picture cannot be read.
            ModelError: a tensor of another shape, or a model without a classifier where one is needed.
        """
        if isinstance(image, Tensor):
            self._check_shape(image)
            return self._translated(image.to(self._device), to).to(image.device)
        picture = to_tensor([self._opened(image)]).to(self._device)
        return to_pictures(self._translated(picture, to))[0]

    def sheet(self, images: Sequence[Image.Image | str | Path]) -> Image.Image:
        """Draws the images in every domain, the input first.

        Args:
            images: PIL images or paths.
        """
        pictures = [self._opened(image) for image in images]
        self._load(*self._method.reading)
        rows = []
        for picture in pictures:
            columns = translate_to_all(self._method, to_tensor([picture]).to(self._device), {})
            rows.append([picture, *(to_pictures(column)[0] for column in columns)])
        return draw_sheet(rows, ["input", *(domain.heading for domain in domains(self.labels))])

    @torch.no_grad()
    def _translated(self, images: Tensor, to: str) -> Tensor:
        edit = self.labels.resolve(to)
        schema = self.labels.schema(edit.dataset)
        if edit.is_complete(schema):
            current = images.new_full((len(images), schema.dim), torch.nan)
        else:
            self._load(*self._method.reading)
            current = self._method.read_labels(images, edit.dataset)
        target = self.labels.edit(edit.dataset, current, to)
        return self._method.translate(images, edit.dataset, target, current)

    def _opened(self, image: Image.Image | str | Path) -> Image.Image:
        if isinstance(image, Image.Image):
            return prepare(image, self.image_size, None)
        try:
            with Image.open(image) as opened:
                return prepare(opened, self.image_size, None)
        except UNREADABLE as error:
            raise DataError(f"The image '{image}' cannot be read: {reason(error)}.") from None

    def _check_shape(self, images: Tensor) -> None:
        expected = (3, self.image_size, self.image_size)
        if images.ndim != 4 or tuple(images.shape[1:]) != expected:
            raise ModelError(
                f"The tensor has shape {tuple(images.shape)}; the model takes (B, {expected})".replace("(3", "3")
            )

    def _load(self, *names: str) -> None:
        """Reads the networks' weights, where that has not been done."""
        for name in names:
            network = self._method.networks.get(name)
            if network is not None and any(parameter.is_meta for parameter in network.parameters()):
                self._read(network, self._weights[name])

    def _read(self, network: nn.Module, path: Path) -> None:
        try:
            network.load_state_dict(load_file(path, device=str(self._device)), assign=True)
        except (OSError, SafetensorError, RuntimeError) as error:
            raise ModelError(f"The weights '{path}' cannot be used: {str(error).splitlines()[0]}") from None
        network.eval().requires_grad_(requires_grad=False)
