"""Writes a model folder."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from safetensors.torch import save_file

from stargan_fw.errors import ModelError
from stargan_fw.files import replacing
from stargan_fw.models.card import write_card
from stargan_fw.models.model_config import FORMAT
from stargan_fw.models.weights import CONFIG, FORMAT_KEY, READING, TRANSLATING, weights_in_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from stargan_fw.interfaces import Method
    from stargan_fw.models.card import Facts
    from stargan_fw.models.model_config import ModelConfig


def check_free(target: Path) -> None:
    """Raises ModelError unless `target` is an empty folder, or nothing has that name."""
    if target.exists() and not target.is_dir():
        raise ModelError(f"'{target}' is a file. Name a folder for the model.")
    if target.is_dir() and any(target.iterdir()):
        raise ModelError(f"The folder '{target}' is not empty. Name another, or remove it first.")


@contextmanager
def new_model_folder(target: Path) -> Iterator[Path]:
    """Lends an empty folder that becomes `target`, which everybody may read, once its files are written.

    Raises:
        ModelError: see `check_free`.
    """
    check_free(target)
    with replacing(target) as partial:
        partial.mkdir()
        yield partial
        for path, mode in ((partial, 0o755), *((file, 0o644) for file in partial.iterdir())):
            path.chmod(mode)  # safetensors writes files that only their owner may read


def write_model(target: Path, config: ModelConfig, method: Method, networks: Sequence[str], facts: Facts) -> None:
    """Writes a model whose networks hold their weights.

    Args:
        target: the folder, which appears whole or not at all.
        config: what the model is.
        method: owns the networks.
        networks: those that have weights; all that translating needs, at least.
        facts: what the card says besides.

    Raises:
        ModelError: the target holds something.
    """
    with new_model_folder(target) as folder:
        _save(folder / TRANSLATING, method, method.translating)
        if reading := [name for name in method.reading if name in networks and name in method.networks]:
            _save(folder / READING, method, reading)
        (folder / CONFIG).write_text(config.to_json(), encoding="utf-8")
        write_card(folder, config, facts)


def _save(path: Path, method: Method, networks: Sequence[str]) -> None:
    weights: dict[str, Tensor] = {}
    for name, place in weights_in_file(path, networks).items():
        weights |= {place.prefix + key: value for key, value in _own(method.networks[name].state_dict()).items()}
    save_file(weights, path, metadata={"format": "pt", FORMAT_KEY: str(FORMAT)})


def _own(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns copies: safetensors writes no two tensors that share memory, as tied weights do."""
    return {name: value.detach().cpu().clone().contiguous() for name, value in state.items()}
