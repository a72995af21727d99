"""DIAT (Li et al., 2016): a one-way GAN per pair of domains, with a loss that keeps the identity."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import ClassVar

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from stargan_fw import Batch, Losses, Method, Phase, hookimpl
from stargan_fw.interfaces import ComponentBuilder, LearnedEmbedding, score_together
from stargan_fw.interfaces.loss import Critic
from stargan_fw_plugins.losses.classification import classification_loss
from stargan_fw_plugins.methods.domain_pairs import DomainPairs, image_indices
from stargan_fw_plugins.methods.pairwise import Pairwise
from stargan_fw_registry import LabelSpace


class DIAT(Pairwise):
    """An adversarial and an identity loss `‖F(x) − F(G(x))‖₁`, one direction each step.

    F is the embedding. StarGAN's paper (Sec. 5.1) writes `‖x − F(G(x))‖₁`; here features are compared with features, as
    in DIAT's own paper. The directions of a dataset take turns, and each domain makes up half of the batch. All phases
    run at every step, whatever `training.n_critic` is.

    Args:
        source: labels of the domain that images are translated from, such as "neutral". There are then k − 1 models for
            k values. If empty, there is one for every ordered pair of values of an attribute: k (k − 1).
        lambda_id: weight of the identity loss.
    """

    name = "diat"
    components: ClassVar[Mapping[str, str]] = {
        "generator": "resnet",
        "discriminator": "patch",
        "loss": "vanilla",
        "embedding": "face",
    }
    auxiliary = ("embedding",)

    def __init__(
        self,
        space: LabelSpace,
        image_size: int,
        build: ComponentBuilder,
        *,
        source: str = "",
        lambda_id: NonNegativeFloat = 10.0,
    ) -> None:
        domains = DomainPairs(space, source)
        super().__init__(space, image_size, build, domains, domains.one_way_arrows())
        self.lambda_id = lambda_id
        self.loss = build.loss()
        self.penalty = self.loss.penalty
        self.embedding = build.embedding(image_size=image_size, label_dim=space.label_dim)
        self.networks["embedding"] = self.embedding
        learning = (Phase("f", ("embedding",)),) if isinstance(self.embedding, LearnedEmbedding) else ()
        self.phases = (*learning, Phase("d", ("discriminator",)), Phase("g", ("generator",)))

    def prepare(self) -> None:
        self.embedding.prepare()

    def batches(self, dataset: str, labels: Tensor) -> Sequence[Sequence[Tensor]]:
        return image_indices(self.arrows[dataset], labels)

    def losses(self, batch: Batch, due: Collection[str]) -> Iterator[tuple[str, Losses]]:
        arrow = self.arrows[batch.dataset][batch.kind]
        sources, targets = (batch.images[domain.contains(batch.labels)] for domain in (arrow.source, arrow.target))
        count = min(len(sources), len(targets))
        if "f" in due and isinstance(self.embedding, LearnedEmbedding):
            yield "f", self._embedding_losses(self.embedding, batch)
        if not count:
            return
        with torch.set_grad_enabled("g" in due):
            fake = self.generate(arrow, sources[:count])
        critic = self.critic(arrow)
        if "d" in due:
            adversarial_loss = self.loss.discriminator(*score_together(critic, targets[:count], fake.detach()), critic)
            yield "d", Losses(adversarial_loss.total, adversarial_loss.terms)
        if "g" in due:
            yield "g", self._generator_losses(critic, sources[:count], fake)

    def _embedding_losses(self, embedding: LearnedEmbedding, batch: Batch) -> Losses:
        logits = embedding.classify(batch.images)[:, self.space.slice(batch.dataset)]
        classification = classification_loss(self.space.schema(batch.dataset), logits, batch.labels)
        return Losses(classification, {"cls": classification})

    def _generator_losses(self, critic: Critic, images: Tensor, fake: Tensor) -> Losses:
        with torch.no_grad():
            kept = self.embedding(images)
        identity = (kept - self.embedding(fake)).abs().mean()
        adversarial = self.loss.generator(critic(fake))
        return Losses(adversarial + self.lambda_id * identity, {"adv": adversarial, "id": identity})


@hookimpl
def register_methods(register: Callable[[type[Method]], None]) -> None:
    register(DIAT)
