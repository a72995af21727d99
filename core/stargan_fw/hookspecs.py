"""The hooks. A hook passes components of one kind to `register`, and does nothing else.

A plugin is a module with functions of these names, marked `@stargan_fw.hookimpl`. It is named with `--plugin FILE.py`, or by
an entry point of an installed distribution. There are three groups of entry points, loaded in this order:

- `stargan_fw.kinds`: modules that register kinds of components. `--help` may import them, so keep their imports small.
- `stargan_fw.commands`: modules that register commands. The program imports them at every start.
- `stargan_fw`: all others. A module with a tuple `plugin_modules` stands for the modules that it lists.
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
        Crop,
        Dataset,
        Discriminator,
        Embedding,
        Generator,
        Method,
        Tracker,
        Tuner,
    )

hookspec = pluggy.HookspecMarker("stargan_fw")


class RegisterPreset(Protocol):
    """The type of the argument of `register_presets`."""

    def __call__(self, path: Path, *, default: bool = False) -> None:
        """Registers a preset.

        Args:
            path: a TOML file.
            default: whether to use this preset if none is named. Only one preset can be the default.
        """


@hookspec
def register_kinds(register: Callable[[ComponentKind], None]) -> None:
    """Registers new kinds of components, for plugins with components of their own kind; listed by `plugins list`."""


@hookspec
def register_datasets(register: Callable[[type[Dataset]], None]) -> None:
    """Registers datasets, for `--datasets`."""


@hookspec
def register_crops(register: Callable[[type[Crop]], None]) -> None:
    """Registers crops, of which `translate --face detect` uses the one that is called "face"."""


@hookspec
def register_generators(register: Callable[[type[Generator]], None]) -> None:
    """Registers generators, for `generator.name`."""


@hookspec
def register_discriminators(register: Callable[[type[Discriminator]], None]) -> None:
    """Registers discriminators, for `discriminator.name`."""


@hookspec
def register_losses(register: Callable[[type[AdversarialLoss]], None]) -> None:
    """Registers adversarial losses, for `loss.name`."""


@hookspec
def register_embeddings(register: Callable[[type[Embedding]], None]) -> None:
    """Registers embeddings, for `embedding.name`."""


@hookspec
def register_methods(register: Callable[[type[Method]], None]) -> None:
    """Registers methods, for `method.name`."""


@hookspec
def register_trackers(register: Callable[[type[Tracker]], None]) -> None:
    """Registers trackers, for `training.trackers`."""


@hookspec
def register_accelerators(register: Callable[[type[Accelerator]], None]) -> None:
    """Registers accelerators, which make networks faster on their device; listed by `plugins list`."""


@hookspec
def register_tuners(register: Callable[[type[Tuner]], None]) -> None:
    """Registers tuners, for `training.tune`, which takes the first."""


@hookspec
def register_presets(register: RegisterPreset) -> None:
    """Registers presets, for `--preset`. A preset is a TOML file, and its name is the file name without the suffix."""


@hookspec
def register_commands(register: Callable[[Command], None]) -> None:
    """Registers commands, for `stargan-fw NAME`; only from modules in the entry point group `stargan_fw.commands`."""
