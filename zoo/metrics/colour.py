"""How close restored colours are to the true ones, and how colourful both are.

Hasler and Süsstrunk, "Measuring colorfulness in natural images", 2003.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import MeanMetric

from zoo.metrics.restoration import RestorationMetrics


class Colourfulness(MeanMetric):
    """The mean over images of their colourfulness: 0 is grey, 15 slightly colourful, 59 quite, 109 extremely.

    Args:
        true: whether that of the true images is meant.
    """

    def __init__(self, *, true: bool = False) -> None:
        super().__init__()
        self.true = true

    def update(self, restored: Tensor, true: Tensor, mask: Tensor) -> None:  # type: ignore[override]
        super().update(colourfulness(true if self.true else restored))


class ColourMetrics(RestorationMetrics):
    """`l1`, `psnr` and `ssim` as in `RestorationMetrics`, `colourfulness`, and `true_colourfulness`."""

    def __init__(self) -> None:
        super().__init__()
        self.add_metrics({"colourfulness": Colourfulness(), "true_colourfulness": Colourfulness(true=True)})


def colourfulness(images: Tensor) -> Tensor:
    """The colourfulness of each image (B,), from red, green and blue in 0..1 (B, 3, H, W)."""
    red, green, blue = (255 * images).flatten(2).unbind(dim=1)  # B, H W
    opponents = torch.stack([red - green, (red + green) / 2 - blue], dim=1)
    spread = opponents.var(dim=2, correction=0).sum(dim=1).sqrt()
    return spread + 0.3 * opponents.mean(dim=2).square().sum(dim=1).sqrt()
