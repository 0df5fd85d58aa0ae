"""The convolutional network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from zoo.models import CNN
from zoo.models.cnn import build
from zoo.models.convolution import ResidualBlock
from zoo.spec import Classes, Image, Spec


def spec_of(height: int, width: int, channels: int = 1, classes: int = 10) -> Spec:
    picture = Image(channels, height, width, (0.5,) * channels, (0.5,) * channels)
    return Spec(picture, Classes(tuple(str(k) for k in range(classes))))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 7), (8, 8), (28, 28), (33, 20), (64, 5)], ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_of_picture(size: tuple[int, int], channels: int) -> None:
    network = build(spec_of(*size, channels=channels, classes=7), widths=[4, 8, 12], blocks=1).eval()
    assert network(torch.randn(2, channels, *size)).shape == (2, 7)
    assert network.forward_features(torch.randn(2, channels, *size)).shape == (2, network.num_features)


def test_a_network_takes_other_sizes_than_it_was_built_for() -> None:
    network = CNN(3, 5, widths=[8, 16]).eval()
    for size in (4, 16, 31, 64):
        assert network(torch.randn(1, 3, size, size)).shape == (1, 5)


def test_one_stage_computes_what_its_layers_say() -> None:
    network = CNN(1, 3, widths=[6], grid=4).eval()
    norm = network.stages[0][1]
    norm.running_mean.uniform_(-1, 1)
    norm.running_var.uniform_(0.5, 2)
    x = torch.randn(2, 1, 8, 8)
    weight = network.stages[0][0].weight
    hidden = functional.unfold(x, 5, padding=2, stride=2).transpose(1, 2) @ weight.flatten(1).T  # B, 16, 6
    hidden = (hidden - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
    expected = hidden.relu().flatten(1) @ network.classifier.weight.T + network.classifier.bias
    torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-5)


def test_each_stage_halves_the_picture() -> None:
    network = CNN(1, 10, widths=[4, 8, 16], blocks=1).eval()
    sizes, x = [], torch.randn(1, 1, 40, 24)
    for stage in network.stages:
        x = stage(x)
        sizes.append(tuple(x.shape[1:]))
    assert sizes == [(4, 20, 12), (8, 10, 6), (8, 10, 6), (16, 5, 3), (16, 5, 3)]


def test_blocks_stand_in_each_stage_but_the_first() -> None:
    blocks = [module for module in CNN(widths=[4, 8, 16], blocks=2).modules() if isinstance(module, ResidualBlock)]
    assert [block.norm.num_features for block in blocks] == [8, 8, 16, 16]


def test_a_new_block_passes_its_input_on() -> None:
    block = ResidualBlock(4).eval()
    x = torch.rand(2, 4, 5, 5)  # after a ReLU
    assert torch.equal(block(x), x)
    nn.init.ones_(block.norm.weight)
    assert not torch.equal(block(x), x)


def test_memory_layout_does_not_change_the_answer() -> None:
    network = CNN(3, 10, widths=[8, 16]).eval()
    x = torch.randn(2, 3, 16, 16)
    expected = network(x)
    torch.testing.assert_close(network(x.to(memory_format=torch.channels_last)), expected)
    torch.testing.assert_close(network.to(memory_format=torch.channels_last)(x), expected)


def test_dropout_acts_in_training_only() -> None:
    network = CNN(widths=[4], dropout=0.9)
    x = torch.randn(1, 1, 8, 8)
    network.eval()
    assert torch.equal(network(x), network(x))
    network.dropout.train()
    assert not torch.equal(network(x), network(x))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": []}, "widths"),
        ({"widths": [0]}, "widths"),
        ({"widths": [8, -1]}, "widths"),
        ({"widths": [1] * 17}, "widths"),
        ({"in_channels": 0}, "in_channels"),
        ({"num_classes": -1}, "num_classes"),
        ({"grid": 0}, "grid"),
        ({"blocks": -1}, "blocks"),
        ({"blocks": 10**9}, "blocks"),
        ({"dropout": 1.0}, "dropout"),
        ({"dropout": -0.1}, "dropout"),
        ({"dropout": float("nan")}, "dropout"),
    ],
    ids=str,
)
def test_numbers_out_of_range_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CNN(**options)


@pytest.mark.parametrize(("side", "cells"), [(28, 4), (32, 4), (96, 4), (17, 3), (8, 1), (3, 1)])
def test_the_classifier_sees_the_last_feature_map_as_it_is_unless_it_is_larger_than_4_x_4(
    side: int, cells: int
) -> None:
    spec = Spec(Image(1, side, side, (0.5,), (0.5,)), Classes(("a", "b")))
    network = build(spec, widths=(2, 2, 2)).eval()
    last = network.stages(torch.zeros(1, 1, side, side)).shape[-1]
    assert network.grid == cells == min(4, last)
