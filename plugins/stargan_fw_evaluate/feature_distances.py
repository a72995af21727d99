"""Distances in the features of a network that was trained elsewhere, as a package ships it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw.errors import ConfigError
from stargan_fw.interfaces import Embedding, LearnedEmbedding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stargan_fw.plugin_manager import PluginManager

TO_INPUT, TO_TRUTH, OF_INPUT = "feature_distance_to_input", "feature_distance", "feature_distance_of_input"


class FeatureDistances:
    """Compares pictures by the features of an embedding.

    The distance of two pictures is the mean over positions of 1 − the cosine of the angle between their features: 0 for equal
    directions, 1 for unrelated ones, at most 2.

    Args:
        embedding: the network, prepared.
    """

    def __init__(self, embedding: Embedding) -> None:
        self._embedding = embedding.eval()

    @classmethod
    def load(cls, name: str, plugins: PluginManager, image_size: int, device: torch.device) -> FeatureDistances:
        """Loads an embedding by its name.

        Raises:
            RequestError: there is no such embedding, the package that ships its weights is missing, or it ships none.
        """
        kind: type[Embedding] = plugins.index("embedding").get(name)
        if issubclass(kind, LearnedEmbedding):
            raise ConfigError(
                f"--embedding {name}: no package ships this network, it is learned while a method trains. Name one that is "
                "shipped, such as face (pip install 'stargan-fw[faces-embedding]')."
            )
        embedding = kind(image_size=image_size, label_dim=0)
        embedding.prepare()
        return cls(embedding.to(device))

    @torch.no_grad()
    def describe(self, images: Tensor) -> Tensor:
        """Returns a vector per image, (B, c): the mean of its features over positions. Images are (B, 3, H, W) in [-1, 1]."""
        return self._features(images).flatten(2).mean(2)

    @torch.no_grad()
    def compare(self, translated: Tensor, inputs: Tensor, pictures: Sequence[Tensor | None]) -> dict[str, Tensor]:
        """Measures translations.

        Args:
            translated: (B, 3, H, W) in [-1, 1].
            inputs: the images that were translated, of the same shape.
            pictures: the true picture (3, H, W) of each translation, None if it is unknown; empty if none is known.

        Returns:
            (B,) by metric: the distance from the translation to its input, to the true picture, and from the input to the true
            picture. NaN if there is no true picture, or if it is the input.
        """
        found, before = self._features(translated), self._features(inputs)
        unknown = torch.full((len(inputs),), torch.nan, device=inputs.device)
        values = {TO_INPUT: _distance(found, before), TO_TRUTH: unknown, OF_INPUT: unknown.clone()}
        known = [place for place, picture in enumerate(pictures) if picture is not None]
        if known:
            true = torch.stack([picture for picture in pictures if picture is not None]).to(inputs.device)
            wanted, same = self._features(true), (true == inputs[known]).flatten(1).all(1)
            for metric, features in ((TO_TRUTH, found), (OF_INPUT, before)):
                values[metric][known] = _distance(features[known], wanted).masked_fill(same, torch.nan)
        return values

    def _features(self, images: Tensor) -> Tensor:
        features: Tensor = self._embedding(images.float().clamp(-1, 1)).float()
        return features[:, :, None] if features.ndim == 2 else features


def _distance(one: Tensor, other: Tensor) -> Tensor:
    """Returns the distance of features (B, c, …) to others, (B,)."""
    return 1 - F.cosine_similarity(one, other, dim=1).flatten(1).mean(1)
