"""The least-squares objective (Mao et al., 2017), which CycleGAN uses."""

from collections.abc import Callable

from torch import Tensor

from stargan_fw import AdversarialLoss, CriticLoss, hookimpl
from stargan_fw.interfaces.loss import Critic, Scored
from stargan_fw_plugins.losses.weighted_loss import WeightedLoss


class LSGAN(WeightedLoss):
    """D minimises `½ (E[(D_src(x) − 1)²] + E[D_src(G(x))²])`, G minimises `E[(D_src(G(x)) − 1)²]` (Zhu et al., 2017, Sec. 4).

    Args:
        lambda_cls: weight of the domain classification loss, λ_cls.
        lambda_rec: weight of the reconstruction loss, λ_rec, which is CycleGAN's λ.
    """

    name = "lsgan"

    def discriminator(self, real: Scored, fake: Scored, critic: Critic) -> CriticLoss:  # noqa: ARG002
        adversarial = ((real.scores.float() - 1).square().mean() + fake.scores.float().square().mean()) / 2
        return CriticLoss(total=adversarial, terms={"adv": adversarial})

    def generator(self, scores: Tensor) -> Tensor:
        return (scores.float() - 1).square().mean()


@hookimpl
def register_losses(register: Callable[[type[AdversarialLoss]], None]) -> None:
    register(LSGAN)
