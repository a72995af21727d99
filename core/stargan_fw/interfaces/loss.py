"""The interface of adversarial losses."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from torch import Tensor

Critic: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True)
class CriticLoss:
    """What the discriminator's adversarial loss gives.

    Attributes:
        total: the scalar to minimise, weights included.
        terms: its parts by name, unweighted, as the metrics show them.
        real_logits: D_cls of the real images, (B, label_dim), so that the classification loss needs no further pass.
    """

    total: Tensor
    terms: dict[str, Tensor]
    real_logits: Tensor


class AdversarialLoss(ABC):
    """`L_adv` as D and G minimise it, with the weights of the full objectives (Eqs. 5 and 6).

    Keyword-only constructor parameters are keys of `[loss]`.

    Attributes:
        name: what `loss.name` calls it.
        lambda_cls: weight of the domain classification loss.
        lambda_rec: weight of the reconstruction loss.
    """

    name: ClassVar[str]

    def __init__(self, *, lambda_cls: float = 1.0, lambda_rec: float = 10.0) -> None:
        self.lambda_cls = lambda_cls
        self.lambda_rec = lambda_rec

    @abstractmethod
    def discriminator(self, critic: Critic, real: Tensor, fake: Tensor) -> CriticLoss:
        """Returns `−L_adv` for the discriminator.

        Args:
            critic: the discriminator.
            real: (B, 3, H, W) in [-1, 1].
            fake: (B, 3, H, W) in [-1, 1], detached from the generator.
        """

    @abstractmethod
    def generator(self, scores: Tensor) -> Tensor:
        """Returns the generator's part of `L_adv`, a scalar, from D_src of generated images, (B, 1, h, w).

        A mean over the images, as it may be given a batch in parts.
        """
