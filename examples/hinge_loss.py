"""A loss of your own: the hinge loss, with a penalty that is due at every 16th update only (lazy regularisation).

stargan-fw train --plugin examples/hinge_loss.py --set loss.name=hinge_r1 --datasets celeba,rafd --data DATA
"""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw import AdversarialLoss, CriticLoss, hookimpl
from stargan_fw.interfaces.loss import Critic, Scored
from stargan_fw_plugins.losses.r1 import R1
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


class HingeR1(R1):
    """The hinge loss plus `λ_r1 / 2 · E[‖∇_x D(x)‖²]` (Mescheder et al., 2018, Eq. 9).

    The penalty differentiates the critic twice, which costs as much as several updates. A method that knows lazy losses computes
    it at every `loss.interval`-th update, with that many times the weight (Karras et al., 2020, App. B). `R1` does all of this.
    For a penalty of your own, derive from `LazyLoss` as `R1` does.
    """

    name = "hinge_r1"

    def without_penalty(self) -> WeightedLoss:
        return Hinge(lambda_cls=self.lambda_cls, lambda_rec=self.lambda_rec)


@hookimpl
def register_losses(register: Callable[[type[AdversarialLoss]], None]) -> None:
    register(Hinge)
    register(HingeR1)
