"""Reads and writes checkpoints, which appear whole or not at all and contain no pickle."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from stargan_fw.errors import RunError
from stargan_fw.files import remove, replacing


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state that a run continues from.

    Attributes:
        tensors: file stem ("generator", "discriminator", "ema", "optimizers") → name → tensor.
        state: JSON values: the step, and per dataset the updates and the metrics that are not logged yet.
    """

    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any]


class Checkpoints:
    """The folder `RUN/checkpoints`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def paths(self) -> list[Path]:
        """Returns the checkpoints' folders, the oldest first."""
        return sorted(path for path in self._folder.glob("step-*") if path.is_dir())

    def latest(self) -> Path:
        """Returns the newest checkpoint's folder; RunError if there is none."""
        paths = self.paths()
        if not paths:
            raise RunError(f"'{self._folder.parent}' has no checkpoint yet, so there is nothing to read or continue.")
        return paths[-1]

    def save(self, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any], keep: int) -> Path:
        """Writes the checkpoint of a step (see `Checkpoint`), and removes all but the `keep` newest."""
        path = self._folder / f"step-{step:08d}"
        for leftover in self._folder.glob(".step-*.partial"):  # from a killed process
            remove(leftover)
        with replacing(path, flush=True) as partial:
            partial.mkdir()
            for stem, values in tensors.items():
                # Copied: safetensors writes no two tensors that share memory, as tied weights do.
                copies = {name: value.clone(memory_format=torch.contiguous_format) for name, value in values.items()}
                save_file(copies, partial / f"{stem}.safetensors")
            (partial / "state.json").write_text(json.dumps(state), encoding="utf-8")
        for old in self.paths()[:-keep]:
            remove(old)
        return path

    def load(self) -> Checkpoint:
        """Reads the newest checkpoint; RunError if there is none, or if it cannot be read."""
        path = self.latest()
        try:
            tensors = {file.stem: load_file(file) for file in sorted(path.glob("*.safetensors"))}
            state = json.loads((path / "state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, SafetensorError) as error:
            raise RunError(
                f"The checkpoint '{path}' cannot be read: {error}. Remove it to use the one before."
            ) from None
        return Checkpoint(tensors, state)
