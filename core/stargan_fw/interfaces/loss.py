"""The interface of adversarial losses."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor

Critic: TypeAlias = Callable[[Tensor], Tensor]  # images (B, 3, H, W) → scores (B, 1, h, w)


@dataclass(frozen=True, slots=True)
class Scored:
    """Images, and how real a discriminator finds them.

    Attributes:
        images: (B, 3, H, W) in [-1, 1].
        scores: (B, 1, h, w), unbounded.
    """

    images: Tensor
    scores: Tensor


@dataclass(frozen=True, slots=True)
class CriticLoss:
    """What the discriminator's adversarial loss gives.

    Attributes:
        total: the scalar to minimise, weights included.
        terms: its parts by name, unweighted, as the metrics show them.
    """

    total: Tensor
    terms: dict[str, Tensor]


class AdversarialLoss(ABC):
    """`L_adv` as discriminator and generator minimise it.

    Keyword-only constructor parameters are keys of `[loss]`. A method that weighs other losses against this one may ask
    for a class of its own plugin, derived from this one, which holds the weights; it says so if a loss has none.

    Attributes:
        name: what `loss.name` calls it.
    """

    name: ClassVar[str]

    @abstractmethod
    def discriminator(self, real: Scored, fake: Scored, critic: Critic) -> CriticLoss:
        """Returns `−L_adv` for the discriminator.

        Args:
            real: images of the data.
            fake: as many generated images, detached from the generator.
            critic: scores other images, for losses that look between real and fake ones.
        """

    @abstractmethod
    def generator(self, scores: Tensor) -> Tensor:
        """Returns the generator's part of `L_adv`: a scalar, a mean over the images, which may be a part of a batch.

        Args:
            scores: of generated images, (B, 1, h, w).
        """


def score_together(critic: Critic, real: Tensor, fake: Tensor) -> tuple[Scored, Scored]:
    """Scores real and generated images in one pass.

    Args:
        critic: scores each image by itself.
        real: (B, 3, H, W) in [-1, 1].
        fake: (B, 3, H, W) in [-1, 1], detached from the generator.
    """
    scores = torch.split(critic(torch.cat([real, fake.to(real.dtype)])), [len(real), len(fake)])
    return Scored(real, scores[0]), Scored(fake, scores[1])
