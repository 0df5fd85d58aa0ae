"""Generated sequences: their labels are what they show."""

from __future__ import annotations

import pytest
import torch

from zoo.data.sequences import COPIED, MIN_FRAMES, NOTHING, SYMBOLS, Adding, Copying, MovingDigits


@pytest.fixture(scope="module")
def videos() -> MovingDigits:
    data = MovingDigits(train_size=200, val_size=50, test_size=50)
    data.setup()
    return data


def test_frames_labelled_nothing_hold_nothing(videos: MovingDigits) -> None:
    frames, labels = videos.splits["train"].columns
    bright = (frames.values > 200).sum(dim=(1, 2, 3))
    assert bright[labels.values == NOTHING].float().mean() < 1.5  # noise
    assert bright[labels.values != NOTHING].float().mean() > 8


def test_each_video_has_a_label_a_frame_and_lengths_differ(videos: MovingDigits) -> None:
    for split in videos.splits.values():
        frames, labels = split.columns
        assert torch.equal(frames.lengths, labels.lengths)
        assert frames.lengths.min() >= MIN_FRAMES
    assert len(videos.splits["train"].lengths.unique()) > 10


def test_all_labels_occur_and_digits_stay_for_a_while(videos: MovingDigits) -> None:
    labels = videos.splits["train"].columns[1]
    assert labels.values.unique().tolist() == list(range(11))
    for row in range(50):
        runs = labels[row].unique_consecutive(return_counts=True)
        between = [count for label, count in zip(*(part.tolist() for part in runs)) if label != NOTHING][1:-1]
        assert all(count >= 4 for count in between)


def test_digits_move(videos: MovingDigits) -> None:
    """The middle of the bright pixels differs from frame to frame."""
    frames, labels = videos.splits["train"].columns
    shown = frames.values[labels.values == 0][:, 0].float()
    weight = (shown - 150).clamp(min=0)
    middle = (weight.sum(dim=1) * torch.arange(16)).sum(dim=1) / weight.sum(dim=(1, 2)).clamp(min=1)
    assert middle.std() > 1.5


def test_the_sum_is_that_of_the_marked_numbers() -> None:
    data = Adding(length=30, train_size=400, val_size=5, test_size=5)
    data.setup()
    series, sums = data.splits["train"].columns
    marked = [row[row[:, 1] == 1] for row in series]
    assert all(len(pair) == 2 for pair in marked)
    expected = torch.stack([pair[:, 0].sum() for pair in marked]).double()
    torch.testing.assert_close(data.spec.output.restore(sums)[:, 0], expected, atol=1e-6, rtol=0)
    assert (series[:, :15, 1].sum(dim=1) == 1).all()
    assert sums.mean().abs() < 0.2  # standardised by the law
    assert sums.std().item() == pytest.approx(1, abs=0.1)


def test_symbols_are_asked_for_in_order() -> None:
    data = Copying(delay=5, train_size=50, val_size=5, test_size=5)
    data.setup()
    series, labels = data.splits["train"].columns
    assert series.shape == (50, 5 + 2 * COPIED, SYMBOLS + 2)
    steps = series.argmax(dim=2)
    assert torch.equal(steps[:, :COPIED], labels[:, -COPIED:])
    assert (labels[:, :-COPIED] == SYMBOLS).all()
    assert (steps[:, COPIED:] == SYMBOLS + 1).sum(dim=1).eq(1).all()
    assert steps[0, COPIED + 4] == SYMBOLS + 1  # the question stands just before the answer


@pytest.mark.parametrize("source", [MovingDigits, Adding, Copying])
def test_the_seed_decides_everything(source: type) -> None:
    def first(seed: int) -> torch.Tensor:
        data = source(train_size=20, val_size=5, test_size=5, data_seed=seed)
        data.setup()
        batch = next(iter(data.test_dataloader()))[0]
        return batch[0] if isinstance(batch, tuple) else batch

    assert torch.equal(first(1), first(1))
    other = first(2)
    assert other.shape != first(1).shape or not torch.equal(first(1), other)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (MovingDigits, {"val_size": 0}, "val_size must be a whole number of at least 1, got 0"),
        (Adding, {"length": 1}, "length must be a whole number of at least 2, got 1"),
        (Copying, {"delay": 0}, "delay must be a whole number of at least 1, got 0"),
    ],
)
def test_impossible_options_are_refused(source: type, options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        source(**options)
