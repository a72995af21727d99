import pluggy

from .inference.translator import Translator as Translator
from .interfaces import (
    Accelerator as Accelerator,
    AdversarialLoss as AdversarialLoss,
    Batch as Batch,
    Command as Command,
    ComponentKind as ComponentKind,
    CriticLoss as CriticLoss,
    Crop as Crop,
    Dataset as Dataset,
    Discriminator as Discriminator,
    Embedding as Embedding,
    EncodedImage as EncodedImage,
    Example as Example,
    Generator as Generator,
    Losses as Losses,
    Method as Method,
    OptimizerSpec as OptimizerSpec,
    Phase as Phase,
    PortraitSquare as PortraitSquare,
    Remark as Remark,
    Square as Square,
    Tracker as Tracker,
    Tuner as Tuner,
    Tuning as Tuning,
    evaluating as evaluating,
)
from .version import __version__ as __version__

hookimpl: pluggy.HookimplMarker
hookspec: pluggy.HookspecMarker
