"""Networks that tell real images from generated ones.

One scores patches (Isola et al., "Image-to-image translation with conditional adversarial networks", 2017), the other
whole images, and takes a condition by projection (Miyato and Koyama, "cGANs with projection discriminator", 2018).
Both may be constrained to spectral norm one (Miyato et al., "Spectral normalization for generative adversarial
networks", 2018); without it they need the gradient penalty of the task.

Shape letters: B batch, C channels, H height, W width, F features.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import Tensor, nn
from torch.nn.utils import parametrizations

from zoo import check


class PatchDiscriminator(nn.Sequential):
    """Scores each patch of an image: real above 0, generated below.

    Takes (B, in_channels, H, W), gives (B, 1, H / 2**depth, W / 2**depth).

    Args:
        in_channels: channels of the image and of the condition beside it.
        width: channels of its first layer, which double with each halving.
        depth: number of halvings, 1 to 8: with more of them a patch is larger.
        spectral_norm: whether each layer is constrained to spectral norm one.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, in_channels: int, *, width: int = 32, depth: int = 2, spectral_norm: bool = True) -> None:
        check.whole("width", width)
        check.whole("depth", depth, 1, 8)
        layers = halving_convolutions(in_channels, width, depth)
        layers.append(nn.Conv2d(width << depth, 1, kernel_size=3, padding=1))
        if spectral_norm:
            constrain(layers)
        super().__init__(*layers)
        self.depth = depth

    def features(self, x: Tensor) -> Iterator[Tensor]:
        """The activations of each layer but the last for (B, in_channels, H, W), from the first on."""
        for layer in list(self)[:-1]:
            x = layer(x)
            if isinstance(layer, nn.LeakyReLU):
                yield x


def halving_convolutions(in_channels: int, width: int, depth: int) -> list[nn.Module]:
    """A convolution at full size and `depth` that halve it, each with an activation: to `width << depth` channels."""
    layers: list[nn.Module] = [nn.Conv2d(in_channels, width, kernel_size=3, padding=1), nn.LeakyReLU(0.2)]
    for level in range(depth):
        fan_in, fan_out = width << level, width << (level + 1)
        layers += [nn.Conv2d(fan_in, fan_out, kernel_size=4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    return layers


def constrain(layers: Iterable[nn.Module]) -> None:
    """Hold the convolutions and linear layers among these to spectral norm one."""
    for layer in layers:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            parametrizations.spectral_norm(layer)
