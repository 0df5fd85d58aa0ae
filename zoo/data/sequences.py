"""Sequences made from a seed: videos of real digits that move, and two tests of long memory.

Shape letters: N sequences, T steps, F numbers, H = W = 16 pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.data.core.loader import Examples, Ragged, TensorDataModule
from zoo.data.core.splits import check_sizes, seed_of
from zoo.data.images import Digits
from zoo.spec import Labels, Series, Spec, Values, Video

SIDE, DIGIT = 16, 8  # pixels of a video's picture, and of a digit in it
SHORTEST, LONGEST = 12, 30  # pictures in a video
NOTHING = 10  # the label of a picture without a digit
SYMBOLS, COPIED = 8, 10  # of the copy problem: how many there are, and how many of them are to be remembered


class MovingDigits(TensorDataModule):
    """Videos of 12 to 30 pictures, 16 x 16: real handwritten digits move, bounce, vanish, and others appear.

    A label a picture: the digit that is there, or `nothing`. The digits are scikit-learn's, split as `Digits` does, so
    that no handwriting is in two splits; their paths are generated. Each picture is noisy, and a bar hides a part of
    it, so that one picture alone often does not tell.

    Args:
        train_size, val_size, test_size: videos of each split.
        batch_size: videos a step.
        data_seed: the seed of the paths.

    Raises:
        ValueError: a size is below 1, or the seed out of range.
    """

    def __init__(
        self,
        train_size: int = 4_000,
        val_size: int = 300,
        test_size: int = 300,
        batch_size: int = 32,
        data_seed: int = 0,
    ) -> None:
        super().__init__(batch_size)
        self.sizes = check_sizes(train_size, val_size, test_size)
        self.data_seed = seed_of("data_seed", data_seed)

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        random = torch.Generator().manual_seed(self.data_seed)
        splits = {}
        for split, source in Digits().load()[1].items():
            images, digits = source.tensors
            assert isinstance(images, Tensor) and isinstance(digits, Tensor)  # noqa: PT018
            lengths = torch.randint(SHORTEST, LONGEST + 1, (self.sizes[split],), generator=random)
            pictures, labels = _film(images[:, 0], digits, lengths, random)
            splits[split] = Examples(Ragged(pictures, lengths), Ragged(labels, lengths))
        pixels = splits["train"].tensors[0].values.float() / 255  # type: ignore[union-attr]
        names = (*(str(digit) for digit in range(10)), "nothing")
        return Spec(Video(1, SIDE, SIDE, (pixels.mean().item(),), (pixels.std().item(),)), Labels(names)), splits


class Adding(TensorDataModule):
    """The adding problem: of a long row of numbers two are marked; what is their sum? Generated.

    Source: Hochreiter and Schmidhuber, "Long short-term memory", 1997, experiment 4. Numbers lie in 0..1; one is marked
    in the first half of the row and one in the second. Always answering 1 has a mean squared error of 1/6.

    Args:
        length: T, from 2 on.
        train_size, val_size, test_size: rows of each split.
        batch_size: rows a step.
        data_seed: the seed of the rows.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        length: int = 100,
        train_size: int = 10_000,
        val_size: int = 1_000,
        test_size: int = 1_000,
        batch_size: int = 50,
        data_seed: int = 0,
    ) -> None:
        super().__init__(batch_size)
        if type(length) is not int or length < 2:
            raise ValueError(f"length must be a whole number of at least 2, got {length}")
        self.length = length
        self.sizes = check_sizes(train_size, val_size, test_size)
        self.data_seed = seed_of("data_seed", data_seed)

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        random = torch.Generator().manual_seed(self.data_seed)
        half = self.length // 2
        output = Values(("sum",), (1.0,), ((1 / 6) ** 0.5,))
        splits = {}
        for split, size in self.sizes.items():
            values = torch.rand(size, self.length, generator=random)
            first = torch.randint(0, half, (size, 1), generator=random)
            second = torch.randint(half, self.length, (size, 1), generator=random)
            markers = torch.zeros_like(values).scatter_(1, first, 1.0).scatter_(1, second, 1.0)
            sums = (values * markers).sum(dim=1, keepdim=True)
            splits[split] = Examples(torch.stack([values, markers], dim=2), output.standardise(sums.double()))
        # The law is known, so its mean and standard deviation are those of the numbers, not of a sample
        return Spec(Series(("value", "marker"), (0.5, 0.0), ((1 / 12) ** 0.5, 1.0)), output), splits


