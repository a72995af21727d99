"""The domain classification loss (Eqs. 2 and 3) for all kinds of labels."""

from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw_registry import LabelSchema


def classification_loss(schema: LabelSchema, logits: Tensor, labels: Tensor) -> Tensor:
    """Returns `E[−log D_cls(c|x)]` over the known labels of one dataset, a scalar.

    It is the sum over attributes of their mean loss over the images with a known label: cross-entropy for a categorical
    attribute, binary cross-entropy for a binary one and for each member of an exclusive group. If all labels are known,
    this is the reference's loss. An attribute that is unknown for the whole batch adds zero.

    Args:
        schema: the dataset's labels.
        logits: (B, d), the dataset's part of D_cls.
        labels: (B, d) of 0 and 1, or NaN if unknown.
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
