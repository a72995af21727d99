"""The Wasserstein objective with gradient penalty (Eq. 8; Gulrajani et al., 2017)."""

from collections.abc import Callable

import torch
from torch import Tensor

from stargan_fw import AdversarialLoss, CriticLoss, hookimpl, ranks
from stargan_fw.interfaces.loss import Critic, Scored
from stargan_fw_plugins.losses.critic_penalty import CriticPenalty
from stargan_fw_plugins.losses.weighted_loss import WeightedLoss


class UnitSlope(CriticPenalty):
    """`E[(‖∇_x̂ D_src(x̂)‖₂ − 1)²]`."""

    def measure(self, slopes: Tensor) -> Tensor:
        # vector_norm has a zero gradient at zero, so no epsilon is needed under the root.
        norms: Tensor = torch.linalg.vector_norm(slopes, dim=1)
        return (norms - 1).square().mean()


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, penalty: CriticPenalty | None = None) -> Tensor:
    """Returns `E[(‖∇_x̂ D_src(x̂)‖₂ − 1)²]`, a scalar, with one x̂ per image, uniform between real and fake.

    Args:
        critic: scores images.
        real: (B, 3, H, W).
        fake: (B, 3, H, W), detached.
        penalty: makes the scalar from the slopes at x̂; None is `UnitSlope`.
    """
    alpha = ranks.draw(torch.rand, len(real), 1, 1, 1, device=real.device)
    between = torch.lerp(fake.float(), real.float(), alpha)
    return (penalty or UnitSlope()).penalise(critic, between)


class WGANGP(WeightedLoss):
    """`L_adv = E[D_src(x)] − E[D_src(G(x,c))] − λ_gp · penalty` (Eq. 8), the paper's loss.

    Args:
        lambda_gp: weight of the gradient penalty, λ_gp.
        lambda_cls: weight of the domain classification loss, λ_cls.
        lambda_rec: weight of the reconstruction loss, λ_rec.
    """

    name = "wgan_gp"
    penalty: CriticPenalty

    def __init__(self, *, lambda_gp: float = 10.0, lambda_cls: float = 1.0, lambda_rec: float = 10.0) -> None:
        super().__init__(lambda_cls=lambda_cls, lambda_rec=lambda_rec)
        self.lambda_gp = lambda_gp
        self.penalty = UnitSlope()

    def discriminator(self, real: Scored, fake: Scored, critic: Critic) -> CriticLoss:
        adversarial = fake.scores.float().mean() - real.scores.float().mean()
        penalty = gradient_penalty(critic, real.images, fake.images, self.penalty)
        if real.scores.requires_grad and not penalty.requires_grad:
            raise RuntimeError(
                "The gradient penalty has no gradients and would train nothing: torch returned slopes that cannot be "
                "differentiated again, as it did for compiled critics. Set training.compile to off, or leave the "
                "discriminator out of the method's `compilable` networks."
            )
        return CriticLoss(adversarial + self.lambda_gp * penalty, terms={"adv": adversarial, "gp": penalty})

    def generator(self, scores: Tensor) -> Tensor:
        return -scores.float().mean()


@hookimpl
def register_losses(register: Callable[[type[AdversarialLoss]], None]) -> None:
    register(WGANGP)
