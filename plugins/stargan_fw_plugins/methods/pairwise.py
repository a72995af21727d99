"""The base class of methods with one generator per direction between two domains."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from stargan_fw import Discriminator, Method
from stargan_fw.interfaces import ComponentBuilder
from stargan_fw.interfaces.loss import Critic
from stargan_fw_plugins.methods.domain_pairs import Arrow, DomainPairs
from stargan_fw_registry import LabelSpace


class Pairwise(Method):
    """Holds one generator and one discriminator per arrow, and translates along arrows.

    Attributes:
        arrows: dataset → its arrows, one per kind of batch, or two if a kind trains both ways.
        generators: by `Arrow.key`.
        discriminators: by `Arrow.key`; each judges images of the arrow's target domain.
    """

    min_batch_size = 2
    min_batch_reason = "each domain of a pair makes up half of a batch"

    def __init__(
        self,
        space: LabelSpace,
        image_size: int,
        build: ComponentBuilder,
        domains: DomainPairs,
        arrows: Mapping[str, Sequence[Arrow]],
    ) -> None:
        super().__init__(space, image_size, build)
        self.domains, self.arrows = domains, arrows
        self._known = {arrow for of_dataset in arrows.values() for arrow in of_dataset}
        keys = [arrow.key for of_dataset in arrows.values() for arrow in of_dataset]
        self.generators = nn.ModuleDict({key: build.generator(image_size=image_size, label_dim=0) for key in keys})
        self.discriminators = nn.ModuleDict(
            {key: build.discriminator(image_size=image_size, label_dim=0) for key in keys}
        )
        self.networks = {"generator": self.generators, "discriminator": self.discriminators}

    def suits_sheet(self, dataset: str, labels: Tensor) -> Tensor:
        return self.domains.has_source(dataset, labels)

    def critic(self, arrow: Arrow) -> Critic:
        """Returns the function that scores images of the arrow's target domain."""
        return cast("Discriminator", self.discriminators[arrow.key]).score_images

    def generate(self, arrow: Arrow, images: Tensor) -> Tensor:
        """Translates (B, 3, H, W) along an arrow."""
        result: Tensor = self.generators[arrow.key](images, images.new_empty(len(images), 0))
        return result

    @torch.no_grad()
    def translate(self, images: Tensor, dataset: str, target: Tensor, source: Tensor | None = None) -> Tensor:
        result = images.clone()
        for chosen, arrow in self.domains.routes(dataset, target, source, self._known):
            result[chosen] = self.generate(arrow, result[chosen]).to(result.dtype)
        return result

    def read_labels(self, images: Tensor, dataset: str) -> Tensor:
        """Returns the configured source's labels, unknown for attributes without a source: there is no classifier."""
        return self.domains.source_labels(dataset).to(images.device).repeat(len(images), 1)
