"""A trained run that is evaluated: its translations, its parameters and its speed."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

from stargan_fw.components import count_parameters
from stargan_fw.compute.machine import wait_for
from stargan_fw.errors import ModelError
from stargan_fw.inference.translator import Translator
from stargan_fw.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from pathlib import Path

    from stargan_fw.config import Config
    from stargan_fw.evaluation.targets import Target
    from stargan_fw.interfaces import Method
    from stargan_fw_registry import LabelSpace

ROUNDS = 5

Variant: TypeAlias = tuple[str, str]  # part and setting, as `Translator.variant` takes them


@dataclass(frozen=True)
class Candidate:
    """A run.

    Attributes:
        run: its folder.
        config: it was trained with.
        labels: its label space.
        translator: with its newest weights.
        checkpoint: their name.
    """

    run: RunFolder
    config: Config
    labels: LabelSpace
    translator: Translator
    checkpoint: str

    @classmethod
    def open(cls, path: Path, device: torch.device, variant: Variant | None = None) -> Candidate:
        """Opens a run at its newest checkpoint.

        Args:
            path: the run folder.
            device: to translate on.
            variant: the variant of the method that translates; None is the method as it was trained.

        Raises:
            RunError: there is no run, or nothing is trained yet.
            ModelError: the weights do not fit, or the method has no such variant.
            LabelError: the run's datasets are too few for such a variant.
        """
        run = RunFolder(path)
        config, labels, checkpoint = run.config(), run.labels(), run.checkpoints.latest().name
        translator = Translator.from_pretrained(path, device=str(device), accelerate=True)
        return cls(run, config, labels, translator.variant(*variant) if variant else translator, checkpoint)

    @property
    def method(self) -> Method:
        """The method, which translates."""
        return self.translator.method

    def parameters(self) -> dict[str, int]:
        """Returns the parameters by network, of everything that all domains need."""
        return dict(count_parameters(self.method).networks)

    @torch.no_grad()
    def translate(self, images: Tensor, target: Target, current: Tensor | None) -> tuple[Tensor, Tensor]:
        """Translates what can be translated.

        Args:
            images: (B, 3, H, W) in [-1, 1], on the device.
            target: what to change.
            current: (B, d), the images' own labels of the target's dataset; None lets the method read what it needs.

        Returns:
            Translations (B, 3, H, W), and which of them there are, (B,): a method may have no way from some labels.
        """
        if current is None:
            return self._read_and_change(images, target.name)
        return self._change(images, target.schema.name, target.of(current), current)

    @torch.no_grad()
    def restore(self, images: Tensor, target: Target, current: Tensor) -> tuple[Tensor, Tensor]:
        """Translates the results of `translate` back to the labels that they had before, likewise."""
        return self._change(images, target.schema.name, current, target.of(current))

    def _change(self, images: Tensor, dataset: str, wanted: Tensor, current: Tensor) -> tuple[Tensor, Tensor]:
        try:
            changed = self.method.translate(images, dataset, wanted, current).float()
        except ModelError:
            if len(images) == 1:
                return _nothing(images)
            parts = [torch.split(tensor, 1) for tensor in (images, wanted, current)]
            return _joined([self._change(image, dataset, to, own) for image, to, own in zip(*parts, strict=True)])
        return changed, torch.ones(len(images), dtype=torch.bool, device=images.device)

    def _read_and_change(self, images: Tensor, edit: str) -> tuple[Tensor, Tensor]:
        try:
            changed = self.translator.translate(images, to=edit).float()
        except ModelError:
            if len(images) == 1:
                return _nothing(images)
            return _joined([self._read_and_change(image, edit) for image in torch.split(images, 1)])
        return changed, torch.ones(len(images), dtype=torch.bool, device=images.device)

    def images_per_second(self, images: Tensor, target: Target, current: Tensor | None) -> tuple[float, float, float]:
        """Returns median, slowest and fastest of five rounds of translating a batch, after one that is not counted."""
        rates = []
        for _ in range(ROUNDS + 1):
            wait_for(images.device)
            start = time.perf_counter()
            self.translate(images, target, current)
            wait_for(images.device)
            rates.append(len(images) / (time.perf_counter() - start))
        return statistics.median(rates[1:]), min(rates[1:]), max(rates[1:])


def _nothing(images: Tensor) -> tuple[Tensor, Tensor]:
    return torch.zeros_like(images), torch.zeros(len(images), dtype=torch.bool, device=images.device)


def _joined(parts: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    return torch.cat([images for images, _ in parts]), torch.cat([able for _, able in parts])
