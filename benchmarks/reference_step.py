"""StarGAN in the reference's formulation, in plain torch, for the other benchmarks to compare with.

It is eager and in fp32. Label planes are concatenated to the image, and instance norm keeps running statistics. The critic's
update has three passes of the critic and builds the generator's graph; the generator's update makes the fake again. Every
backward computes gradients for all networks, and every step reads back all losses. Layers and sizes are the paper's. The
code was written from the paper and from a description of the reference.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

LAMBDA_CLS, LAMBDA_REC, LAMBDA_GP = 1.0, 10.0, 10.0


class ReferenceGenerator(nn.Module):
    """Table 4; (B, 3, H, W) and (B, label_dim) in, (B, 3, H, W) out."""

    def __init__(self, label_dim: int, d: int = 64, blocks: int = 6) -> None:
        super().__init__()
        self.main = nn.Sequential(
            *self.normed(nn.Conv2d(3 + label_dim, d, 7, padding=3, bias=False), d),
            *self.normed(nn.Conv2d(d, 2 * d, 4, stride=2, padding=1, bias=False), 2 * d),
            *self.normed(nn.Conv2d(2 * d, 4 * d, 4, stride=2, padding=1, bias=False), 4 * d),
            *(ReferenceBlock(4 * d) for _ in range(blocks)),
            *self.normed(nn.ConvTranspose2d(4 * d, 2 * d, 4, stride=2, padding=1, bias=False), 2 * d),
            *self.normed(nn.ConvTranspose2d(2 * d, d, 4, stride=2, padding=1, bias=False), d),
            nn.Conv2d(d, 3, 7, padding=3, bias=False),
            nn.Tanh(),
        )

    @staticmethod
    def normed(convolution: nn.Module, channels: int) -> tuple[nn.Module, ...]:
        return convolution, nn.InstanceNorm2d(channels, affine=True, track_running_stats=True), nn.ReLU(inplace=True)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        planes = labels[:, :, None, None].repeat(1, 1, *images.shape[2:])
        result: Tensor = self.main(torch.cat([images, planes], dim=1))
        return result


class ReferenceBlock(nn.Module):
    """Table 4, bottleneck."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            *ReferenceGenerator.normed(nn.Conv2d(channels, channels, 3, padding=1, bias=False), channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.InstanceNorm2d(channels, affine=True, track_running_stats=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.main(x)
        return result


class ReferenceDiscriminator(nn.Module):
    """Table 5; (B, 3, H, W) in, patch scores and logits (B, label_dim) out."""

    def __init__(self, image_size: int, label_dim: int, d: int = 64, depth: int = 6) -> None:
        super().__init__()
        widths = [3, *(d * 2**i for i in range(depth))]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.01)]
        self.main = nn.Sequential(*layers)
        self.src = nn.Conv2d(widths[-1], 1, 3, padding=1, bias=False)
        self.cls = nn.Conv2d(widths[-1], label_dim, image_size // 2**depth, bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.main(images)
        return self.src(features), self.cls(features).flatten(1)


class ReferenceStep:
    """Updates on the first dataset, with its own labels (B, d).

    Args:
        image_size: side in pixels; below 128 the critic has one layer fewer per halving.
        label_dims: number of labels per dataset; with several datasets a mask is appended.
        rate: learning rate of both optimisers.
        device: where to train.
        d: channels of the networks' first maps.
    """

    def __init__(
        self, image_size: int, label_dims: tuple[int, ...], rate: float = 1e-4, device: str = "cpu", d: int = 64
    ) -> None:
        self.label_dims = label_dims
        total = sum(label_dims)
        mask = len(label_dims) if len(label_dims) > 1 else 0
        depth = min(6, (image_size // 2).bit_length() - 1)
        self.generator = ReferenceGenerator(total + mask, d).to(device)
        self.discriminator = ReferenceDiscriminator(image_size, total, d, depth).to(device)
        self.adam_g = torch.optim.Adam(self.generator.parameters(), rate, (0.5, 0.999))
        self.adam_d = torch.optim.Adam(self.discriminator.parameters(), rate, (0.5, 0.999))
        self.losses: dict[str, float] = {}

    def cycle(self, images: Tensor, labels: Tensor, n_critic: int) -> None:
        """Takes `n_critic` updates of the critic and one of the generator on the first dataset's images."""
        for number in range(n_critic):
            target = labels[torch.randperm(len(labels))]
            self.critic_update(images, labels, target)
            if number == n_critic - 1:
                self.generator_update(images, labels, target)

    def critic_update(self, images: Tensor, labels: Tensor, target: Tensor) -> None:
        """Eq. 5."""
        scores, logits = self.discriminator(images)
        real, classified = -scores.mean(), self.classification(logits, labels)
        fake = self.generator(images, self.join(target))
        scores, _ = self.discriminator(fake.detach())
        generated = scores.mean()
        alpha = torch.rand(len(images), 1, 1, 1, device=images.device)
        between = (alpha * images + (1 - alpha) * fake.detach()).requires_grad_()
        scores, _ = self.discriminator(between)
        penalty = self.penalty(scores, between)
        self.update(self.adam_d, real + generated + LAMBDA_CLS * classified + LAMBDA_GP * penalty)
        self.losses |= {"real": real.item(), "fake": generated.item(), "cls": classified.item(), "gp": penalty.item()}

    def generator_update(self, images: Tensor, labels: Tensor, target: Tensor) -> None:
        """Eq. 6."""
        fake = self.generator(images, self.join(target))
        scores, logits = self.discriminator(fake)
        adversarial, classified = -scores.mean(), self.classification(logits, target)
        restored = self.generator(fake, self.join(labels))
        rec = (images - restored).abs().mean()
        self.update(self.adam_g, adversarial + LAMBDA_REC * rec + LAMBDA_CLS * classified)
        self.losses |= {"g/fake": adversarial.item(), "g/rec": rec.item(), "g/cls": classified.item()}

    def update(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        """Clears the gradients of both networks, computes those of both, and updates one."""
        self.adam_g.zero_grad()
        self.adam_d.zero_grad()
        loss.backward()
        optimizer.step()

    def join(self, labels: Tensor) -> Tensor:
        """Returns the joint label of Eq. 7 for labels of the first dataset."""
        zeros = labels.new_zeros(len(labels), sum(self.label_dims[1:]))
        mask = [1.0, *(0.0 for _ in self.label_dims[1:])] if len(self.label_dims) > 1 else []
        return torch.cat([labels, zeros, labels.new_tensor(mask).expand(len(labels), -1)], dim=1)

    def classification(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Eqs. 2 and 3 for binary labels: the sum over labels, the mean over images."""
        own = logits[:, : labels.shape[1]]
        return F.binary_cross_entropy_with_logits(own, labels, reduction="sum") / len(labels)

    def penalty(self, scores: Tensor, between: Tensor) -> Tensor:
        """The last term of Eq. 8."""
        (slope,) = torch.autograd.grad(
            scores, between, torch.ones_like(scores), retain_graph=True, create_graph=True, only_inputs=True
        )
        norms = slope.flatten(1).square().sum(1).sqrt()
        return (norms - 1).square().mean()
