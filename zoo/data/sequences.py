"""Generated sequences: videos of real digits that move, and two tests of long-term memory.

Shape letters: N sequences, T steps, F numbers, H = W = 16 pixels.
"""

from __future__ import annotations

import string
from collections.abc import Sequence

import torch
from torch import Tensor

from zoo import check
from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples, Ragged
from zoo.data.core.splits import split_sizes
from zoo.data.images import Digits
from zoo.spec import Labels, Series, Spec, Values, Video

SIDE, DIGIT = 16, 8  # pixels, of a video's frame and of a digit in it
MIN_FRAMES, MAX_FRAMES = 12, 30  # of a video
NOTHING = 10  # label of a frame without a digit
NAMES = (*string.digits, "nothing")
SYMBOLS, COPIED = 8, 10  # in the copy problem: different symbols, and symbols to remember


class MovingDigits(DataModule):
    """Videos of 12 to 30 frames of 16 x 16 pixels: real handwritten digits move, bounce and vanish, and others appear.

    Each frame has a label: the digit in it, or `nothing`. The digits are scikit-learn's, split as in `Digits`, so that
    no image of a digit is in two splits; their paths are generated. Each frame is noisy and partly hidden by a bar, so
    that one frame alone is often not enough.

    Args:
        train_size, val_size, test_size: videos in each split.
        batch_size: videos a batch.
        data_seed: seed of the paths.

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
        self.sizes = split_sizes(train_size, val_size, test_size)
        self.data_seed = check.seed("data_seed", data_seed)

    def expected_specs(self) -> Sequence[Spec]:
        return [Spec(Video(1, SIDE, SIDE, (0.5,), (0.5,)), Labels(NAMES))]

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        random = torch.Generator().manual_seed(self.data_seed)
        splits = {}
        for split, source in Digits().load()[1].items():
            images, digits = source.columns
            assert isinstance(images, Tensor) and isinstance(digits, Tensor)  # noqa: PT018
            lengths = torch.randint(MIN_FRAMES, MAX_FRAMES + 1, (self.sizes[split],), generator=random)
            frames, labels = _frames(images[:, 0], digits, lengths, random)
            splits[split] = Examples(Ragged(frames, lengths), Ragged(labels, lengths))
        pixels = splits["train"].columns[0].values.float() / 255  # type: ignore[union-attr]
        return Spec(Video(1, SIDE, SIDE, (pixels.mean().item(),), (pixels.std().item(),)), Labels(NAMES)), splits


class Adding(DataModule):
    """The adding problem: two numbers of a long sequence are marked, and their sum is the target. Generated.

    Source: Hochreiter and Schmidhuber, "Long short-term memory", 1997, experiment 4. Numbers are in 0..1; one is marked
    in the first half of the sequence and one in the second. The constant answer 1 has a mean squared error of 1/6.

    Args:
        length: T, at least 2.
        train_size, val_size, test_size: sequences in each split.
        batch_size: sequences a batch.
        data_seed: seed of the sequences.

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
        self.length = check.whole("length", length, 2)
        self.sizes = split_sizes(train_size, val_size, test_size)
        self.data_seed = check.seed("data_seed", data_seed)

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
        # Mean and standard deviation of the known distribution, not of a sample
        return Spec(Series(("value", "marker"), (0.5, 0.0), ((1 / 12) ** 0.5, 1.0)), output), splits


class Copying(DataModule):
    """The copy problem: ten symbols, a long delay, and then the symbols are the targets, in order. Generated.

    Source: after Hochreiter and Schmidhuber, "Long short-term memory", 1997; in this form Arjovsky, Shah, Bengio,
    "Unitary evolution recurrent neural networks", 2016. Each sequence has 20 + `delay` steps; the label of each step is
    `silence`, except for the last ten, whose labels are the symbols.

    Args:
        delay: steps between the last symbol and the question, at least 1.
        train_size, val_size, test_size: sequences in each split.
        batch_size: sequences a batch.
        data_seed: seed of the sequences.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        delay: int = 30,
        train_size: int = 10_000,
        val_size: int = 500,
        test_size: int = 500,
        batch_size: int = 50,
        data_seed: int = 0,
    ) -> None:
        super().__init__(batch_size)
        self.delay = check.whole("delay", delay)
        self.sizes = split_sizes(train_size, val_size, test_size)
        self.data_seed = check.seed("data_seed", data_seed)

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        random = torch.Generator().manual_seed(self.data_seed)
        silence, question = SYMBOLS, SYMBOLS + 1
        splits = {}
        for split, size in self.sizes.items():
            symbols = torch.randint(0, SYMBOLS, (size, COPIED), generator=random)
            steps = torch.full((size, 2 * COPIED + self.delay), silence)
            labels = steps.clone()
            steps[:, :COPIED] = symbols
            steps[:, COPIED + self.delay - 1] = question
            labels[:, -COPIED:] = symbols
            hot = torch.nn.functional.one_hot(steps, SYMBOLS + 2).float()  # N, T, F
            splits[split] = Examples(hot, labels)
        names = "abcdefgh"[:SYMBOLS]
        series = Series((*names, "silence", "question"), (0.0,) * (SYMBOLS + 2), (1.0,) * (SYMBOLS + 2))
        return Spec(series, Labels((*names, "silence"))), splits


def _frames(images: Tensor, digits: Tensor, lengths: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """All frames of all videos, uint8 (sum of T, 1, H, W), and their labels."""
    chosen, places = _paths(len(images), len(lengths), random)
    filmed = torch.arange(MAX_FRAMES) < lengths[:, None]  # N, T
    chosen, places = chosen[filmed], places[filmed].round().long()  # of M frames
    axis = torch.arange(SIDE)
    rows, columns = axis - places[:, :1], axis - places[:, 1:]  # M, H and M, W: places in the digit
    inside = ((rows >= 0) & (rows < DIGIT))[:, :, None] & ((columns >= 0) & (columns < DIGIT))[:, None, :]
    rows, columns = rows.clamp(0, DIGIT - 1)[:, :, None], columns.clamp(0, DIGIT - 1)[:, None, :]
    frames = images[chosen[:, None, None], rows, columns].float() * (inside & (chosen >= 0)[:, None, None])
    bar = torch.randint(0, SIDE, (len(chosen), 1), generator=random)
    hidden = (axis >= bar) & (axis < bar + 3)  # M, W
    frames = frames.masked_fill(hidden[:, None, :], 128) + 30 * torch.randn(frames.shape, generator=random)
    labels = torch.where(chosen < 0, NOTHING, digits[chosen])
    return frames.round().clamp(0, 255).to(torch.uint8)[:, None], labels


def _paths(images: int, count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """The image in each frame of `count` videos, -1 for none (N, T), and its place (N, T, 2)."""
    chosen = torch.full((count,), -1)
    left = torch.randint(0, 4, (count,), generator=random)  # frames until a digit appears or vanishes
    place, speed = torch.zeros(count, 2), torch.zeros(count, 2)
    shown, places = [], []
    for _ in range(MAX_FRAMES):
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
