from .accelerator import Accelerator as Accelerator
from .command import Command as Command
from .component_kind import ComponentKind as ComponentKind
from .dataset import (
    Counterfactual as Counterfactual,
    CounterfactualAcross as CounterfactualAcross,
    Crop as Crop,
    Dataset as Dataset,
    DrawsStandIn as DrawsStandIn,
    EncodedImage as EncodedImage,
    Example as Example,
    PortraitSquare as PortraitSquare,
    Remark as Remark,
    Square as Square,
)
from .loss import (
    AdversarialLoss as AdversarialLoss,
    CriticLoss as CriticLoss,
    Scored as Scored,
    score_together as score_together,
)
from .method import (
    Batch as Batch,
    ComponentBuilder as ComponentBuilder,
    HasVariants as HasVariants,
    Losses as Losses,
    Method as Method,
    OptimizerSpec as OptimizerSpec,
    Phase as Phase,
    ReadsLabels as ReadsLabels,
    TranslatesAcross as TranslatesAcross,
)
from .networks import (
    Discriminator as Discriminator,
    Embedding as Embedding,
    Generator as Generator,
    LabelledNetwork as LabelledNetwork,
    LearnedEmbedding as LearnedEmbedding,
    evaluating as evaluating,
)
from .tracker import Tracker as Tracker
from .tuner import (
    Tuner as Tuner,
    Tuning as Tuning,
)
