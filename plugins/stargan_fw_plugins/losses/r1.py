"""The non-saturating objective with R1, a penalty of the critic's slope at real images (Mescheder et al., 2018)."""

from collections.abc import Callable

from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor

from stargan_fw import AdversarialLoss, CriticLoss, Losses, hookimpl
from stargan_fw.interfaces.loss import Critic, Scored
from stargan_fw_plugins.losses.critic_penalty import CriticPenalty, LazyLoss
from stargan_fw_plugins.losses.vanilla import Vanilla
from stargan_fw_plugins.losses.weighted_loss import WeightedLoss


class SquaredSlope(CriticPenalty):
    """`E[‖∇_x D_src(x)‖²]`."""

    def measure(self, slopes: Tensor) -> Tensor:
        return slopes.square().sum(1).mean()


class R1(LazyLoss):
    """`E[log D_src(x)] + E[log(1 − D_src(G(x,c)))] − λ_r1 / 2 · E[‖∇_x D_src(x)‖²]` (Mescheder et al., Eqs. 1 and 9).

    D_src is the sigmoid of the patch scores, but the slope is that of the scores. G maximises `log D_src(G(x,c))`. The penalty is
    computed in fp32. `stargan` computes it at every `interval`-th update of the critic, with that many times the weight, so that
    the other updates have no double backward; other methods at every update.

    Args:
        lambda_r1: weight of the penalty, λ_r1 (γ in the paper). What suits grows with the number of pixels.
        interval: the number of updates of the critic, on each dataset, per penalty.
        lambda_cls: weight of the domain classification loss, λ_cls.
        lambda_rec: weight of the reconstruction loss, λ_rec.
    """

    name = "r1"
    penalty: CriticPenalty

    def __init__(
        self,
        *,
        lambda_r1: NonNegativeFloat = 10.0,
        interval: PositiveInt = 16,
        lambda_cls: float = 1.0,
        lambda_rec: float = 10.0,
    ) -> None:
        super().__init__(lambda_cls=lambda_cls, lambda_rec=lambda_rec)
        self.lambda_r1, self.interval = lambda_r1, interval
        self.penalty = SquaredSlope()

    def without_penalty(self) -> WeightedLoss:
        return Vanilla(non_saturating=True, lambda_cls=self.lambda_cls, lambda_rec=self.lambda_rec)

    def penalty_losses(self, critic: Critic, real: Tensor) -> Losses:
        penalty = self.penalty.penalise(critic, real)
        return Losses(self.lambda_r1 / 2 * penalty, {"penalty": penalty})

    def discriminator(self, real: Scored, fake: Scored, critic: Critic) -> CriticLoss:
        adversarial = self.without_penalty().discriminator(real, fake, critic)
        losses = self.penalty_losses(critic, real.images)
        return CriticLoss(adversarial.total + losses.total, terms={**adversarial.terms, **losses.terms})

    def generator(self, scores: Tensor) -> Tensor:
        return self.without_penalty().generator(scores)


@hookimpl
def register_losses(register: Callable[[type[AdversarialLoss]], None]) -> None:
    register(R1)
