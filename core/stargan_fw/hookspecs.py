"""The hooks: each hands components of one interface to `register`, and does nothing else.

A plugin is a module with functions of these names, marked `@stargan_fw.hookimpl`. It is named by `--plugin FILE.py`, or
by an entry point in the group `stargan_fw`; a module with a tuple `plugin_modules` stands for the modules it names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stargan_fw.interfaces import (
        AdversarialLoss,
        Command,
        Dataset,
        Discriminator,
        Embedding,
        Experiment,
        Generator,
        Importer,
        Method,
        Tracker,
    )

hookspec = pluggy.HookspecMarker("stargan_fw")


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
    """Registers importers, which `import` names where a checkpoint is of none of them."""


@hookspec
def register_presets(register: Callable[[Path], None]) -> None:
    """Registers presets, which `--preset` names: TOML files, called by their stems."""


@hookspec
def register_experiments(register: Callable[[type[Experiment]], None]) -> None:
    """Registers experiments, which `reproduce` names."""


@hookspec
def register_commands(register: Callable[[Command], None]) -> None:
    """Registers commands, which `stargan-fw NAME` names; only from modules in the entry point group `stargan_fw.commands`."""