class Copying(TensorDataModule):
    """The copy problem: ten symbols, a long silence, and then they are asked for in order. Generated.

    Source: after Hochreiter and Schmidhuber, "Long short-term memory", 1997; in this form Arjovsky, Shah, Bengio, 2016.
    Each row has 20 + `silence` steps; its labels are `silence` until the last ten, which are the symbols.

    Args:
        silence: steps between the last symbol and the question, from 1 on.
        train_size, val_size, test_size: rows of each split.
        batch_size: rows a step.
        data_seed: the seed of the rows.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        silence: int = 30,
        train_size: int = 10_000,
        val_size: int = 500,
        test_size: int = 500,
        batch_size: int = 50,
        data_seed: int = 0,
    ) -> None:
        super().__init__(batch_size)
        if type(silence) is not int or silence < 1:
            raise ValueError(f"silence must be a whole number of at least 1, got {silence}")
        self.silence = silence
        self.sizes = check_sizes(train_size, val_size, test_size)
        self.data_seed = seed_of("data_seed", data_seed)

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        random = torch.Generator().manual_seed(self.data_seed)
        quiet, question = SYMBOLS, SYMBOLS + 1
        splits = {}
        for split, size in self.sizes.items():
            symbols = torch.randint(0, SYMBOLS, (size, COPIED), generator=random)
            steps = torch.full((size, 2 * COPIED + self.silence), quiet)
            labels = steps.clone()
            steps[:, :COPIED] = symbols
            steps[:, COPIED + self.silence - 1] = question
            labels[:, -COPIED:] = symbols
            hot = torch.nn.functional.one_hot(steps, SYMBOLS + 2).float()  # N, T, F
            splits[split] = Examples(hot, labels)
        names = "abcdefgh"[:SYMBOLS]
        series = Series((*names, "silence", "question"), (0.0,) * (SYMBOLS + 2), (1.0,) * (SYMBOLS + 2))
        return Spec(series, Labels((*names, "silence"))), splits


def _film(images: Tensor, digits: Tensor, lengths: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Film digits: all pictures of all videos, uint8 (sum of T, 1, H, W), and their labels."""
    chosen, places = _paths(len(images), len(lengths), random)
    filmed = torch.arange(LONGEST) < lengths[:, None]  # N, T
    chosen, places = chosen[filmed], places[filmed].round().long()  # of M pictures
    axis = torch.arange(SIDE)
    rows, columns = axis - places[:, :1], axis - places[:, 1:]  # M, H and M, W: where in the digit
    inside = ((rows >= 0) & (rows < DIGIT))[:, :, None] & ((columns >= 0) & (columns < DIGIT))[:, None, :]
    rows, columns = rows.clamp(0, DIGIT - 1)[:, :, None], columns.clamp(0, DIGIT - 1)[:, None, :]
    pictures = images[chosen[:, None, None], rows, columns].float() * (inside & (chosen >= 0)[:, None, None])
    bar = torch.randint(0, SIDE, (len(chosen), 1), generator=random)
    hidden = (axis >= bar) & (axis < bar + 3)  # M, W
    pictures = pictures.masked_fill(hidden[:, None, :], 128) + 30 * torch.randn(pictures.shape, generator=random)
    labels = torch.where(chosen < 0, NOTHING, digits[chosen])
    return pictures.round().clamp(0, 255).to(torch.uint8)[:, None], labels


def _paths(images: int, count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Which image each picture of `count` videos shows, -1 for none (N, T), and where (N, T, 2)."""
    chosen = torch.full((count,), -1)
    left = torch.randint(0, 4, (count,), generator=random)  # pictures until something appears or vanishes
    place, speed = torch.zeros(count, 2), torch.zeros(count, 2)
    shown, places = [], []
    for _ in range(LONGEST):
        changes = left == 0
        appears = changes & (chosen < 0)
        fresh = torch.randint(0, images, (count,), generator=random)
        stays = torch.randint(4, 11, (count,), generator=random)
        pauses = torch.randint(1, 4, (count,), generator=random)
        left = torch.where(appears, stays, torch.where(changes, pauses, left)) - 1
        chosen = torch.where(appears, fresh, torch.where(changes, -1, chosen))
        place = torch.where(appears[:, None], torch.rand(count, 2, generator=random) * (SIDE - DIGIT), place + speed)
        speed = torch.where(appears[:, None], torch.randn(count, 2, generator=random) * 1.2, speed)
        speed = torch.where((place < 0) | (place > SIDE - DIGIT), -speed, speed)
        place = place.clamp(0, SIDE - DIGIT)
        shown.append(chosen)
        places.append(place)
    return torch.stack(shown, dim=1), torch.stack(places, dim=1)
