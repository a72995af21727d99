"""IcGAN (Perarnau et al., 2016): a conditional GAN and encoders that invert it."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from stargan_fw import Batch, Losses, Method, Phase, evaluating, hookimpl
from stargan_fw.interfaces import ComponentBuilder, Scored
from stargan_fw_plugins.losses.classification import classification_loss
from stargan_fw_plugins.networks.icgan_discriminator import IcGANDiscriminator
from stargan_fw_plugins.networks.icgan_encoder import IcGANEncoder
from stargan_fw_plugins.networks.icgan_generator import IcGANGenerator
from stargan_fw_registry import LabelSpace


class IcGAN(Method):
    """`x → G(E_z(x), c)`: an image is edited by changing c and keeping z.

    Training has two stages: first the conditional GAN, then the encoders. `E_z` trains on images that G draws from a
    known z, and `E_c` on the data. How much of the run is done decides the stage, so a continued run is in the right
    one. All phases of a stage run at every step, whatever `training.n_critic` is. The label is StarGAN's c̃ with its
    mask; there is no mask if there is one dataset.

    Args:
        gan_share: share of the run's steps that train the GAN; the others train the encoders.
        z_dim: dimension of z.
        conv_dim: channels of the GAN's layer next to the image; the encoders have half as many.
        hidden_dim: width of the linear layer of E_z; the one of E_c has an eighth.
        encoder_kernel: side of the encoders' kernels in pixels: 5 as published, or 4, which gives the 67.8 million
            parameters of StarGAN's Table 3 at 128 px.
    """

    name = "icgan"
    components: ClassVar[Mapping[str, str]] = {"loss": "vanilla"}
    phases = (
        Phase("d", ("discriminator",)),
        Phase("g", ("generator",)),
        Phase("z", ("encoder_z",)),
        Phase("c", ("encoder_c",)),
    )
    min_batch_size = 2
    min_batch_reason = "batch norms compare the images of a batch, and one image has no other"
    translating = ("generator", "encoder_z")
    reading = ("encoder_c",)

    def __init__(
        self,
        space: LabelSpace,
        image_size: int,
        build: ComponentBuilder,
        *,
        gan_share: Annotated[float, Field(gt=0, lt=1)] = 0.6,
        z_dim: PositiveInt = 100,
        conv_dim: Annotated[int, Field(ge=2)] = 64,
        hidden_dim: Annotated[int, Field(ge=8)] = 4096,
        encoder_kernel: Literal[4, 5] = 5,
    ) -> None:
        super().__init__(space, image_size, build)
        self.gan_share, self.z_dim = gan_share, z_dim
        self.loss = build.loss()
        self.penalty = self.loss.penalty
        self.generator = IcGANGenerator(image_size, space.dim, z_dim, conv_dim)
        self.discriminator = IcGANDiscriminator(image_size, space.dim, conv_dim)
        self.encoder_z = IcGANEncoder(image_size, z_dim, conv_dim // 2, hidden_dim, encoder_kernel)
        self.encoder_c = IcGANEncoder(image_size, space.label_dim, conv_dim // 2, hidden_dim // 8, encoder_kernel)
        self.networks: dict[str, nn.Module] = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "encoder_z": self.encoder_z,
            "encoder_c": self.encoder_c,
        }

    def losses(self, batch: Batch, due: Collection[str]) -> Iterator[tuple[str, Losses]]:
        labels = self.space.join(batch.dataset, batch.labels)
        z = batch.draw(torch.randn, self.z_dim)
        stage = self._gan_losses if batch.progress < self.gan_share else self._encoder_losses
        yield from stage(batch, z, labels, due)

    def _gan_losses(
        self, batch: Batch, z: Tensor, labels: Tensor, due: Collection[str]
    ) -> Iterator[tuple[str, Losses]]:
        def critic(images: Tensor) -> Tensor:
            scores: Tensor = self.discriminator(images, labels)
            return scores

        with torch.set_grad_enabled("g" in due):
            fake = self.generator(z, labels)
        if "d" in due:
            # Two batches: within one, batch norm would show D which images are generated.
            real, drawn = (Scored(images, critic(images)) for images in (batch.images, fake.detach()))
            adversarial_loss = self.loss.discriminator(real, drawn, critic)
            yield "d", Losses(adversarial_loss.total, adversarial_loss.terms)
        if "g" in due:
            adversarial = self.loss.generator(critic(fake))
            yield "g", Losses(adversarial, {"adv": adversarial})

    def _encoder_losses(
        self, batch: Batch, z: Tensor, labels: Tensor, due: Collection[str]
    ) -> Iterator[tuple[str, Losses]]:
        """`E_z` minimises `‖z − E_z(G(z, c))‖²`, and `E_c` the classification loss on the data."""
        if "z" in due:
            with torch.no_grad(), evaluating(self.generator):
                drawn = self.generator(z, labels)
            distance = (z - self.encoder_z(drawn).float()).square().mean()
            yield "z", Losses(distance, {"mse": distance})
        if "c" in due:
            logits = self.encoder_c(batch.images)[:, self.space.slice(batch.dataset)]
            classification = classification_loss(self.space.schema(batch.dataset), logits, batch.labels)
            yield "c", Losses(classification, {"cls": classification})

    @torch.no_grad()
    def translate(self, images: Tensor, dataset: str, target: Tensor, source: Tensor | None = None) -> Tensor:  # noqa: ARG002
        with evaluating(self.generator, self.encoder_z):
            result: Tensor = self.generator(self.encoder_z(images), self.space.join(dataset, target))
        return result

    @torch.no_grad()
    def read_labels(self, images: Tensor, dataset: str) -> Tensor:
        with evaluating(self.encoder_c):
            return self.space.decode(dataset, self.encoder_c(images))


@hookimpl
def register_methods(register: Callable[[type[Method]], None]) -> None:
    register(IcGAN)
