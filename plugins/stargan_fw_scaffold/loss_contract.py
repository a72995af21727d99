"""What adversarial losses promise: see `stargan_fw.AdversarialLoss`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from stargan_fw.interfaces import score_together
from stargan_fw_scaffold.faults import FaultError

if TYPE_CHECKING:
    from stargan_fw import AdversarialLoss, CriticLoss
    from stargan_fw_scaffold.faults import Check, Given
    from stargan_fw_scaffold.target import Found


class LossSubject:
    """A loss, with images and a small critic to try it on."""

    def __init__(self, found: Found, given: Given) -> None:
        self.kind: Any = found.item
        self.options = given.options or {}

    def build(self) -> AdversarialLoss:
        """Builds the loss."""
        loss: AdversarialLoss = self.kind(**self.options)
        return loss

    def critic(self) -> nn.Module:
        """Builds a critic, with the same weights each time."""
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.LeakyReLU(), nn.Conv2d(4, 1, 1))

    def images(self, seed: int) -> Tensor:
        """Returns random images (4, 3, 32, 32) in [-1, 1]."""
        return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1

    def discriminate(self, critic: nn.Module) -> CriticLoss:
        """Returns the discriminator's loss."""
        return self.build().discriminator(*score_together(critic, self.images(1), self.images(2)), critic)


def it_is_built_without_arguments(subject: LossSubject) -> None:
    subject.build()


def the_discriminators_loss_trains_the_critic(subject: LossSubject) -> None:
    critic = subject.critic()
    total = subject.discriminate(critic).total
    if total.shape != () or not total.isfinite():
        raise FaultError(
            f"gives the discriminator a total of shape {tuple(total.shape)}, and not one finite number",
            "Take the mean over images and patches: scores.mean().",
        )
    if not total.requires_grad:
        raise FaultError(
            "gives the discriminator a total without gradients",
            "Leave out detach, item and no_grad in discriminator().",
        )
    total.backward()  # type: ignore[no-untyped-call]
    if not all(p.grad is not None and p.grad.isfinite().all() for p in critic[0].parameters()):  # type: ignore[index]
        raise FaultError("passes the critic no finite gradient", "Compute the total from real.scores and fake.scores.")


def its_terms_are_numbers(subject: LossSubject) -> None:
    for name, term in subject.discriminate(subject.critic()).terms.items():
        if not isinstance(term, Tensor) or term.shape != () or not term.isfinite():
            raise FaultError(f"has a term '{name}' that is no finite scalar tensor: {term!r}", "Take its mean.")


def telling_real_from_generated_lowers_the_discriminators_loss(subject: LossSubject) -> None:
    real, generated = subject.images(1), subject.images(2)
    critic = _Constant()

    def total(difference: float) -> float:
        scored = score_together(critic, real, generated)
        real_scores, scores = scored[0].scores + difference, scored[1].scores - difference
        real_scored, fake_scored = (
            type(scored[0])(images, each) for images, each in ((real, real_scores), (generated, scores))
        )
        return float(subject.build().discriminator(real_scored, fake_scored, critic).total)

    if total(0.5) >= total(-0.5):
        raise FaultError(
            "gives the discriminator a higher loss for scores that tell real from generated images",
            "Turn the sign: high scores mean real, and the total is minimised.",
        )


class _Constant(nn.Module):
    """Scores every image alike, with gradients."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=(1, 2, 3), keepdim=True) * 1e-3


def the_generators_loss_falls_as_its_images_look_real(subject: LossSubject) -> None:
    loss = subject.build()
    low, high = (loss.generator(torch.full((4, 1, 2, 2), score)) for score in (-0.5, 0.5))
    if low.shape != () or not low.isfinite():
        raise FaultError(
            f"gives the generator a loss of shape {tuple(low.shape)}, and not one finite number", "Take scores.mean()."
        )
    if high >= low:
        raise FaultError(
            "gives the generator a higher loss for higher scores", "Turn the sign: the generator wants high scores."
        )


def the_generators_loss_is_a_mean_over_images(subject: LossSubject) -> None:
    scores = torch.randn(4, 1, 2, 2, generator=torch.Generator().manual_seed(3))
    loss = subject.build()
    whole, halves = loss.generator(scores), [loss.generator(part) for part in (scores[:2], scores[2:])]
    if not torch.allclose(whole, torch.stack(halves).mean(), rtol=1e-4, atol=1e-6):
        raise FaultError(
            "gives the generator a loss that is no mean over its images: that of 4 is not the mean of those of 2 and 2",
            "Take the mean of the scores, and not their sum; use nothing of the batch as a whole.",
        )


LOSS_CHECKS: tuple[Check, ...] = (
    it_is_built_without_arguments,
    the_discriminators_loss_trains_the_critic,
    its_terms_are_numbers,
    telling_real_from_generated_lowers_the_discriminators_loss,
    the_generators_loss_falls_as_its_images_look_real,
    the_generators_loss_is_a_mean_over_images,
)
