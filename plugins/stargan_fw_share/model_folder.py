"""Writes a model folder."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from safetensors.torch import save_file

from stargan_fw.errors import ModelError
from stargan_fw.files import check_writable, replacing
from stargan_fw.models.model_config import FORMAT
from stargan_fw.models.weights import CONFIG, FORMAT_KEY, READING, TRANSLATING, weights_in_file
from stargan_fw_share.card import write_card

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from stargan_fw.interfaces import Method
    from stargan_fw.models.model_config import ModelConfig
    from stargan_fw_share.card import Facts


def check_free(target: Path) -> None:
    """Raises ModelError unless `target` is an empty folder or no path at all, and RequestError if it cannot be made."""
    if target.exists() and not target.is_dir():
        raise ModelError(f"'{target}' is a file. Name a folder for the model.")
    if target.is_dir() and any(target.iterdir()):
        raise ModelError(f"The folder '{target}' is not empty. Name another, or remove it first.")
    check_writable(target.resolve().parent, "Name another folder for the model.")


@contextmanager
def new_model_folder(target: Path) -> Iterator[Path]:
    """Makes an empty folder to write files in. Afterwards it takes the name `target`, and everybody may read it."""
    check_free(target)
    with replacing(target) as partial:
        partial.mkdir()
        yield partial
        for path, mode in ((partial, 0o755), *((file, 0o644) for file in partial.iterdir())):
            path.chmod(mode)  # safetensors writes files that only their owner may read


def write_model(target: Path, config: ModelConfig, method: Method, networks: Sequence[str], facts: Facts) -> None:
    """Writes a model folder.

    Args:
        target: the folder, which appears whole or not at all.
        config: what the model is.
        method: owns the networks, which hold their weights.
        networks: names of the networks that have weights: at least those that translate.
        facts: what the card says beyond the configuration.

    Raises:
        ModelError: the target is a file or is not empty.
    """
    with new_model_folder(target) as folder:
        _save(folder / TRANSLATING, method, method.translating)
        if reading := [name for name in method.reading if name in networks]:
            _save(folder / READING, method, reading)
        (folder / CONFIG).write_text(config.to_json(), encoding="utf-8")
        write_card(folder, config, method, facts, reads_labels=bool(reading))


def _save(path: Path, method: Method, networks: Sequence[str]) -> None:
    weights = {
        stored.prefix + key: value.detach().cpu().clone().contiguous()  # a copy: safetensors refuses shared memory
        for name, stored in weights_in_file(path, networks).items()
        for key, value in method.networks[name].state_dict().items()
    }
    save_file(weights, path, metadata={"format": "pt", FORMAT_KEY: str(FORMAT)})
