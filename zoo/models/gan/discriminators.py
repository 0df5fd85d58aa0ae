"""Networks that tell real pictures from made ones.

One scores patches (Isola et al., "Image-to-image translation with conditional adversarial networks", 2017), the other
whole pictures, given what they should show by projection (Miyato and Koyama, "cGANs with projection discriminator",
2018). Both may be held to spectral norm one (Miyato et al., "Spectral normalization for generative adversarial
networks", 2018); without it they want the gradient penalty of the task.

Shape letters: B batch, C channels, H height, W width, F features.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class PatchDiscriminator(nn.Sequential):
    """Scores each patch of a picture: real above 0, painted below.

    Takes (B, in_channels, H, W), gives (B, 1, H / 2**depth, W / 2**depth).

    Args:
        in_channels: channels of what it sees (a picture, and whatever the generator was shown beside it).
        width: channels of its first layer, which double with each halving.
        depth: number of halvings, 1 to 8: with more of them a patch is larger.
        spectral: whether each layer is held to spectral norm one.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, in_channels: int, *, width: int = 32, depth: int = 2, spectral: bool = True) -> None:
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}")
        if not 1 <= depth <= 8:
            raise ValueError(f"depth must be from 1 to 8, got {depth}")
        layers: list[nn.Module] = [nn.Conv2d(in_channels, width, kernel_size=3, padding=1), nn.LeakyReLU(0.2)]
        for level in range(depth):
            fan_in, fan_out = width << level, width << (level + 1)
            layers += [nn.Conv2d(fan_in, fan_out, kernel_size=4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        layers.append(nn.Conv2d(width << depth, 1, kernel_size=3, padding=1))
        super().__init__(*(_normalised(layer) if spectral else layer for layer in layers))
        self.depth = depth

    def features(self, x: Tensor) -> Iterator[Tensor]:
        """What each layer but the last makes of (B, in_channels, H, W), after its activation: the first first."""
        for layer in list(self)[:-1]:
            x = layer(x)
            if isinstance(layer, nn.LeakyReLU):
                yield x


def _normalised(layer: nn.Module) -> nn.Module:
    return spectral_norm(layer) if isinstance(layer, nn.Conv2d) else layer
