"""Images of earlier steps, so that a discriminator does not forget them (Shrivastava et al., 2017)."""

import torch
from torch import Tensor, nn


class ImagePool(nn.Module):
    """Mixes generated images with older ones; its buffers are part of the checkpoint.

    Args:
        size: images it holds; 0 gives back what comes in.
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
        """Returns (B, 3, H, W): each image itself, or, once the pool is full and with even odds, one that it replaces."""
        return torch.cat([self._exchange(image) for image in torch.split(images.float(), 1)]) if self.size else images

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
