"""Distance of restored images from the true ones: L1, PSNR and SSIM, each counted where a mask has 1.

SSIM: Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004, with the Gaussian
window of that paper (sigma 1.5, 11 x 11 pixels).

Shape letters: B batch, C channels, H height, W width. Images are floats in 0..1, (B, C, H, W); masks are 1.0 or 0.0,
(B, 1, H, W).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.functional.image import structural_similarity_index_measure

SIGMA = 1.5
REACH = 5  # pixels of SSIM's window each way
MIN_SQUARED_ERROR = 1e-10  # a perfect image has 100 dB


class RestorationMetrics(MetricCollection):
    """`l1`, `psnr` and `ssim` of restored images.

    Args:
        margin: pixels at each edge where SSIM is not counted; papers on whole images leave out `REACH`.
    """

    def __init__(self, margin: int = 0) -> None:
        super().__init__({"l1": MaskedL1(), "psnr": MaskedPSNR(), "ssim": MaskedSSIM(margin)}, compute_groups=False)


class MaskedL1(MeanMetric):
    """The mean absolute error of all pixels that count."""

    def update(self, restored: Tensor, true: Tensor, mask: Tensor) -> None:  # type: ignore[override]
        mask = mask.expand_as(true)
        counted = mask.flatten(1).sum(dim=1)
        errors = (restored - true) * mask
        super().update(errors.abs().flatten(1).sum(dim=1) / counted, weight=counted)


class MaskedPSNR(MeanMetric):
    """The mean over images of the peak signal-to-noise ratio (dB)."""

    def update(self, restored: Tensor, true: Tensor, mask: Tensor) -> None:  # type: ignore[override]
        mask = mask.expand_as(true)
        errors = (restored - true) * mask
        squares = errors.square().flatten(1).sum(dim=1) / mask.flatten(1).sum(dim=1)
        super().update(-10 * squares.clamp(min=MIN_SQUARED_ERROR).log10())


class MaskedSSIM(MeanMetric):
    """The mean over images of the structural similarity.

    Args:
        margin: pixels at each edge where it is not counted.
    """

    def __init__(self, margin: int = 0) -> None:
        super().__init__()
        self.margin = margin

    def update(self, restored: Tensor, true: Tensor, mask: Tensor) -> None:  # type: ignore[override]
        inside = (..., *[slice(self.margin, -self.margin or None)] * 2)
        counted = mask.expand_as(true)[inside]
        similarity = ssim_map(restored, true)[inside] * counted
        super().update(similarity.flatten(1).sum(dim=1) / counted.flatten(1).sum(dim=1))


def ssim_map(restored: Tensor, true: Tensor) -> Tensor:
    """SSIM around each pixel, mirrored at the edges; of the images' shape."""
    sigma = SIGMA if min(true.shape[-2:]) > REACH else SIGMA / 2  # the window must fit once mirrored
    result = structural_similarity_index_measure(
        restored, true, sigma=sigma, data_range=1.0, reduction="none", return_full_image=True
    )
    assert isinstance(result, tuple)
    return torch.as_tensor(result[1])
