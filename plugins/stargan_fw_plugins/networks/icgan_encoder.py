"""IcGAN's encoders `E_z(x)` and `E_c(x)` (Perarnau et al., 2016, Table 2)."""

from itertools import pairwise

from torch import Tensor, nn

from stargan_fw_plugins.networks.icgan_generator import halvings


class IcGANEncoder(nn.Module):
    """Strided convolutions with batch norm and two linear layers.

    With 64 px and conv_dim = 32 the widths are 32, 64, 128, 256, as published. Each doubling of the image size adds a
    wider layer at the end.

    (B, 3, H, W) in, (B, out_dim) out, unbounded.

    Args:
        image_size: side in pixels.
        out_dim: dimension of z, or the number of labels.
        conv_dim: channels after the first convolution.
        hidden_dim: width of the first linear layer: 4096 for E_z, 512 for E_c.
        kernel_size: kernel side of the convolutions, 5 (as published) or 4.
    """

    def __init__(self, image_size: int, out_dim: int, conv_dim: int, hidden_dim: int, kernel_size: int) -> None:
        super().__init__()
        depth = halvings(image_size)
        side = image_size // 2**depth
        widths = [3, *(conv_dim * 2**i for i in range(depth))]
        self.main = nn.Sequential()
        for before, after in pairwise(widths):
            self.main.append(
                nn.Conv2d(before, after, kernel_size, stride=2, padding=(kernel_size - 1) // 2, bias=False)
            )
            self.main.append(nn.BatchNorm2d(after))
            self.main.append(nn.ReLU(inplace=True))
        self.main.append(nn.Flatten())
        self.main.append(nn.Linear(widths[-1] * side**2, hidden_dim, bias=False))
        self.main.append(nn.BatchNorm1d(hidden_dim))
        self.main.append(nn.ReLU(inplace=True))
        self.main.append(nn.Linear(hidden_dim, out_dim))

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = self.main(images)
        return result
