"""A network that looks at small patches of an image, and takes the mean of what it sees."""

from torch import Tensor, nn

import zoo
from zoo.spec import Classes, Image, Spec


class Patches(nn.Module):
    def __init__(self, in_channels: int = 1, num_classes: int = 10, size: int = 4, width: int = 32) -> None:
        super().__init__()
        self.patches = nn.Sequential(nn.Conv2d(in_channels, width, size, stride=2), nn.ReLU())
        self.classifier = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) to (B, K)
        return self.classifier(self.patches(x).mean(dim=(2, 3)))


@zoo.register_model("patches", network=Patches)
def build(spec: Spec, *, size: int = 4, width: int = 32) -> Patches:
    if type(spec.input) is not Image or not isinstance(spec.output, Classes):
        raise zoo.SpecError(f"patches goes from image to classes, not {spec}")
    return Patches(spec.input.channels, len(spec.output.names), size, width)
