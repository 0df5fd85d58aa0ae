"""The coefficient of determination, also where there is too little to tell."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import R2Score


class R2(R2Score):
    """The fraction of the variance that is explained; NaN of less than two examples, as a sanity check may see."""

    def compute(self) -> Tensor:
        return super().compute() if self.total > 1 else torch.full((), torch.nan, device=self.total.device)
