"""The original adversarial objective (Eq. 1; Goodfellow et al., 2014)."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw import AdversarialLoss, CriticLoss, hookimpl
from stargan_fw.interfaces.loss import Critic, Scored
from stargan_fw_plugins.losses.weighted_loss import WeightedLoss


class Vanilla(WeightedLoss):
    """`L_adv = E[log D_src(x)] + E[log(1 − D_src(G(x,c)))]` (Eq. 1); D_src is the sigmoid of the patch scores.

    Args:
        non_saturating: G maximises `log D_src(G(x,c))` instead of minimising `log(1 − D_src(G(x,c)))`.
        lambda_cls: weight of the domain classification loss, λ_cls.
        lambda_rec: weight of the reconstruction loss, λ_rec.
    """

    name = "vanilla"

    def __init__(self, *, non_saturating: bool = False, lambda_cls: float = 1.0, lambda_rec: float = 10.0) -> None:
        super().__init__(lambda_cls=lambda_cls, lambda_rec=lambda_rec)
        self.non_saturating = non_saturating

    def discriminator(self, real: Scored, fake: Scored, critic: Critic) -> CriticLoss:  # noqa: ARG002
        # log σ(s) = −softplus(−s) and log(1 − σ(s)) = −softplus(s), without overflow.
        adversarial = F.softplus(-real.scores.float()).mean() + F.softplus(fake.scores.float()).mean()
        return CriticLoss(total=adversarial, terms={"adv": adversarial})

    def generator(self, scores: Tensor) -> Tensor:
        scores = scores.float()
        return F.softplus(-scores).mean() if self.non_saturating else -F.softplus(scores).mean()


@hookimpl
def register_losses(register: Callable[[type[AdversarialLoss]], None]) -> None:
    register(Vanilla)
