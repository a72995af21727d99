"""CycleGAN (Zhu et al., 2017): two generators and two discriminators for each pair of domains."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, TypeAlias

import torch
from pydantic import NonNegativeFloat, NonNegativeInt
from torch import Tensor, nn

from stargan_fw import Batch, CriticLoss, Losses, Method, Phase, hookimpl, ranks
from stargan_fw.interfaces import ComponentBuilder, score_together
from stargan_fw_plugins.losses.weighted_loss import require_weights
from stargan_fw_plugins.methods.domain_pairs import Arrow, DomainPairs, image_indices
from stargan_fw_plugins.methods.pairwise import Pairwise
from stargan_fw_registry import LabelSpace

Pair: TypeAlias = tuple[Arrow, Arrow]


class ImagePool(nn.Module):
    """Mixes generated images with those of earlier steps, so that a discriminator does not forget them (Shrivastava et al., 2017).

    Its buffers are part of the checkpoint.

    Args:
        size: how many images the pool contains; with 0, `mix` returns its input.
        image_size: side in pixels.
    """

    def __init__(self, size: int, image_size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("images", torch.zeros(size, 3, image_size, image_size))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))
        self.images: Tensor
        self.filled: Tensor

    @torch.no_grad()
    def mix(self, images: Tensor) -> Tensor:
        """Returns (B, 3, H, W). Once the pool is full, an image is swapped for an older one with probability 1/2.

        The pool is the same on all ranks: each puts the images of all into its own.
        """
        if not self.size:
            return images
        everyones = ranks.gather(images.float())
        return ranks.take(torch.cat([self._exchange(image) for image in torch.split(everyones, 1)]))

    def _exchange(self, image: Tensor) -> Tensor:
        filled = int(self.filled)
        if filled < self.size:
            self.images[filled] = image[0]
            self.filled += 1
            return image
        if torch.rand(()) < 0.5:
            return image
        place = int(torch.randint(self.size, ()))
        older = self.images[place : place + 1].clone()
        self.images[place] = image[0]
        return older


class CycleGAN(Pairwise):
    """Adversarial and cycle-consistency losses both ways (Zhu et al., Eq. 3), a pair of domains each step.

    The pairs of a dataset take turns, and each domain of a pair makes up half of the batch. The weight λ of a cycle is
    `loss.lambda_rec`. Both phases run at every step, whatever `training.n_critic` is.

    Args:
        source: labels of the domain that images are translated from, such as "neutral". There are then k − 1 pairs for
            k values. If empty, every two values of an attribute are a pair: k (k − 1) / 2.
        lambda_idt: weight of the identity term `‖G(y) − y‖₁`; the authors use λ / 2 if colours drift.
        pool_size: how many earlier images each discriminator sees again.
    """

    name = "cyclegan"
    components: ClassVar[Mapping[str, str]] = {"generator": "resnet", "discriminator": "patch", "loss": "lsgan"}
    phases = (Phase("g", ("generator",)), Phase("d", ("discriminator",)))
    auxiliary = ("pools",)

    def __init__(
        self,
        space: LabelSpace,
        image_size: int,
        build: ComponentBuilder,
        *,
        source: str = "",
        lambda_idt: NonNegativeFloat = 0.0,
        pool_size: NonNegativeInt = 50,
    ) -> None:
        domains = DomainPairs(space, source)
        arrows = {
            dataset: [arrow for pair in pairs for arrow in (pair, pair.reversed)]
            for dataset, pairs in domains.pairs.items()
        }
        super().__init__(space, image_size, build, domains, arrows)
        self.lambda_idt = lambda_idt
        self.loss = require_weights(build.loss())
        self.penalty = self.loss.penalty
        self.pool_of = {key: ImagePool(pool_size, image_size) for key in self.generators}
        self.networks["pools"] = nn.ModuleDict(self.pool_of)

    def batches(self, dataset: str, labels: Tensor) -> Sequence[Sequence[Tensor]]:
        return image_indices(self.domains.pairs[dataset], labels)

    def losses(self, batch: Batch, due: Collection[str]) -> Iterator[tuple[str, Losses]]:
        there = self.domains.pairs[batch.dataset][batch.kind]
        pair = (there, there.reversed)
        real = {arrow: batch.images[arrow.source.contains(batch.labels)] for arrow in pair}
        count = min(map(len, real.values()))
        if not count:
            return
        real = {arrow: images[:count] for arrow, images in real.items()}
        with torch.set_grad_enabled("g" in due):
            fake = {arrow: self.generate(arrow, images) for arrow, images in real.items()}
        if "g" in due:
            yield "g", self._generator_losses(pair, real, fake)
        if "d" in due:
            yield "d", self._discriminator_losses(pair, real, fake)

    def _generator_losses(self, pair: Pair, real: Mapping[Arrow, Tensor], fake: Mapping[Arrow, Tensor]) -> Losses:
        """`L_GAN(G, D_Y) + L_GAN(F, D_X) + λ L_cyc(G, F)` (Zhu et al., Eqs. 1 to 3), and the identity term (Sec. 5.2)."""
        terms = {
            "adv": _sum(self.loss.generator(self.critic(arrow)(fake[arrow])) for arrow in pair),
            "rec": _sum(_distance(self.generate(arrow.reversed, fake[arrow]), real[arrow]) for arrow in pair),
        }
        total = terms["adv"] + self.loss.lambda_rec * terms["rec"]
        if self.lambda_idt:
            terms["idt"] = _sum(_distance(self.generate(arrow.reversed, real[arrow]), real[arrow]) for arrow in pair)
            total = total + self.lambda_idt * terms["idt"]
        return Losses(total, terms)

    def _discriminator_losses(self, pair: Pair, real: Mapping[Arrow, Tensor], fake: Mapping[Arrow, Tensor]) -> Losses:
        found = [self._critic_loss(arrow, real[arrow.reversed], fake[arrow].detach()) for arrow in pair]
        terms = {name: _sum(one.terms[name] for one in found) for name in found[0].terms}
        return Losses(_sum(one.total for one in found), terms)

    def _critic_loss(self, arrow: Arrow, real: Tensor, fake: Tensor) -> CriticLoss:
        critic, shown = self.critic(arrow), self.pool_of[arrow.key].mix(fake)
        return self.loss.discriminator(*score_together(critic, real, shown), critic)


def _sum(terms: Iterable[Tensor]) -> Tensor:
    first, *others = terms
    for other in others:
        first = first + other
    return first


def _distance(one: Tensor, other: Tensor) -> Tensor:
    return (one - other).abs().mean()


@hookimpl
def register_methods(register: Callable[[type[Method]], None]) -> None:
    register(CycleGAN)
