"""Convolutions over steps and words, beside plain sums over windows."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

import zoo
from zoo.models import SequenceCNN, TextCNN, build
from zoo.models.cnn1d import DilatedBlock
from zoo.spec import Classes, Labels, Series, Spec, Strokes, Text, Values
from zoo.spec.text import PAD


def lively(network: nn.Module) -> nn.Module:
    """Blocks start as the identity; here they do something."""
    torch.manual_seed(1)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    return network.eval()


def seen(network: nn.Module, steps: int, output: int) -> list[int]:
    """The steps of the input on which an output depends."""
    x = torch.randn(1, steps, 2, requires_grad=True)
    network(x)[0, output].sum().backward()
    assert x.grad is not None
    return x.grad[0].abs().sum(1).nonzero()[:, 0].tolist()


def test_what_an_output_sees_grows_as_two_to_the_number_of_blocks() -> None:
    network = lively(SequenceCNN(2, 1, hidden_size=8, num_layers=3, kernel_size=3, pool="none"))
    reach = (3 - 1) * (2**3 - 1)  # to either side: half of 1 + 2 (k - 1) (2**L - 1)
    assert seen(network, 50, 20) == list(range(20 - reach, 20 + reach + 1))


def test_a_causal_step_sees_what_came_before() -> None:
    network = lively(SequenceCNN(2, 1, hidden_size=8, num_layers=2, kernel_size=2, causal=True, pool="none"))
    assert seen(network, 30, 20) == list(range(20 - 2 * 3, 21))


def test_a_dilated_block_is_a_sum_over_distant_steps() -> None:
    block = DilatedBlock(3, kernel_size=3, dilation=4, causal=False, dropout=0.0)
    x = torch.randn(2, 20, 3)
    assert torch.equal(block(x), x)  # before it has learned
    lively(block)
    y = torch.relu(_summed(block.first, block.norm(x), 4))
    torch.testing.assert_close(block(x), x + _summed(block.second, y, 4))


def _summed(convolution: nn.Conv1d, x: torch.Tensor, dilation: int) -> torch.Tensor:
    assert convolution.bias is not None
    found = convolution.bias.expand(*x.shape).clone()
    for step in range(x.shape[1]):
        for place in range(3):
            if 0 <= (source := step + (place - 1) * dilation) < x.shape[1]:
                found[:, step] += x[:, source] @ convolution.weight[:, :, place].T
    return found


@pytest.mark.parametrize("pool", ["last", "mean", "max", "mean_max", "none"])
@pytest.mark.parametrize("causal", [False, True])
def test_padding_changes_no_output_of_a_series(pool: str, causal: bool) -> None:
    network = lively(SequenceCNN(2, 3, hidden_size=8, num_layers=3, causal=causal, pool=pool))
    x, lengths = torch.randn(4, 12, 2), torch.tensor([12, 1, 5, 9])
    together = network(x, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = network(x[row : row + 1, :length])[0]
        torch.testing.assert_close(together[row, :length] if pool == "none" else together[row], alone)
    torch.testing.assert_close(network(x), network(x, torch.full((4,), 12)))


def test_a_text_is_the_largest_value_of_each_window() -> None:
    """By hand: each window of words that holds at least one of the text, and windows over zeros alone."""
    network = lively(TextCNN(20, 3, embedding_dim=4, hidden_size=5, windows=(1, 2, 3)))
    codes = torch.tensor([7, 3, 11, 3])
    vectors = torch.cat([torch.zeros(2, 4), network.embedding.vectors.weight[codes], torch.zeros(2, 4)])
    features = []
    for window, convolution in zip((1, 2, 3), network.convolutions):
        starts = range(len(vectors) - window + 1)
        rows = [torch.einsum("te,het->h", vectors[s : s + window], convolution.weight) for s in starts]
        features.append((torch.stack(rows) + convolution.bias).relu().amax(0))
    torch.testing.assert_close(network.forward_features(codes[None])[0], torch.cat(features))


def test_padding_changes_no_output_of_a_text() -> None:
    network = lively(TextCNN(20, 3, embedding_dim=4, hidden_size=5))
    codes, lengths = torch.randint(1, 20, (4, 12)), torch.tensor([12, 1, 5, 9])
    for row, length in enumerate(lengths.tolist()):
        codes[row, length:] = PAD
    together = network(codes, lengths)
    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(together[row], network(codes[row : row + 1, :length])[0])


SERIES = Series(("x", "y"), (0.0, 0.0), (1.0, 1.0))


@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        (Spec(SERIES, Classes(("up", "down"))), (5, 2)),
        (Spec(SERIES, Values(("z",), (0.0,), (1.0,))), (5, 1)),
        (Spec(SERIES, Labels(("a", "b", "c"))), (5, 9, 3)),
    ],
    ids=str,
)
def test_what_a_spec_asks_for(spec: Spec, shape: tuple[int, ...]) -> None:
    network = build("cnn", spec, hidden_size=8, num_layers=2)
    assert network(torch.randn(5, 9, 2), torch.tensor([9, 3, 9, 1, 2])).shape == shape


def test_strokes_are_read_as_the_spec_prepares_them() -> None:
    spec = Spec(Strokes(points=16), Classes(("dash", "cross")))
    x = spec.input.prepare(spec.input.collate([spec.input.encode([[[0, 0], [9, 1]]])] * 3))
    assert build("cnn", spec, hidden_size=8, num_layers=2)(x).shape == (3, 2)


def test_without_a_head() -> None:
    for network in (zoo.create_model("sequence_cnn", in_features=2, num_outputs=0), TextCNN(9, 0, embedding_dim=2)):
        x = torch.randn(3, 7, 2) if isinstance(network, SequenceCNN) else torch.randint(1, 9, (3, 7))
        assert network(x).shape == (3, network.num_features)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kernel_size": 4}, "odd"),
        ({"pool": "sum"}, "pool"),
        ({"num_layers": 0}, "num_layers"),
        ({"widths": [8]}, "widths is for other data"),
    ],
)
def test_impossible_options(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build("cnn", Spec(SERIES, Classes(("up", "down"))), **wrong)
    with pytest.raises(ValueError, match="is for other data"):
        build("cnn", Spec(Text(("a", "b"), "words"), Classes(("up", "down"))), causal=True)


def test_a_longer_window_sees_more() -> None:
    sizes = [sum(p.numel() for p in TextCNN(9, 2, windows=(window,)).parameters()) for window in (1, 2, 3)]
    assert len({later - earlier for earlier, later in pairwise(sizes)}) == 1
