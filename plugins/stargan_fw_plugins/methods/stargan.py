"""StarGAN (Choi et al., 2018): one generator and one discriminator for all domains of all datasets."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from stargan_fw import Batch, Losses, Method, Phase, hookimpl
from stargan_fw.interfaces import ComponentBuilder, Scored
from stargan_fw_plugins.losses.classification import classification_loss
from stargan_fw_plugins.losses.critic_penalty import separate
from stargan_fw_plugins.losses.weighted_loss import require_weights
from stargan_fw_plugins.networks.classifying_discriminator import require_classifier
from stargan_fw_registry import LabelError, LabelSpace


class StarGAN(Method):
    """The full objectives (Eqs. 5 and 6) under the unified label with its mask (Eq. 7)."""

    name = "stargan"
    components: ClassVar[Mapping[str, str]] = {"generator": "stargan", "discriminator": "stargan", "loss": "wgan_gp"}
    variants: ClassVar[Mapping[str, tuple[str, ...]]] = {"mask": ("wrong",)}
    compilable = ("generator",)
    trained_across = False
    min_batch_size = 2
    min_batch_reason = "targets are the labels of the batch in another order, and one image has no other order"
    reading = ("discriminator",)
    phases: tuple[Phase, ...] = (Phase("d", ("discriminator",)), Phase("g", ("generator",), interval="n_critic"))

    def __init__(self, space: LabelSpace, image_size: int, build: ComponentBuilder) -> None:
        super().__init__(space, image_size, build)
        self.generator = build.generator(image_size=image_size, label_dim=space.dim)
        self.discriminator = require_classifier(build.discriminator(image_size=image_size, label_dim=space.label_dim))
        loss = require_weights(build.loss())
        self.loss, self.lazy = separate(loss)
        self.penalty = loss.penalty
        if self.lazy:
            self.phases = tuple(self.lazy.add_phase(self.phases))
        self.networks = {"generator": self.generator, "discriminator": self.discriminator}
        self._has_batch_norm = any(
            isinstance(module, nn.modules.batchnorm._BatchNorm)  # noqa: SLF001 - the base of all of them
            for network in self.networks.values()
            for module in network.modules()
        )

    def losses(self, batch: Batch, due: Collection[str]) -> Iterator[tuple[str, Losses]]:
        # Targets are the batch's own labels in another order, so that they follow the dataset's distribution.
        target = batch.shuffled_labels()
        slices = self._micro_batches(batch) if "g" in due else []
        # One fake serves both updates; its graph is built only if the generator is updated. Micro-batches build it again:
        # keeping the whole graph during the discriminator's update would take the memory that they save.
        with torch.set_grad_enabled(len(slices) == 1):
            fake = self._translate_to(batch, target)
        yield "d", self._discriminator_losses(batch, fake.detach())
        if self.lazy and self.lazy.name in due:
            yield self.lazy.name, self.lazy.due_losses(self.discriminator.score_images, batch.images)
        if len(slices) == 1:
            yield "g", self._generator_losses(batch, fake, target)
            return
        del fake
        for part in slices:
            piece, piece_target = batch.cut(part), target[part]
            losses = self._generator_losses(piece, self._translate_to(piece, piece_target), piece_target)
            yield "g", losses.share(len(piece_target) / len(target), last=part is slices[-1])

    def _micro_batches(self, batch: Batch) -> Sequence[slice]:
        """Returns the micro-batches of the generator's update.

        There is one if several would change the update: with batch norm, and if labels are unknown, since the classification
        loss is then a mean over fewer images than the batch has.
        """
        slices = list(batch.micro_batches())
        if len(slices) > 1 and (self._has_batch_norm or batch.has_unknown_labels):
            return [slice(None)]
        return slices

    def _translate_to(self, batch: Batch, target: Tensor) -> Tensor:
        result: Tensor = self.generator(batch.images, self.space.join(batch.dataset, target))
        return result

    def unify(self, dataset: str, labels: Tensor, mask: str | None = None) -> Tensor:
        """Returns c̃ as the generator takes it (B, dim), for labels (B, d) of a dataset; see `LabelSpace.join`."""
        return self.space.join(dataset, labels, mask=mask)

    def _discriminator_losses(self, batch: Batch, fake: Tensor) -> Losses:
        """`L_D = −L_adv + λ_cls L_cls^r` (Eq. 5)."""
        scores, logits = self.discriminator(torch.cat([batch.images, fake.to(batch.images.dtype)]))
        count = len(batch.images)
        real, drawn = Scored(batch.images, scores[:count]), Scored(fake, scores[count:])
        adversarial = self.loss.discriminator(real, drawn, self.discriminator.score_images)
        classification = self._classification(batch.dataset, logits[:count], batch.labels)
        total = adversarial.total + self.loss.lambda_cls * classification
        return Losses(total, {**adversarial.terms, "cls": classification})

    def _generator_losses(self, batch: Batch, fake: Tensor, target: Tensor) -> Losses:
        """`L_G = L_adv + λ_cls L_cls^f + λ_rec L_rec` (Eq. 6)."""
        scores, logits = self.discriminator(fake)
        adversarial = self.loss.generator(scores)
        classification = self._classification(batch.dataset, logits, target)
        restored = self.generator(fake, self.space.join(batch.dataset, batch.labels))
        reconstruction = (batch.images - restored).abs().mean()
        total = adversarial + self.loss.lambda_cls * classification + self.loss.lambda_rec * reconstruction
        return Losses(total, {"adv": adversarial, "cls": classification, "rec": reconstruction})

    def _classification(self, dataset: str, logits: Tensor, labels: Tensor) -> Tensor:
        """Eqs. 2 and 3, on the logits of the images' own dataset only."""
        return classification_loss(self.space.schema(dataset), logits[:, self.space.slice(dataset)], labels)

    @torch.no_grad()
    def translate(self, images: Tensor, dataset: str, target: Tensor, source: Tensor | None = None) -> Tensor:  # noqa: ARG002
        result: Tensor = self.generator(images, self.space.join(dataset, target))
        return result

    @torch.no_grad()
    def translate_across(
        self,
        images: Tensor,
        targets: Mapping[str, Tensor],
        sources: Mapping[str, Tensor],  # noqa: ARG002
    ) -> Tensor:
        result: Tensor = self.generator(images, self.space.join_all(targets))
        return result

    @torch.no_grad()
    def read_labels(self, images: Tensor, dataset: str) -> Tensor:
        _, logits = self.discriminator(images)
        return self.space.decode(dataset, logits)

    def variant(self, part: str, setting: str) -> "WrongMask":  # noqa: ARG002 - there is one
        """Returns the method that translates under the mask of another dataset.

        Raises:
            LabelError: the model knows one dataset, so there is no mask.
        """
        if not self.space.mask_dim:
            (dataset,) = self.space.datasets
            raise LabelError(
                f"the model knows one dataset, {dataset!r}, and so has no mask: use one trained on several"
            )
        return WrongMask(self)


class WrongMask(StarGAN):
    """A trained StarGAN that translates under the mask of another dataset, to show what the mask does (Fig. 7)."""

    def __init__(self, method: StarGAN) -> None:
        vars(self).update(vars(method))  # shares the networks
        self._method = method

    @torch.no_grad()
    def translate(self, images: Tensor, dataset: str, target: Tensor, source: Tensor | None = None) -> Tensor:  # noqa: ARG002
        other = next(name for name in self.space.datasets if name != dataset)
        result: Tensor = self.generator(images, self._method.unify(dataset, target, mask=other))
        return result

    def translate_across(self, images: Tensor, targets: Mapping[str, Tensor], sources: Mapping[str, Tensor]) -> Tensor:  # noqa: ARG002
        """Raises LabelError: the mask of several datasets has no wrong one."""
        raise LabelError(f"labels of {' and '.join(targets)} have no wrong mask: name labels of one dataset")


@hookimpl
def register_methods(register: Callable[[type[Method]], None]) -> None:
    register(StarGAN)
