"""A loss of your own: the hinge loss, with a penalty that is due at every 16th update only (lazy regularisation).

stargan-fw train --plugin examples/hinge_loss.py --set loss.name=hinge_r1 --datasets celeba,rafd --data DATA
"""

from collections.abc import Callable

from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw import AdversarialLoss, CriticLoss, Losses, hookimpl
from stargan_fw.interfaces.loss import Critic, Scored
from stargan_fw_plugins.losses.critic_penalty import CriticPenalty, LazyLoss
from stargan_fw_plugins.losses.weighted_loss import WeightedLoss


class Hinge(WeightedLoss):
    """D minimises `E[max(0, 1 − D(x))] + E[max(0, 1 + D(G(x)))]`, G minimises `−E[D(G(x))]` (Miyato et al., 2018, Eqs. 16-17).

    Args:
        lambda_cls: weight of the domain classification loss, λ_cls.
        lambda_rec: weight of the reconstruction loss, λ_rec.
    """

    name = "hinge"

    def discriminator(self, real: Scored, fake: Scored, critic: Critic) -> CriticLoss:  # noqa: ARG002
        loss = F.relu(1 - real.scores.float()).mean() + F.relu(1 + fake.scores.float()).mean()
        return CriticLoss(loss, terms={"adv": loss})

    def generator(self, scores: Tensor) -> Tensor:
        return -scores.float().mean()


class SquaredSlope(CriticPenalty):
    """`E[‖∇_x D(x)‖²]`."""

    def measure(self, slopes: Tensor) -> Tensor:
        return slopes.square().sum(1).mean()


class HingeR1(LazyLoss):
    """The hinge loss plus `λ_r1 / 2 · E[‖∇_x D(x)‖²]` (Mescheder et al., 2018, Eq. 9).

    The penalty differentiates the critic twice, which costs as much as several updates. A method that knows lazy losses computes
    it at every `interval`-th update, with that many times the weight (Karras et al., 2020, App. B).

    Args:
        lambda_r1: weight of the penalty, λ_r1.
        interval: updates of the critic per penalty.
        lambda_cls: weight of the domain classification loss, λ_cls.
        lambda_rec: weight of the reconstruction loss, λ_rec.
    """

    name = "hinge_r1"
    penalty: CriticPenalty

    def __init__(
        self,
        *,
        lambda_r1: NonNegativeFloat = 1.0,
        interval: PositiveInt = 16,
        lambda_cls: float = 1.0,
        lambda_rec: float = 10.0,
    ) -> None:
        super().__init__(lambda_cls=lambda_cls, lambda_rec=lambda_rec)
        self.lambda_r1, self.interval = lambda_r1, interval
        self.penalty = SquaredSlope()
        self.hinge = Hinge(lambda_cls=lambda_cls, lambda_rec=lambda_rec)

    def without_penalty(self) -> WeightedLoss:
        return self.hinge

    def penalty_losses(self, critic: Critic, real: Tensor) -> Losses:
        penalty = self.penalty.penalise(critic, real)
        return Losses(self.lambda_r1 / 2 * penalty, {"penalty": penalty})

    def discriminator(self, real: Scored, fake: Scored, critic: Critic) -> CriticLoss:
        hinge, penalty = self.hinge.discriminator(real, fake, critic), self.penalty_losses(critic, real.images)
        return CriticLoss(hinge.total + penalty.total, terms={**hinge.terms, **penalty.terms})

    def generator(self, scores: Tensor) -> Tensor:
        return self.hinge.generator(scores)


@hookimpl
def register_losses(register: Callable[[type[AdversarialLoss]], None]) -> None:
    register(Hinge)
    register(HingeR1)
