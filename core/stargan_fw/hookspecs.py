"""The hooks: each hands components of one kind to `register`, and does nothing else.

A plugin is a module with functions of these names, marked `@stargan_fw.hookimpl`. `--plugin FILE.py` names it, or an entry
point of an installed distribution does. There are three groups of entry points, loaded in this order:

- `stargan_fw.kinds`: modules that register kinds of components. The program imports them whenever it starts.
- `stargan_fw.commands`: modules that register commands. The program imports them whenever it starts.
- `stargan_fw`: all others. A module with a tuple `plugin_modules` stands for the modules that it names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stargan_fw.interfaces import (
        Accelerator,
        AdversarialLoss,
        Command,
        ComponentKind,
        Dataset,
        Discriminator,
        Embedding,
        Generator,
        Importer,
        Method,
        Tracker,
    )

hookspec = pluggy.HookspecMarker("stargan_fw")


class RegisterPreset(Protocol):
    """What `register_presets` is given."""

    def __call__(self, path: Path, *, default: bool = False) -> None:
        """Registers a preset.

        Args:
            path: a TOML file.
            default: whether it is the one preset that is used if none is named.
        """


@hookspec
def register_kinds(register: Callable[[ComponentKind], None]) -> None:
    """Registers kinds of components, which `plugins list` names: a plugin that has components of its own kind."""


@hookspec
def register_datasets(register: Callable[[type[Dataset]], None]) -> None:
    """Registers datasets, which `--datasets` names."""


@hookspec
def register_generators(register: Callable[[type[Generator]], None]) -> None:
    """Registers generators, which `generator.name` names."""


@hookspec
def register_discriminators(register: Callable[[type[Discriminator]], None]) -> None:
    """Registers discriminators, which `discriminator.name` names."""


@hookspec
def register_losses(register: Callable[[type[AdversarialLoss]], None]) -> None:
    """Registers adversarial losses, which `loss.name` names."""


@hookspec
def register_embeddings(register: Callable[[type[Embedding]], None]) -> None:
    """Registers embeddings, which `embedding.name` names."""


@hookspec
def register_methods(register: Callable[[type[Method]], None]) -> None:
    """Registers methods, which `method.name` names."""


@hookspec
def register_trackers(register: Callable[[type[Tracker]], None]) -> None:
    """Registers trackers, which `training.trackers` names."""


@hookspec
def register_importers(register: Callable[[type[Importer]], None]) -> None:
    """Registers importers, which `import` names in its message about a checkpoint that none of them reads."""


@hookspec
def register_accelerators(register: Callable[[type[Accelerator]], None]) -> None:
    """Registers accelerators, which `plugins list` names; they make networks faster on the device that these run on."""


@hookspec
def register_presets(register: RegisterPreset) -> None:
    """Registers presets, which `--preset` names: TOML files, called by their stems; one with `default=True` at most."""


@hookspec
def register_commands(register: Callable[[Command], None]) -> None:
    """Registers commands, which `stargan-fw NAME` names; only from modules in the entry point group `stargan_fw.commands`."""
