"""What can be swapped: the interfaces that plugins implement and the values that pass through them."""

from typing import TYPE_CHECKING

from stargan_fw._lazy import lazy_exports
from stargan_fw.interfaces.command import Command
from stargan_fw.interfaces.component_kind import ComponentKind
from stargan_fw.interfaces.dataset import (
    Counterfactual,
    Crop,
    Dataset,
    DrawsStandIn,
    EncodedImage,
    Example,
    PortraitSquare,
    Square,
)

if TYPE_CHECKING:
    from stargan_fw.interfaces.importer import ImportedNetwork, Importer
    from stargan_fw.interfaces.loss import AdversarialLoss, CriticLoss, Scored, score_together
    from stargan_fw.interfaces.method import (
        Batch,
        ComponentBuilder,
        HasVariants,
        Losses,
        Method,
        OptimizerSpec,
        Phase,
        ReadsLabels,
    )
    from stargan_fw.interfaces.networks import Discriminator, Embedding, Generator, LearnedEmbedding, evaluating
    from stargan_fw.interfaces.tracker import Tracker

__all__ = [
    "AdversarialLoss",
    "Batch",
    "Command",
    "ComponentBuilder",
    "ComponentKind",
    "Counterfactual",
    "CriticLoss",
    "Crop",
    "Dataset",
    "Discriminator",
    "DrawsStandIn",
    "Embedding",
    "EncodedImage",
    "Example",
    "Generator",
    "HasVariants",
    "ImportedNetwork",
    "Importer",
    "LearnedEmbedding",
    "Losses",
    "Method",
    "OptimizerSpec",
    "Phase",
    "PortraitSquare",
    "ReadsLabels",
    "Scored",
    "Square",
    "Tracker",
    "evaluating",
    "score_together",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "AdversarialLoss": "stargan_fw.interfaces.loss",
        "CriticLoss": "stargan_fw.interfaces.loss",
        "Scored": "stargan_fw.interfaces.loss",
        "score_together": "stargan_fw.interfaces.loss",
        "ImportedNetwork": "stargan_fw.interfaces.importer",
        "Importer": "stargan_fw.interfaces.importer",
        "Batch": "stargan_fw.interfaces.method",
        "ComponentBuilder": "stargan_fw.interfaces.method",
        "HasVariants": "stargan_fw.interfaces.method",
        "Losses": "stargan_fw.interfaces.method",
        "Method": "stargan_fw.interfaces.method",
        "OptimizerSpec": "stargan_fw.interfaces.method",
        "Phase": "stargan_fw.interfaces.method",
        "ReadsLabels": "stargan_fw.interfaces.method",
        "Discriminator": "stargan_fw.interfaces.networks",
        "Embedding": "stargan_fw.interfaces.networks",
        "Generator": "stargan_fw.interfaces.networks",
        "evaluating": "stargan_fw.interfaces.networks",
        "LearnedEmbedding": "stargan_fw.interfaces.networks",
        "Tracker": "stargan_fw.interfaces.tracker",
    },
)
