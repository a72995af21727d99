"""The domain classification loss (Eqs. 2 and 3) for every kind of label."""

from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw_registry import LabelSchema


def classification_loss(schema: LabelSchema, logits: Tensor, labels: Tensor) -> Tensor:
    """Returns `E[−log D_cls(c|x)]` over the known labels of one dataset, a scalar.

    Each attribute counts with its mean over the images whose label is known, and attributes add up: cross-entropy for a
    categorical attribute, binary cross-entropy for each binary one and each member of an exclusive group. With all
    labels known that is the reference's loss; an attribute that nobody in the batch knows adds zero.

    Args:
        schema: the dataset's labels.
        logits: (B, d), the dataset's part of D_cls.
        labels: (B, d) of 0 and 1; NaN where unknown.
    """
    logits, total = logits.float(), logits.new_zeros((), dtype=labels.dtype)
    for attribute, positions in schema.parts:
        loss = _cross_entropy if attribute.one_hot else _binary_cross_entropy
        total = total + loss(logits[:, positions], labels[:, positions])
    return total


def _binary_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    known = ~labels.isnan()
    losses = F.binary_cross_entropy_with_logits(logits, labels.nan_to_num(), reduction="none")
    return (losses.where(known, 0).sum(0) / known.sum(0).clamp(min=1)).sum()


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    known = ~labels.isnan().any(dim=1)
    losses = F.cross_entropy(logits, labels.nan_to_num(), reduction="none")
    return losses.where(known, 0).sum() / known.sum().clamp(min=1)
