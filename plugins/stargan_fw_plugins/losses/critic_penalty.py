"""Penalties of the critic's slope, which train the critic through the gradient of a gradient."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from stargan_fw import Losses, Phase
from stargan_fw.interfaces import OptimizerSpec
from stargan_fw.interfaces.loss import Critic
from stargan_fw_plugins.losses.weighted_loss import WeightedLoss


@torch.compiler.disable  # type: ignore[untyped-decorator]
def autograd_slopes(critic: Critic, images: Tensor) -> Tensor:
    """Returns the gradient of the summed scores by each image, (B, 3, H, W), which autograd can differentiate again.

    If a compiled penalty fails to compile, such as with a batch norm that counts its batches, this runs in its place. The compiler
    must then leave the critic alone, too, since the critic is differentiated twice.
    """
    images = images.detach().requires_grad_()
    (slopes,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    return slopes


def functional_slopes(critic: Critic, images: Tensor) -> Tensor:
    """Returns what `autograd_slopes` returns; the way that can be compiled."""
    slopes: Tensor = torch.func.grad(lambda x: critic(x).sum())(images)
    return slopes


class CriticPenalty(nn.Module):
    """A mean over images of what `measure` makes of the critic's slopes.

    As in the reference, a slope is the gradient of D_src, summed over its patches, by the image.

    A module without parameters, so that it can be compiled as a whole. The slopes then come from `torch.func.grad` inside the
    compiled function, which autograd differentiates once. A critic compiled by itself would be differentiated twice, and torch then
    raises, or silently loses gradients (pytorch#181581). A `torch.autograd.Function` in the critic loses them here, too: layers
    have to do without while they are compiled.
    """

    def penalise(self, critic: Critic, images: Tensor) -> Tensor:
        """Returns the penalty, a scalar; always in fp32, because its double backward loses two digits in bf16.

        Args:
            critic: scores images.
            images: (B, 3, H, W), detached.
        """
        # Outside of `forward`: a compiled backward pass ignores what the compiled function says of autocast (pytorch#179804).
        with torch.autocast(images.device.type, enabled=False):
            penalty: Tensor = self(critic, images.float())
        return penalty

    def forward(self, critic: Critic, images: Tensor) -> Tensor:
        slopes_of = functional_slopes if torch.compiler.is_compiling() else autograd_slopes
        return self.measure(slopes_of(critic, images).flatten(1))

    @abstractmethod
    def measure(self, slopes: Tensor) -> Tensor:
        """Returns a scalar, the mean over images, from slopes (B, 3 · H · W)."""


class LazyLoss(WeightedLoss):
    """A loss whose penalty need not be part of every update of the critic (lazy regularisation; Karras et al., 2020, App. B).

    `discriminator` adds the penalty to every update. A method with a phase for it takes the loss and the penalty apart, with
    `separate`.

    Attributes:
        interval: the penalty is due at every so many updates of the critic.
    """

    interval: int = 1

    @abstractmethod
    def without_penalty(self) -> WeightedLoss:
        """Returns the loss without the penalty."""

    @abstractmethod
    def penalty_losses(self, critic: Critic, real: Tensor) -> Losses:
        """Returns the weighted penalty of real images (B, 3, H, W), as of one update."""

    def due_losses(self, critic: Critic, real: Tensor) -> Losses:
        """Returns the penalty for a phase that is due at every `interval`-th update, and so weighs that much more."""
        losses = self.penalty_losses(critic, real)
        return replace(losses, total=losses.total * self.interval)

    def add_phase(self, phases: Sequence[Phase]) -> Iterator[Phase]:
        """Yields a method's phases, with one for the penalty after the critic's, "d", whose optimiser it shares.

        Adam takes one step more in every `interval`, so each is that much smaller.
        """
        for phase in phases:
            if phase.name == "d" and isinstance(phase.optimizer, OptimizerSpec):
                ratio = self.interval / (self.interval + 1)
                yield replace(phase, optimizer=replace(phase.optimizer, lazy_ratio=ratio))
                yield Phase(self.name, phase.networks, self.interval, optimizer=phase.name)
            else:
                yield phase


def separate(loss: WeightedLoss) -> tuple[WeightedLoss, LazyLoss | None]:
    """Returns a loss for every update of the critic, and the loss whose penalty needs a phase of its own, if it needs one."""
    if isinstance(loss, LazyLoss) and loss.interval > 1:
        return loss.without_penalty(), loss
    return loss, None
