"""What StarGAN and CycleGAN ask of an adversarial loss: the weights of the other terms of their objectives."""

from stargan_fw import AdversarialLoss
from stargan_fw.errors import ConfigError


class WeightedLoss(AdversarialLoss):
    """An adversarial loss that also holds the weights of the full objectives (Eqs. 5 and 6).

    Args:
        lambda_cls: weight of the domain classification loss, λ_cls.
        lambda_rec: weight of the reconstruction loss, λ_rec.
    """

    def __init__(self, *, lambda_cls: float = 1.0, lambda_rec: float = 10.0) -> None:
        self.lambda_cls = lambda_cls
        self.lambda_rec = lambda_rec


def with_weights(loss: AdversarialLoss) -> WeightedLoss:
    """Returns the loss as one that holds weights.

    Raises:
        ConfigError: it holds none.
    """
    if isinstance(loss, WeightedLoss):
        return loss
    raise ConfigError(
        f"loss.name = '{loss.name}' has no lambda_cls and no lambda_rec, which the method weighs its other losses with. "
        "Derive its class from stargan_fw_plugins.losses.weighted_loss.WeightedLoss."
    )
