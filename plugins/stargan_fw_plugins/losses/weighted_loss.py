"""The base class of losses for StarGAN and CycleGAN, which also weigh other terms."""

from stargan_fw import AdversarialLoss
from stargan_fw.errors import ConfigError


class WeightedLoss(AdversarialLoss):
    """An adversarial loss with the weights of the other terms of the objective (Eqs. 5 and 6).

    Args:
        lambda_cls: weight of the domain classification loss, λ_cls.
        lambda_rec: weight of the reconstruction loss, λ_rec.
    """

    def __init__(self, *, lambda_cls: float = 1.0, lambda_rec: float = 10.0) -> None:
        self.lambda_cls = lambda_cls
        self.lambda_rec = lambda_rec


def require_weights(loss: AdversarialLoss) -> WeightedLoss:
    """Returns the loss.

    Raises:
        ConfigError: the loss is not a `WeightedLoss`.
    """
    if isinstance(loss, WeightedLoss):
        return loss
    raise ConfigError(
        f"loss.name = '{loss.name}' has no lambda_cls and no lambda_rec, the weights of the method's other losses. "
        "Derive its class from stargan_fw_plugins.losses.weighted_loss.WeightedLoss."
    )
