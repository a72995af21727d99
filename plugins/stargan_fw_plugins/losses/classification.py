"""The domain classification loss (Eqs. 2 and 3) for all kinds of labels."""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw import ranks
from stargan_fw_registry import LabelSchema


def classification_loss(schema: LabelSchema, logits: Tensor, labels: Tensor) -> Tensor:
    """Returns `E[−log D_cls(c|x)]` over the known labels of one dataset, a scalar.

    It is the sum over attributes of their mean loss over the images with a known label: cross-entropy for a categorical
    attribute, binary cross-entropy for a binary one and for each member of an exclusive group. If all labels are known,
    this is the reference's loss. An attribute that is unknown for the whole batch adds zero.

    A continuous attribute is regressed. With p, the logistic function of the logit, as the value that is read, its loss is
    `KL(y ‖ p)`: the binary cross-entropy less the label's own, so that 0 is reached where p = y. (It is about `2 (p − y)²` in
    the middle of the range.) As for a binary label the gradient is p − y, on the same scale, and does not fade at the ends.

    Args:
        schema: the dataset's labels.
        logits: (B, d), the dataset's part of D_cls.
        labels: (B, d) of 0 and 1, or between for a continuous attribute, or NaN if unknown.
    """
    logits, total = logits.float(), logits.new_zeros((), dtype=labels.dtype)
    known = ~labels.isnan()
    for attribute, part in schema.parts:
        if attribute.one_hot:
            known[:, part] = known[:, part].all(dim=1, keepdim=True)
    # The mean is over the known labels of all ranks. Their average is what trains, so each adds its sum times their number.
    counts = ranks.add_up(known.sum(0)).clamp(min=1)
    for attribute, part in schema.parts:
        sums = _cross_entropy if attribute.one_hot else _divergence if attribute.continuous else _binary_cross_entropy
        own = counts[part.start] if attribute.one_hot else counts[part]
        total = total + (sums(logits[:, part], labels[:, part].nan_to_num(), known[:, part]) / own).sum()
    return total * ranks.world_size()


def _binary_cross_entropy(logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
    """Returns the sum over images per label, (k,)."""
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="none").where(known, 0).sum(0)


def _divergence(logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
    """Returns the sum over images per label, (1,); entropies have no gradient."""
    negative_entropy = torch.xlogy(labels, labels) + torch.xlogy(1 - labels, 1 - labels)
    return _binary_cross_entropy(logits, labels, known) + negative_entropy.where(known, 0).sum(0)


def _cross_entropy(logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
    """Returns the sum over images, ()."""
    return F.cross_entropy(logits, labels, reduction="none").where(known[:, 0], 0).sum()
