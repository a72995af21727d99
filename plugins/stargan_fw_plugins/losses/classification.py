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
    losses, known = label_losses(schema, logits, labels)
    # The mean is over the known labels of all ranks. Their average is what trains, so each adds its sum times their number.
    counts = ranks.add_up(known.sum(0)).clamp(min=1)
    return (losses.sum(0) / counts).sum() * ranks.world_size()


def label_losses(schema: LabelSchema, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the loss of each label of each image, and which labels are known; see `classification_loss`.

    Args:
        schema: the dataset's labels.
        logits: (B, d), the dataset's part of D_cls.
        labels: (B, d) from 0 to 1, or NaN if unknown.

    Returns:
        (B, d) losses, 0 for an unknown label; that of a categorical attribute is in the place of its first value. And (B, d) of
        bool; a categorical attribute is known if all of its values are.
    """
    logits, known = logits.float(), ~labels.isnan()
    losses = torch.zeros_like(logits, dtype=torch.promote_types(logits.dtype, labels.dtype))
    for attribute, part in schema.parts:
        own, wanted = logits[:, part], labels[:, part].nan_to_num()
        if attribute.one_hot:
            known[:, part] = known[:, part].all(dim=1, keepdim=True)
            losses[:, part.start] = F.cross_entropy(own, wanted, reduction="none")
        else:
            losses[:, part] = F.binary_cross_entropy_with_logits(own, wanted, reduction="none")
        if attribute.continuous:  # entropies have no gradient
            losses[:, part] += torch.xlogy(wanted, wanted) + torch.xlogy(1 - wanted, 1 - wanted)
    return losses.where(known, 0), known
