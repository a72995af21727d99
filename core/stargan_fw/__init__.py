"""StarGAN for many differently labelled datasets at once: what plugins and programs use."""

from typing import TYPE_CHECKING

import pluggy

from stargan_fw._lazy import lazy_exports
from stargan_fw.interfaces.command import Command
from stargan_fw.interfaces.component_kind import ComponentKind
from stargan_fw.interfaces.dataset import Crop, Dataset, EncodedImage, Example, PortraitSquare, Square

if TYPE_CHECKING:
    from stargan_fw.inference.translator import Translator
    from stargan_fw.interfaces import (
        AdversarialLoss,
        Batch,
        CriticLoss,
        Discriminator,
        Embedding,
        Generator,
        Importer,
        Losses,
        Method,
        OptimizerSpec,
        Phase,
        Tracker,
        evaluating,
    )

__all__ = [
    "AdversarialLoss",
    "Batch",
    "Command",
    "ComponentKind",
    "CriticLoss",
    "Crop",
    "Dataset",
    "Discriminator",
    "Embedding",
    "EncodedImage",
    "Example",
    "Generator",
    "Importer",
    "Losses",
    "Method",
    "OptimizerSpec",
    "Phase",
    "PortraitSquare",
    "Square",
    "Tracker",
    "Translator",
    "evaluating",
    "hookimpl",
    "hookspec",
]

hookimpl = pluggy.HookimplMarker("stargan_fw")
hookspec = pluggy.HookspecMarker("stargan_fw")

__getattr__ = lazy_exports(
    __name__,
    {
        "Translator": "stargan_fw.inference.translator",
        **dict.fromkeys(
            (
                "AdversarialLoss",
                "Batch",
                "CriticLoss",
                "Discriminator",
                "Embedding",
                "Generator",
                "Importer",
                "Losses",
                "Method",
                "OptimizerSpec",
                "Phase",
                "Tracker",
                "evaluating",
            ),
            "stargan_fw.interfaces",
        ),
    },
)
