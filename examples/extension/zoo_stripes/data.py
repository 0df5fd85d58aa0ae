"""Drawings of stripes, which lie or stand. They are synthetic."""

import torch

from zoo.data import DataModule, Examples
from zoo.spec import Classes, Image, Spec


class Stripes(DataModule):
    def __init__(self, count: int = 200, side: int = 12, batch_size: int = 32) -> None:
        super().__init__(batch_size)
        self.count, self.side = count, side

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        draw = torch.Generator().manual_seed(0)
        labels = torch.arange(self.count) % 2
        phases = torch.randint(4, (self.count, 1, 1), generator=draw)
        lying = ((torch.arange(self.side)[:, None] + phases) % 4 < 2).expand(-1, self.side, self.side)
        images = torch.where(labels[:, None, None] == 0, lying, lying.mT) * 200
        images = (images + torch.randint(56, images.shape, generator=draw)).to(torch.uint8)[:, None]  # N, 1, H, W
        rows = torch.randperm(self.count, generator=draw).tensor_split([self.count // 2, 3 * self.count // 4])
        splits = {name: Examples(images[part], labels[part]) for name, part in zip(("train", "val", "test"), rows)}
        return Spec(Image(1, self.side, self.side, (0.4,), (0.4,)), Classes(("lying", "standing"))), splits
