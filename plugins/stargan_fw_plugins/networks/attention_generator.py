"""A generator for small budgets: conditional instance norm (Dumoulin et al., 2017) and an attention mask."""

from collections.abc import Callable, Mapping

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw import Generator, hookimpl
from stargan_fw_plugins.networks.stargan_generator import check_quarters, exact_dtype

PATCH = 2  # side of a patch in pixels
MASK_BOUND = 5.0  # bound of the mask's logit: the mask stays between 0.7 % and 99.3 %


class Constant(nn.Module):
    """A linear layer without labels, that is, only a bias. (B, 0) in, (B, size) out."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, labels: Tensor) -> Tensor:
        return self.bias.expand(len(labels), -1)


class ConditionalNorm(nn.Module):
    """Instance norm with scale and shift that are linear in the label.

    (B, channels, h, w) and (B, label_dim) in, (B, channels, h, w) out.
    """

    def __init__(self, channels: int, label_dim: int) -> None:
        super().__init__()
        self.affine: nn.Linear | Constant = _linear(label_dim, 2 * channels) if label_dim else Constant(2 * channels)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        scale, shift = self._affine(labels).to(torch.promote_types(x.dtype, torch.float32)).chunk(2, dim=1)
        return self._normalise(x, 1 + scale, shift)

    def _normalise(self, maps: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """Returns instance norm times scale plus shift, each (B, channels)."""
        # ONNX has no group norm with weights per image. torch 2.11 says that it exports while it compiles, and what Inductor
        # makes of instance norm there is not to be trusted (pytorch#183601).
        if torch.compiler.is_exporting() and not torch.compiler.is_dynamo_compiling():
            return torch.addcmul(shift[:, :, None, None], F.instance_norm(maps), scale[:, :, None, None])
        # Group norm over one batch entry, with a group per image and channel: this is instance norm, and it applies a scale
        # and a shift per image in the same pass.
        flat = maps.flatten(0, 1)[None]
        return F.group_norm(flat, flat.shape[1], scale.flatten(), shift.flatten()).view_as(maps)

    def _affine(self, labels: Tensor) -> Tensor:
        """Returns scale and shift, (B, 2 * channels)."""
        if isinstance(self.affine, Constant):
            return self.affine(labels)  # type: ignore[no-any-return]
        exact = exact_dtype(labels.device)
        return F.linear(labels.to(exact), self.affine.weight.to(exact), self.affine.bias.to(exact))


class ConditionalBlock(nn.Module):
    """A residual block with conditional norms; (B, channels, h, w) and (B, label_dim) in, (B, channels, h, w) out."""

    def __init__(self, channels: int, label_dim: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = ConditionalNorm(channels, label_dim)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = ConditionalNorm(channels, label_dim)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        y = F.relu_(self.norm1(self.conv1(x), labels))
        residual: Tensor = self.norm2(self.conv2(y), labels)
        return x + residual


class NormedConvolution(nn.Module):
    """A convolution, a conditional norm, ReLU; (B, c, h, w) and (B, label_dim) in."""

    def __init__(self, convolution: nn.Conv2d | nn.ConvTranspose2d, label_dim: int) -> None:
        super().__init__()
        self.conv = convolution
        self.norm = ConditionalNorm(convolution.out_channels, label_dim)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        normed: Tensor = self.norm(self.conv(x), labels)
        return F.relu_(normed)


class AttentionGenerator(Generator):
    """The layout of the paper's generator, with three changes that make it learn several times faster on small budgets.

    The label scales and shifts every norm. Label planes, in contrast, only act through the padded border. The last
    convolution draws a colour and, as a fourth channel, how much of it to apply (the attention mask of Pumarola et al.,
    2018), so the network need not redraw what an edit keeps: `y = x + mask · (colour − x)`. Patches of 2×2 pixels are read
    and drawn as one (sub-pixel convolution, Shi et al., 2016), because layers at full size take more than half the time.

    Args:
        image_size: side in pixels, a multiple of 4 between 32 and 512.
        label_dim: dimension of c̃, mask included.
        conv_dim: half of the channels after the first convolution; the paper's d, which counts channels at full size.
        repeat_num: number of residual blocks.
    """

    name = "attention"
    size_multiple = 4

    def __init__(
        self, *, image_size: int, label_dim: int, conv_dim: PositiveInt = 64, repeat_num: PositiveInt = 6
    ) -> None:
        super().__init__()
        check_quarters(image_size)
        d = conv_dim
        layers: list[nn.Module] = [
            NormedConvolution(nn.Conv2d(3 * PATCH**2, 2 * d, 3, padding=1, bias=False), label_dim),
            NormedConvolution(nn.Conv2d(2 * d, 4 * d, 4, stride=2, padding=1, bias=False), label_dim),
            *(ConditionalBlock(4 * d, label_dim) for _ in range(repeat_num)),
            NormedConvolution(nn.ConvTranspose2d(4 * d, 2 * d, 4, stride=2, padding=1, bias=False), label_dim),
        ]
        self.layers = nn.ModuleList(layers)
        self.to_image = nn.Conv2d(2 * d, 4 * PATCH**2, 3, padding=1, bias=False)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        features = F.pixel_unshuffle(images, PATCH)
        for layer in self.layers:
            features = layer(features, labels)
        drawn = F.pixel_shuffle(self.to_image(features).to(images.dtype), PATCH)
        colour, mask = torch.split(drawn, [3, 1], dim=1)
        return torch.lerp(images, colour.tanh(), bounded_mask(mask))

    def label_axes(self) -> Mapping[str, tuple[int, int]]:
        return label_axes_of_norms(self)


def bounded_mask(logits: Tensor) -> Tensor:
    """Returns a mask between 0.7 % and 99.3 %, of the shape of its logits.

    The bound keeps gradients above Adam's epsilon: early on, the reconstruction loss closes the mask, and the classifier can open it
    only later. An unbounded sigmoid would saturate.
    """
    return (MASK_BOUND * (logits / MASK_BOUND).tanh()).sigmoid()


def label_axes_of_norms(network: nn.Module) -> Mapping[str, tuple[int, int]]:
    """Returns `label_axes` of a network whose labels meet its conditional norms alone."""
    norms = (name for name, module in network.named_modules() if isinstance(module, ConditionalNorm))
    return {f"{name}.affine.weight": (1, 0) for name in norms}


def _linear(label_dim: int, size: int) -> nn.Linear:
    linear = nn.Linear(label_dim, size)
    nn.init.normal_(linear.weight, std=0.1)
    nn.init.zeros_(linear.bias)
    return linear


@hookimpl
def register_generators(register: Callable[[type[Generator]], None]) -> None:
    register(AttentionGenerator)
