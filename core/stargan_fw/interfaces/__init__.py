"""What can be swapped: the interfaces that plugins implement and the values that pass through them."""

from typing import TYPE_CHECKING

from stargan_fw._lazy import lazy_exports
from stargan_fw.interfaces.crop import Crop, PortraitSquare, Square
from stargan_fw.interfaces.dataset import Dataset, EncodedImage, Example

if TYPE_CHECKING:
    from stargan_fw.interfaces.embedding import Embedding
    from stargan_fw.interfaces.importer import ImportedNetwork, Importer
    from stargan_fw.interfaces.loss import AdversarialLoss, CriticLoss
    from stargan_fw.interfaces.method import Batch, ComponentBuilder, Losses, Method, Phase
    from stargan_fw.interfaces.networks import Discriminator, Generator
    from stargan_fw.interfaces.tracker import Tracker

__all__ = [
    "AdversarialLoss",
    "Batch",
    "ComponentBuilder",
    "CriticLoss",
    "Crop",
    "Dataset",
    "Discriminator",
    "Embedding",
    "EncodedImage",
    "Example",
    "Generator",
    "ImportedNetwork",
    "Importer",
    "Losses",
    "Method",
    "Phase",
    "PortraitSquare",
    "Square",
    "Tracker",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "Embedding": "stargan_fw.interfaces.embedding",
        "AdversarialLoss": "stargan_fw.interfaces.loss",
        "CriticLoss": "stargan_fw.interfaces.loss",
        "ImportedNetwork": "stargan_fw.interfaces.importer",
        "Importer": "stargan_fw.interfaces.importer",
        "Batch": "stargan_fw.interfaces.method",
        "ComponentBuilder": "stargan_fw.interfaces.method",
        "Losses": "stargan_fw.interfaces.method",
        "Method": "stargan_fw.interfaces.method",
        "Phase": "stargan_fw.interfaces.method",
        "Discriminator": "stargan_fw.interfaces.networks",
        "Generator": "stargan_fw.interfaces.networks",
        "Tracker": "stargan_fw.interfaces.tracker",
    },
)
