"""The convolutional network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from zoo.errors import SpecError
from zoo.models import CNN, PhotoCNN
from zoo.models.cnn import ResidualBlock, build
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


def photos(count: int = 64, size: int = 20) -> torch.Tensor:
    """Smooth colours with little noise, normalised: their pixels hang together as those of photographs do."""
    random = torch.Generator().manual_seed(0)
    coarse = torch.randn(count, 3, 4, 4, generator=random)
    smooth = functional.interpolate(coarse, size=size, mode="bilinear")
    return smooth + 0.1 * torch.randn(count, 3, size, size, generator=random)


def test_the_first_batch_whitens_patches() -> None:
    network, x = PhotoCNN(widths=[8]), photos()
    network(x)
    whitened = functional.conv2d(x, network.whitening.filters)  # B, 24, H - 1, W - 1
    positive, negative = whitened.transpose(0, 1).flatten(1).chunk(2)
    torch.testing.assert_close(negative, -positive)
    patches = functional.unfold(x, 2).transpose(0, 1).flatten(1)  # 12, …
    noise = 5e-4 / (5e-4 + torch.linalg.eigvalsh(patches @ patches.T / patches.shape[1]))  # what it takes of variance 1
    expected = torch.diag(1 - noise)
    torch.testing.assert_close(positive @ positive.T / positive.shape[1], expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_patches_are_whitened_once_and_in_full_precision(dtype: torch.dtype) -> None:
    network = PhotoCNN(widths=[8])
    before = network.whitening.filters.clone()
    network.eval()(photos())
    assert torch.equal(network.whitening.filters, before)  # not in evaluation
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        network.train()(photos())
    first = network.whitening.filters.clone()
    assert first.isfinite().all()
    other = PhotoCNN(widths=[8])
    other.load_state_dict(network.state_dict())
    for trained in (network, other):  # one that was trained, and one that is trained on
        trained.train()(5 * photos())
        assert torch.equal(trained.whitening.filters, first)


def test_convolutions_start_as_the_identity() -> None:
    stage = PhotoCNN(widths=[30]).stages[0]
    x = torch.randn(2, 24, 8, 8)
    torch.testing.assert_close(stage.first(x)[:, :24], x)
    y = torch.randn(2, 30, 8, 8)
    torch.testing.assert_close(stage.second(y), y)


def test_a_photograph_and_its_mirror_image_have_one_answer() -> None:
    network, x = PhotoCNN(widths=[8, 12]), photos(4)
    network(x)
    network.eval()
    torch.testing.assert_close(network(x), network(x.flip(3)))
    head = network.classifier
    expected = (head(network.forward_features(x) / 9) + head(network.forward_features(x.flip(3)) / 9)) / 2
    torch.testing.assert_close(network(x), expected)


def test_a_network_for_photographs_learns_a_batch() -> None:
    torch.manual_seed(0)
    network = build(spec_of(20, 20, channels=3, classes=5), photo=True, widths=[16, 16])
    x, labels = photos(40), torch.arange(40) % 5
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    for _ in range(40):
        optimizer.zero_grad()
        functional.cross_entropy(network(x), labels).backward()
        optimizer.step()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters() if p.requires_grad)
    assert (network(x).argmax(dim=1) == labels).float().mean() > 0.9


@pytest.mark.parametrize(
    ("size", "options", "error"),
    [
        (8, {}, SpecError),  # three stages halve 9 pixels to 1, and 8 to none
        (32, {"blocks": 1}, ValueError),
        (32, {"widths": []}, ValueError),
        (32, {"dropout": 1.0}, ValueError),
    ],
    ids=str,
)
def test_what_a_network_for_photographs_cannot_have(size: int, options: dict[str, Any], error: type) -> None:
    with pytest.raises(error):
        build(spec_of(size, size, channels=3), photo=True, **options)
    assert build(spec_of(9, 9, channels=3), photo=True).eval()(torch.randn(1, 3, 9, 9)).shape == (1, 10)
