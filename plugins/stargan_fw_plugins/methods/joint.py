"""StarGAN trained for the labels of several datasets at once, and to leave alone what an edit does not ask for."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, ClassVar

import torch
from pydantic import Field, NonNegativeFloat
from torch import Tensor

from stargan_fw import Batch, CriticLoss, Losses, Method, hookimpl
from stargan_fw.errors import ConfigError
from stargan_fw.interfaces import ComponentBuilder, Scored
from stargan_fw_plugins.losses.classification import classification_loss, label_losses
from stargan_fw_plugins.losses.weighted_loss import WeightedLoss
from stargan_fw_plugins.methods.stargan import StarGAN
from stargan_fw_plugins.methods.training_edits import (
    EditSampler,
    LabelTable,
    Reconstructions,
    TrainingEdits,
    label_weights,
    soft_labels,
)
from stargan_fw_plugins.networks.projection_discriminator import Judgement, require_projection
from stargan_fw_registry import LabelSpace

Share = Annotated[float, Field(ge=0, le=1)]


class Joint(StarGAN):
    """StarGAN with targets of several datasets, a discriminator that judges labels, and fewer reconstructions.

    An edit of an image x of dataset A gives labels of A or of another dataset B. It asks for some labels. All others,
    of every dataset, shall stay as they are. What is not known of them is what the discriminator reads from x, with its
    certainty. What hardly any image has together with what an edit of one attribute asks for follows from the edit, see
    `EditSampler`. In the following, t is the result: what is asked for and what follows from it.

    With s as the scores of the patches, u as their scores for the labels and w as what `label_weights` makes of labels c or t:

    - `L_adv` compares `s + w(c_A)ᵀ u_A` of real images with `s + w(t_A)ᵀ u_A` of edited ones (a projection: Miyato and Koyama,
      2018). D learns which labels fit with an image, and only from images of the labels' own dataset: otherwise it would learn to
      tell datasets apart, and G to translate one into the other. For the same reason D learns only from edits that give no labels
      of B: if no image of A smiles, it would learn that those that do are edited. For G, `w(t_B)ᵀ u_B` has an adversarial loss of
      its own.
    - `L_cls` is that of Eqs. 2 and 3. G's covers the labels of all datasets, and those that shall stay weigh `lambda_stay` times
      as much as those that the edit asks for. `loss.lambda_cls` weighs G's alone.
    - `L_rec` is that of Eq. 4 for a share of the images (`cycle`). The way back gives labels of the same datasets as the edit.
      For another share (`identity`), the image itself takes the place of the edited one.

    Args:
        across: the share of the edits that give labels of another dataset instead of the own labels.
        single: the share of the edits of a dataset's labels that change one attribute at most, as people do. The others take all
            labels of an image of that dataset.
        cycle: the share of the images that are translated back.
        identity: the share of the images that are translated to what they are.
        lambda_stay: the weight of the labels that an edit does not ask for, relative to those that it asks for.
    """

    name = "joint"
    components: ClassVar[Mapping[str, str]] = {"generator": "unet", "discriminator": "projection", "loss": "r1"}

    def __init__(
        self,
        space: LabelSpace,
        image_size: int,
        build: ComponentBuilder,
        *,
        across: Share = 0.35,
        single: Share = 0.5,
        cycle: Share = 0.25,
        identity: Share = 0.125,
        lambda_stay: NonNegativeFloat = 0.3,
    ) -> None:
        super().__init__(space, image_size, build)
        _refuse_penalty(self.loss)
        self.judge = require_projection(self.discriminator).judge
        self.trained_across = across > 0
        self.sampler = EditSampler(space, across, single)
        self.cycle, self.identity, self.lambda_stay = cycle, identity, lambda_stay
        self._tables: dict[str, LabelTable] = {}

    def batches(self, dataset: str, labels: Tensor) -> Sequence[Sequence[Tensor]]:
        self._tables[dataset] = LabelTable.of(self.space.schema(dataset), labels.float())
        return super().batches(dataset, labels)

    def losses(self, batch: Batch, due: Collection[str]) -> Iterator[tuple[str, Losses]]:
        own = batch.dataset
        self._tables = {dataset: table.to(batch.images.device) for dataset, table in self._tables.items()}
        real = self.judge(batch.images)
        current = self._current_labels(batch, real)
        edits = self.sampler.draw(batch, current, self._tables)
        restored = Reconstructions.choose(batch, self.cycle, self.identity)
        slices = self._micro_batches(batch) if "g" in due else []
        with torch.set_grad_enabled(len(slices) == 1):
            fake = self._edit(batch.images, edits)
        yield "d", self._judge_losses(batch, current[own], real, fake.detach(), edits)
        del real
        if self.lazy and self.lazy.name in due:
            yield self.lazy.name, self.lazy.due_losses(partial(self._whole_score, own, current[own]), batch.images)
        if len(slices) == 1:
            yield "g", self._edit_losses(batch.images, fake, edits, current, restored)
            return
        del fake
        for part in slices:
            images, asked = batch.images[part], edits.cut(part)
            before = {dataset: labels[part] for dataset, labels in current.items()}
            losses = self._edit_losses(images, self._edit(images, asked), asked, before, restored.cut(part))
            yield "g", losses.share(len(images) / len(batch.images), last=part is slices[-1])

    @torch.no_grad()
    def translate_across(self, images: Tensor, targets: Mapping[str, Tensor], sources: Mapping[str, Tensor]) -> Tensor:
        """Translates to the labels of one dataset after the other, in the order of the label space.

        No edit in training gives labels of two datasets: in one pass it was left half done, because the discriminator never sees
        one (docs/what_was_tried.md, V).
        """
        for dataset in self.space.datasets:
            if dataset in targets:
                images = self.translate(images, dataset, targets[dataset], sources.get(dataset))
        return images

    def unify(self, dataset: str, labels: Tensor, mask: str | None = None) -> Tensor:
        """Returns c̃; labels whose mask bit is not set are 0, as in training."""
        unified = super().unify(dataset, labels, mask=mask)
        if mask not in {None, dataset}:
            unified[:, self.space.slice(dataset)] = 0
        return unified

    def _edit(self, images: Tensor, edits: TrainingEdits) -> Tensor:
        result: Tensor = self.generator(images, edits.unified())
        return result

    def _current_labels(self, batch: Batch, judgement: Judgement) -> dict[str, Tensor]:
        """Returns by dataset the images' labels (B, d): as they are known, else as the discriminator reads them."""
        read = {
            dataset: soft_labels(self.space.schema(dataset), judgement.logits[:, self.space.slice(dataset)].detach())
            for dataset in self.space.datasets
        }
        own = torch.where(batch.labels.isnan(), read[batch.dataset], batch.labels)
        return read | {batch.dataset: own}

    def _fits(self, judgement: Judgement, dataset: str, weights: Tensor) -> list[Tensor]:
        """Returns per scale `wᵀ u`, how well the patches fit with labels of one dataset: (B, 1, h, w)."""
        own = self.space.slice(dataset)
        return [torch.einsum("bk,bkhw->bhw", weights, scores[:, own])[:, None] for scores in judgement.label_scores]

    def _scores(self, judgement: Judgement, dataset: str, weights: Tensor) -> list[Tensor]:
        """Returns per scale `s + wᵀ u`, how real the patches look for these labels: (B, 1, h, w)."""
        fits = self._fits(judgement, dataset, weights)
        return [scores + fit for scores, fit in zip(judgement.scores, fits, strict=True)]

    def _whole_score(self, dataset: str, labels: Tensor, images: Tensor) -> Tensor:
        """Returns the sum over scales of the mean score of images' patches, (B,): what R1 keeps smooth."""
        scores = self._scores(self.judge(images), dataset, label_weights(self.space.schema(dataset), labels))
        return torch.stack([patches.mean((1, 2, 3)) for patches in scores]).sum(0)

    def _judge_losses(
        self, batch: Batch, labels: Tensor, real: Judgement, fake: Tensor, edits: TrainingEdits
    ) -> Losses:
        """Returns the discriminator's losses.

        Args:
            batch: the images, with the labels that are known.
            labels: (B, d), the images' own labels.
            real: what the discriminator makes of the images.
            fake: (B, 3, H, W), the edited images, detached.
            edits: what the edits ask for, and which of them the discriminator learns from.
        """
        dataset, schema = batch.dataset, self.space.schema(batch.dataset)
        fake, wanted = fake[edits.judged], edits.parts[dataset].result[edits.judged]
        drawn = self.judge(fake.to(batch.images.dtype))
        judged = partial(self._compare, batch.images, fake)
        parts = []
        for a, b in zip(
            self._scores(real, dataset, label_weights(schema, labels)),
            self._scores(drawn, dataset, label_weights(schema, wanted)),
            strict=True,
        ):
            part = judged(a, b)
            parts.append(part if edits.weight == 1 else _weigh(part, judged(a, torch.zeros_like(b)), edits.weight))
        classification = classification_loss(schema, real.logits[:, self.space.slice(dataset)], batch.labels)
        total = torch.stack([part.total for part in parts]).sum() + classification
        terms = {name: torch.stack([part.terms[name] for part in parts]).sum() for name in parts[0].terms}
        return Losses(total, {**terms, "cls": classification})

    def _compare(self, images: Tensor, fake: Tensor, real_scores: Tensor, fake_scores: Tensor) -> CriticLoss:
        return self.loss.discriminator(
            Scored(images, real_scores), Scored(fake, fake_scores), self.discriminator.score_images
        )

    def _edit_losses(
        self,
        images: Tensor,
        fake: Tensor,
        edits: TrainingEdits,
        current: Mapping[str, Tensor],
        restored: Reconstructions,
    ) -> Losses:
        """Returns the generator's losses (Eq. 6).

        Args:
            images: (B, 3, H, W).
            fake: (B, 3, H, W), the edited images.
            edits: what the edits ask for.
            current: by dataset, the images' labels (B, d), known or read.
            restored: the images to reconstruct.
        """
        judgement = self.judge(fake)
        adversarial = self._adversarial(judgement, edits)
        classification = self._classification_of(judgement, edits, current)
        reconstruction = self._reconstruction(images, fake, edits.backwards(current), restored)
        total = adversarial + self.loss.lambda_cls * classification + self.loss.lambda_rec * reconstruction
        return Losses(total, {"adv": adversarial, "cls": classification, "rec": reconstruction})

    def _adversarial(self, judgement: Judgement, edits: TrainingEdits) -> Tensor:
        total = judgement.logits.new_zeros(())
        for dataset, part in edits.parts.items():
            weights = label_weights(self.space.schema(dataset), part.result)
            if dataset == edits.own:
                judged = self._scores(judgement, dataset, weights * self._importance(part.named))
                total = total + self._sum_over_scales(judged)
            elif part.given.any():
                judged = [fits[part.given] for fits in self._fits(judgement, dataset, weights)]
                total = total + part.given.float().mean() * self._sum_over_scales(judged)
        return total

    def _sum_over_scales(self, scores: Sequence[Tensor]) -> Tensor:
        return torch.stack([self.loss.generator(patches) for patches in scores]).sum()

    def _importance(self, named: Tensor) -> Tensor:
        """Returns the weight of each label, (B, d): 1 if the edit asks for it."""
        return torch.where(named, 1.0, self.lambda_stay)

    def _classification_of(self, judgement: Judgement, edits: TrainingEdits, current: Mapping[str, Tensor]) -> Tensor:
        """Eq. 3 over the labels of all datasets: those that the edits ask for, and the others as they are."""
        total = judgement.logits.new_zeros(())
        for dataset, labels in current.items():
            wanted, weights = labels, torch.full_like(labels, self.lambda_stay)
            if dataset in edits.parts:
                part = edits.parts[dataset]
                wanted, weights = torch.where(part.named, part.result, labels), self._importance(part.named)
            losses, _ = label_losses(self.space.schema(dataset), judgement.logits[:, self.space.slice(dataset)], wanted)
            total = total + (losses * weights).sum(1).mean()
        return total

    def _reconstruction(self, images: Tensor, fake: Tensor, back: TrainingEdits, restored: Reconstructions) -> Tensor:
        """Eq. 4 for a share of the images, and for another share the same with x in the place of G(x, c)."""
        cycled, kept = restored.cycled.nonzero()[:, 0], restored.kept.nonzero()[:, 0]
        chosen = torch.cat([cycled, kept])
        if not len(chosen):
            return images.new_zeros(())
        again = self._edit(torch.cat([fake[cycled], images[kept]]), back.cut(chosen))
        errors = (again - images[chosen]).abs().flatten(1).mean(1)
        return errors.sum() / len(images) * restored.weight


