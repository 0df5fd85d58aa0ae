"""A convolutional network for small colour photographs, which learns within few epochs.

Jordan, "94 % on CIFAR-10 in 3.29 seconds on a single GPU", 2024 (airbench), after Page, "How to train your ResNet",
2018: a first layer that whitens patches, and convolutions that start as the identity (Zagoruyko and Komodakis,
"DiracNets", 2017). Where we deviate: the first batch of a training gives the patches, and what batch normalisation
adds learns 16 times as fast as the rest, not 64 times.

Shape letters: B batch, C channels, H height, W width, F features, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo import check
from zoo.errors import SpecError
from zoo.models.convolution import to_channels_last
from zoo.spec import Image

WIDTHS = (64, 256, 256)
WHITENED = 1024  # images of a batch, by which patches are whitened
PATCH_NOISE = 5e-4  # added to the variance of each component of a patch, of which the last hold little but noise
FEATURE_SCALE = 1 / 9  # of the largest activations, which would make the first logits too certain
SHIFT_SCALE = 4  # of what a normalisation adds: gradient and step grow by it, and it learns 16 times as fast
STATISTICS_MOMENTUM = 0.4  # a run is a few hundred steps, and its last ones count


class PhotoCNN(nn.Module):
    """Small colour photographs to classes: a layer that whitens patches, stages of two convolutions, and a linear one.

    The first batch in training mode sets the whitening filters, which are not learned. In evaluation the logits are the
    mean of those of an image and its mirror image, each as it is and moved by a pixel up and left, and down and right.

    Args:
        in_channels: channels of the image.
        num_classes: K, the number of logits, or of values; with 0 there is no classifier, and the network gives the
            features.
        widths: channels of each stage, each of which halves height and width.
        dropout: probability of zeroing a feature before the classifier, 0 <= dropout < 1.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 10,
        *,
        widths: Sequence[int] = WIDTHS,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check.whole("in_channels", in_channels)
        check.whole("num_classes", num_classes, 0)
        check.widths(widths, 1, 16)
        check.fraction("dropout", dropout, one=False)
        self.num_features = widths[-1]
        self.num_stages = len(widths)
        self.whitening = Whitening(in_channels)
        fans_in = [self.whitening.num_filters, *widths]
        self.stages = nn.Sequential(*(PooledStage(fan_in, width) for fan_in, width in zip(fans_in, widths)))
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()
        to_channels_last(self)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (B, C, H, W) to logits or values (B, K), or features without a classifier."""
        if self.training:
            return self._logits(x)
        padded = functional.pad(x, (1, 1, 1, 1), mode="reflect")
        views = [x, padded[:, :, :-2, :-2], padded[:, :, 2:, 2:]]
        return torch.stack([self._logits(view) + self._logits(view.flip(3)) for view in views]).mean(dim=0) / 2

    def _logits(self, x: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.forward_features(x) * FEATURE_SCALE))

    def forward_features(self, x: Tensor) -> Tensor:
        """Normalised images (B, C, H, W) to the features (B, F) that the classifier sees."""
        return self.forward_stages(x)[-1].amax(dim=(2, 3))

    def forward_stages(self, x: Tensor) -> list[Tensor]:
        """The feature map (B, width, (H - 1) / 2**(stage + 1), …) of each stage, from the first on."""
        x = self.whitening(x.contiguous(memory_format=torch.channels_last))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def remove_head(self) -> None:
        """Leave the classifier out, as `num_classes=0` does: the network then gives the features."""
        self.classifier = nn.Identity()


class Whitening(nn.Module):
    """Patches of 2 x 2 pixels in their principal components, each of variance 1 and of either sign, and GELU.

    (B, C, H, W) to (B, 8 C, H - 1, W - 1). The components are those of the first batch in training mode.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        size = in_channels * 4
        self.num_filters = 2 * size
        self.filters: Tensor
        self.fitted: Tensor
        self.register_buffer("filters", torch.cat([torch.eye(size), -torch.eye(size)]).view(-1, in_channels, 2, 2))
        self.register_buffer("fitted", torch.tensor(False))
        self.bias = nn.Parameter(torch.zeros(self.num_filters))
        self._is_fitted = False  # as `fitted` says, which is on the device, and read once

    def forward(self, x: Tensor) -> Tensor:
        if self.training and not self._is_fitted:
            if not self.fitted:
                self.fit(x)
            self._is_fitted = True
        return functional.gelu(functional.conv2d(x, self.filters, self.bias))

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Set the filters by the patches of images (B, C, H, W)."""
        with torch.autocast(x.device.type, enabled=False):  # small components would drown
            patches = functional.unfold(x[:WHITENED].float(), 2).transpose(1, 2).flatten(0, 1)  # B (H - 1) (W - 1), 4 C
            moments = patches.T @ patches / len(patches)
        variances, components = torch.linalg.eigh(moments.double().cpu())
        filters = (components / (variances + PATCH_NOISE).sqrt()).T.to(self.filters).view(-1, *self.filters.shape[1:])
        self.filters.copy_(torch.cat([filters, -filters]))
        self.fitted.fill_(True)


class PooledStage(nn.Module):
    """Two 3 x 3 convolutions that start as the identity, the first pooled: (B, C, H, W) to (B, width, H / 2, W / 2)."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.first, self.first_norm = _identity(in_channels, width), ShiftNorm(width)
        self.second, self.second_norm = _identity(width, width), ShiftNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.gelu(self.first_norm(functional.max_pool2d(self.first(x), 2)))
        return functional.gelu(self.second_norm(self.second(x)))


def _identity(in_channels: int, width: int) -> nn.Conv2d:
    """A 3 x 3 convolution whose first filters pass the input on, as far as there are enough."""
    convolution = nn.Conv2d(in_channels, width, kernel_size=3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(convolution.weight[:in_channels])
    return convolution


class ShiftNorm(nn.BatchNorm2d):
    """Batch normalisation that learns where each channel lies, fast, and not its scale: x to z(x) + 4 bias.

    Its statistics follow within steps.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width, momentum=STATISTICS_MOMENTUM)
        self.weight.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            SHIFT_SCALE * self.bias,
            self.training,
            STATISTICS_MOMENTUM,
            self.eps,
        )


def check_size(image: Image, widths: Sequence[int]) -> None:
    """See that images are large enough for so many stages.

    Raises:
        SpecError: they are not.
    """
    least = 2 ** len(widths) + 1
    if min(image.size) < least:
        raise SpecError(f"photo=true with {len(widths)} stages takes images of at least {least} pixels, not {image}")
