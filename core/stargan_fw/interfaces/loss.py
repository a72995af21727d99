"""The interface of adversarial losses."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor, nn

Critic: TypeAlias = Callable[[Tensor], Tensor]  # images (B, 3, H, W) → scores (B, 1, h, w)


@dataclass(frozen=True, slots=True)
class Scored:
    """Images and the discriminator's scores for them.

    Attributes:
        images: (B, 3, H, W) in [-1, 1].
        scores: (B, 1, h, w), unbounded.
    """

    images: Tensor
    scores: Tensor


@dataclass(frozen=True, slots=True)
class CriticLoss:
    """The discriminator's adversarial loss.

    Attributes:
        total: the weighted scalar to minimise.
        terms: its unweighted parts by name, for the metrics.
    """

    total: Tensor
    terms: dict[str, Tensor]


class AdversarialLoss(ABC):
    """The adversarial loss `L_adv`, for the discriminator and for the generator.

    Keyword-only constructor parameters are keys of `[loss]`. A method with further losses may require a subclass that
    holds their weights. Such a method raises ConfigError if the configured loss is of another class.

    Attributes:
        name: the value of `loss.name` that selects it.
        penalty: a module that differentiates the critic inside of one call, if the loss has one; see `Method.penalty`.
    """

    name: ClassVar[str]
    penalty: nn.Module | None = None

    @abstractmethod
    def discriminator(self, real: Scored, fake: Scored, critic: Critic) -> CriticLoss:
        """Returns `−L_adv` for the discriminator.

        Args:
            real: images from the dataset, with their scores.
            fake: as many generated images, detached from the generator, with their scores.
            critic: the discriminator, for losses that score further images, such as interpolations (gradient penalty).
        """

    @abstractmethod
    def generator(self, scores: Tensor) -> Tensor:
        """Returns the generator's part of `L_adv`: a scalar, the mean over the images.

        Args:
            scores: (B, 1, h, w), the scores of a batch, or of a part of a batch, of generated images.
        """


def score_together(critic: Critic, real: Tensor, fake: Tensor) -> tuple[Scored, Scored]:
    """Scores real and generated images, (B, 3, H, W) each, in one pass of a critic that does not mix images."""
    scores = torch.split(critic(torch.cat([real, fake.to(real.dtype)])), [len(real), len(fake)])
    return Scored(real, scores[0]), Scored(fake, scores[1])