def _weigh(loss: CriticLoss, neutral: CriticLoss, weight: float) -> CriticLoss:
    """Returns a loss whose part of the edited images has another weight.

    A loss is a sum over real and over edited images, but gives only the sum. Its difference to the loss of the same real images
    with scores of 0 in the place of the others is that of the edited images alone. The weights of all ranks have a mean of 1, so
    that the constant cancels.

    Args:
        loss: of real and edited images.
        neutral: of the same real images, and of scores of 0.
        weight: of the edited images.
    """
    terms = {name: torch.lerp(neutral.terms[name], term, weight) for name, term in loss.terms.items()}
    return CriticLoss(torch.lerp(neutral.total, loss.total, weight), terms)


def _refuse_penalty(loss: WeightedLoss) -> None:
    """Raises ConfigError if every update of the critic has a penalty: of images alone, without their labels."""
    if loss.penalty is not None:
        raise ConfigError(
            f"loss.name = '{loss.name}' penalises the discriminator's slope at every update, but the method 'joint' judges images "
            "together with their labels, and has a phase of its own for a penalty. Use 'r1' with a loss.interval of 2 or more, "
            "'vanilla' or 'lsgan'."
        )


@hookimpl
def register_methods(register: Callable[[type[Method]], None]) -> None:
    register(Joint)
