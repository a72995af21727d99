"""StarGAN trained for the labels of several datasets at once, and to leave alone what an edit does not ask for."""

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Annotated, ClassVar

import torch
from annotated_types import Interval
from pydantic import NonNegativeFloat
from torch import Tensor

from stargan_fw import Batch, Losses, Method, hookimpl
from stargan_fw.interfaces import ComponentBuilder, Scored
from stargan_fw_plugins.losses.classification import classification_loss, label_losses
from stargan_fw_plugins.methods.stargan import StarGAN
from stargan_fw_plugins.methods.training_edits import (
    EditSampler,
    TrainingEdits,
    known_rows,
    label_weights,
    soft_labels,
)
from stargan_fw_plugins.networks.projection_discriminator import Judgement, require_projection
from stargan_fw_registry import LabelSpace

Share = Annotated[float, Interval(ge=0, le=1)]


class Joint(StarGAN):
    """StarGAN with targets of several datasets, a discriminator that judges labels, and reconstructions that are cheap.

    For images x of a dataset A with labels c_A, an edit gives labels of A, of another dataset B, or of both. It asks for labels t;
    what it does not name stays as it is, or as the discriminator reads it. With s the score of the patches and u the scores of
    labels:

    - `L_adv` compares `s + w(c_A)ᵀ u_A`, a projection (Miyato and Koyama, 2018): D learns which labels fit with a real image, and
      only from images of the labels' own dataset. Otherwise it would learn to tell datasets apart, and G to translate one into
      the other. G is judged by `w(t_B)ᵀ u_B` as well.
    - `L_cls` is that of Eqs. 2 and 3, over the labels of all datasets. A label that the edit does not name weighs `lambda_stay`
      times as much. Its target is what the image has, or what D reads with its certainty.
    - `L_rec` is that of Eq. 4 for a share of the images (`cycle`), with the mask of the edit: the way back gives every label that
      the edit gave. For another share (`identity`), G(x, c) is compared with x itself.

    Args:
        across: the share of the edits that give labels of another dataset; half of these change the own labels, too.
        single: the share of the edits that change one attribute, as people do; the others take all labels of another image.
        cycle: the share of the images that are translated back.
        identity: the share of the images that are translated to what they are.
        lambda_stay: the weight of the labels that an edit does not name, beside 1 for those that it names.
    """

    name = "joint"
    components: ClassVar[Mapping[str, str]] = {"generator": "unet", "discriminator": "projection", "loss": "r1"}
    trained_across = True

    def __init__(
        self,
        space: LabelSpace,
        image_size: int,
        build: ComponentBuilder,
        *,
        across: Share = 0.5,
        single: Share = 0.5,
        cycle: Share = 0.25,
        identity: Share = 0.125,
        lambda_stay: NonNegativeFloat = 0.3,
    ) -> None:
        super().__init__(space, image_size, build)
        self.judge = require_projection(self.discriminator).judge
        self.sampler = EditSampler(space, across, single)
        self.cycle, self.identity, self.lambda_stay = cycle, identity, lambda_stay
        self._tables: dict[str, Tensor] = {}

    def batches(self, dataset: str, labels: Tensor) -> Sequence[Sequence[Tensor]]:
        self._tables[dataset] = known_rows(labels).float()
        return super().batches(dataset, labels)

    def losses(self, batch: Batch, due: Collection[str]) -> Iterator[tuple[str, Losses]]:
        edits = self.sampler.draw(batch, self._tables)
        slices = self._micro_batches(batch) if "g" in due else []
        with torch.set_grad_enabled(len(slices) == 1):
            fake = self._edit(batch.images, edits)
        count = len(batch.images)
        judgement = self.judge(torch.cat([batch.images, fake.detach().to(batch.images.dtype)]))
        real, drawn = judgement.cut(slice(count)), judgement.cut(slice(count, None))
        current = {batch.dataset: batch.labels} | {
            dataset: soft_labels(self.space.schema(dataset), real.logits[:, self.space.slice(dataset)].detach())
            for dataset in self.space.datasets
            if dataset != batch.dataset
        }
        yield "d", self._judge_losses(batch, fake.detach(), edits, real, drawn)
        del judgement, real, drawn
        if self.lazy and self.lazy.name in due:
            critic = lambda images: self._whole_score(images, batch.dataset, batch.labels)  # noqa: E731
            yield self.lazy.name, self.lazy.due_losses(critic, batch.images)
        if len(slices) == 1:
            yield "g", self._edit_losses(batch, fake, edits, current)
            return
        del fake
        for part in slices:
            piece, piece_edits = batch.cut(part), edits.cut(part)
            known = {dataset: labels[part] for dataset, labels in current.items()}
            losses = self._edit_losses(piece, self._edit(piece.images, piece_edits), piece_edits, known)
            yield "g", losses.share(len(piece.images) / count, last=part is slices[-1])

    def unify(self, dataset: str, labels: Tensor, mask: str | None = None) -> Tensor:
        """Returns c̃; labels whose mask bit is not set are 0, as in training."""
        unified = super().unify(dataset, labels, mask=mask)
        if mask not in {None, dataset}:
            unified[:, self.space.slice(dataset)] = 0
        return unified

    def _edit(self, images: Tensor, edits: TrainingEdits) -> Tensor:
        result: Tensor = self.generator(images, edits.unified())
        return result

    def _fits(self, judgement: Judgement, dataset: str, weights: Tensor) -> list[Tensor]:
        """Returns per scale `wᵀ u`, how well the patches fit with labels of one dataset: (B, patches)."""
        part = self.space.slice(dataset)
        return [torch.einsum("bk,bkp->bp", weights, scores[:, part]) for scores in judgement.label_scores]

    def _scores(self, judgement: Judgement, dataset: str, weights: Tensor) -> list[Tensor]:
        """Returns per scale `s + wᵀ u`, how real the patches look for these labels: (B, patches)."""
        fits = self._fits(judgement, dataset, weights)
        return [scores + fit for scores, fit in zip(judgement.scores, fits, strict=True)]

    def _whole_score(self, images: Tensor, dataset: str, labels: Tensor) -> Tensor:
        """Returns the sum over scales of the mean score of images' patches, (B, 1): what R1 keeps smooth."""
        weights = label_weights(self.space.schema(dataset), labels)
        means = [scores.mean(1, keepdim=True) for scores in self._scores(self.judge(images), dataset, weights)]
        return torch.stack(means).sum(0)

    def _judge_losses(
        self, batch: Batch, fake: Tensor, edits: TrainingEdits, real: Judgement, drawn: Judgement
    ) -> Losses:
        schema, own = self.space.schema(batch.dataset), self.space.slice(batch.dataset)
        wanted = label_weights(schema, edits.parts[batch.dataset].labels)
        pairs = zip(
            self._scores(real, batch.dataset, label_weights(schema, batch.labels)),
            self._scores(drawn, batch.dataset, wanted),
            strict=True,
        )
        parts = [
            self.loss.discriminator(Scored(batch.images, a), Scored(fake, b), self.discriminator.score_images)
            for a, b in pairs
        ]
        terms: dict[str, Tensor] = {}
        for name, term in itertools.chain.from_iterable(part.terms.items() for part in parts):
            terms[name] = terms[name] + term if name in terms else term
        classification = classification_loss(schema, real.logits[:, own], batch.labels)
        total = torch.stack([part.total for part in parts]).sum() + classification
        return Losses(total, {**terms, "cls": classification})

    def _edit_losses(self, batch: Batch, fake: Tensor, edits: TrainingEdits, current: Mapping[str, Tensor]) -> Losses:
        judgement = self.judge(fake)
        adversarial = self._adversarial(batch.dataset, judgement, edits)
        classification = self._classification_of(judgement, edits, current)
        reconstruction = self._reconstruction(batch.images, fake, edits.backwards(current))
        total = adversarial + self.loss.lambda_cls * classification + self.loss.lambda_rec * reconstruction
        return Losses(total, {"adv": adversarial, "cls": classification, "rec": reconstruction})

    def _adversarial(self, own: str, judgement: Judgement, edits: TrainingEdits) -> Tensor:
        total = judgement.logits.new_zeros(())
        for dataset, part in edits.parts.items():
            weights = label_weights(self.space.schema(dataset), part.labels)
            if dataset == own:
                weights = weights * torch.where(part.named, 1.0, self.lambda_stay)
                judged = self._scores(judgement, dataset, weights)
            elif part.given.any():
                judged = [fits[part.given] for fits in self._fits(judgement, dataset, weights)]
            else:
                continue
            share = 1.0 if dataset == own else part.given.float().mean()
            total = total + share * torch.stack([self.loss.generator(scores) for scores in judged]).sum()
        return total

    def _classification_of(self, judgement: Judgement, edits: TrainingEdits, current: Mapping[str, Tensor]) -> Tensor:
        """Eq. 3 over the labels of all datasets: those that the edits name, and the others as they are."""
        total = judgement.logits.new_zeros(())
        for dataset, labels in current.items():
            wanted, weights = labels, torch.full_like(labels, self.lambda_stay)
            if dataset in edits.parts:
                part = edits.parts[dataset]
                wanted = torch.where(part.named, part.labels, labels)
                weights = torch.where(part.named, 1.0, self.lambda_stay)
            schema, own = self.space.schema(dataset), self.space.slice(dataset)
            losses, _ = label_losses(schema, judgement.logits[:, own], wanted)
            total = total + (losses * weights).sum(1).mean()
        return total

    def _reconstruction(self, images: Tensor, fake: Tensor, back: TrainingEdits) -> Tensor:
        """Eq. 4 for the first images of the batch, and the same for the next ones with x in the place of G(x, c)."""
        cycled = round(self.cycle * len(images))
        last = min(len(images), cycled + round(self.identity * len(images)))
        if not last:
            return images.new_zeros(())
        shown = torch.cat([fake[:cycled], images[cycled:last]])
        return (self._edit(shown, back.cut(slice(last))) - images[:last]).abs().mean()


@hookimpl
def register_methods(register: Callable[[type[Method]], None]) -> None:
    register(Joint)
