"""Classification that learns from the hardest examples of each batch."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

from zoo.spec import Spec
from zoo.tasks import Classification, TrainingOptions


class HardClassification(Classification):
    def __init__(
        self, spec: Spec, build: Callable[[Spec], nn.Module], optimizer: TrainingOptions, *, share: float = 0.5
    ) -> None:
        super().__init__(spec, build, optimizer)
        self.share = share  # of the examples of a batch

    def training_loss(self, outputs: Tensor, targets: Tensor, criterion: nn.Module | None = None) -> Tensor:
        if criterion is not None:  # for each example by itself, which then counts by its weight
            return super().training_loss(outputs, targets, criterion)
        losses = functional.cross_entropy(outputs, targets, reduction="none")  # (B,)
        return losses.topk(max(1, round(self.share * len(losses)))).values.mean()
