"""How like the truth a restored picture is: L1 distance, PSNR and SSIM, of each picture, where it counts.

SSIM: Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004, with the Gaussian
window of that paper (sigma 1.5, 11 x 11 pixels).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric
from torchmetrics.functional.image import structural_similarity_index_measure

SIGMA = 1.5
REACH = 5  # pixels of SSIM's window each way
LEAST_ERROR = 1e-10  # a perfect picture has 100 dB


class Quality(nn.Module):
    """Means over all pictures seen: `l1` over what counts of all of them, `psnr` (dB) and `ssim` a picture.

    Args:
        margin: pixels at each edge where SSIM is not counted; papers on whole pictures leave out `REACH`.
    """

    def __init__(self, margin: int = 0) -> None:
        super().__init__()
        self.margin = margin
        self.l1 = MeanMetric()
        self.psnr = MeanMetric()
        self.ssim = MeanMetric()

    def update(self, restored: Tensor, true: Tensor, region: Tensor) -> None:
        """Add pictures (B, C, H, W) in 0..1, of which what counts has 1 in `region` (B, 1, H, W) and the rest 0."""
        region = region.expand_as(true)
        counted = region.flatten(1).sum(dim=1)
        errors = (restored - true) * region
        squares = errors.square().flatten(1).sum(dim=1) / counted
        self.l1.update(errors.abs().flatten(1).sum(dim=1) / counted, weight=counted)
        self.psnr.update(-10 * squares.clamp(min=LEAST_ERROR).log10())
        inside = (..., *[slice(self.margin, -self.margin or None)] * 2)
        counted = region[inside].flatten(1).sum(dim=1)
        similar = ssim_map(restored, true)[inside] * region[inside]
        self.ssim.update(similar.flatten(1).sum(dim=1) / counted)

    def items(self) -> dict[str, MeanMetric]:
        return {"l1": self.l1, "psnr": self.psnr, "ssim": self.ssim}

    def compute(self) -> dict[str, float]:
        """The means as numbers; what was seen is then forgotten."""
        figures = {name: float(metric.compute()) for name, metric in self.items().items()}
        for metric in self.items().values():
            metric.reset()
        return figures


def ssim_map(restored: Tensor, true: Tensor) -> Tensor:
    """SSIM around each pixel of pictures (B, C, H, W) in 0..1, mirrored at the edges; of the same shape."""
    sigma = SIGMA if min(true.shape[-2:]) > REACH else SIGMA / 2  # the window must fit once mirrored
    result = structural_similarity_index_measure(
        restored, true, sigma=sigma, data_range=1.0, reduction="none", return_full_image=True
    )
    assert isinstance(result, tuple)
    return torch.as_tensor(result[1])
