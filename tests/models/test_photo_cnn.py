"""The convolutional network for small colour photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from zoo.errors import SpecError
from zoo.models import PhotoCNN, build
from zoo.models.photo_cnn import SHIFT_SCALE, ShiftNorm
from zoo.spec import Classes, Image, Spec
from zoo.weights.artefact import Artefact, load, save


def spec_of(size: int) -> Spec:
    return Spec(Image(3, size, size, (0.5,) * 3, (0.25,) * 3), Classes(tuple("abcde")))


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


def test_an_answer_is_the_mean_over_small_moves_and_mirror_images() -> None:
    network, x = PhotoCNN(widths=[8, 12]), photos(4)
    network(x)
    network.eval()
    moved = [x]
    for index in ([1, *range(x.shape[2] - 1)], [*range(1, x.shape[2]), x.shape[2] - 2]):  # beyond an edge, its mirror
        moved.append(x[:, :, index][:, :, :, index])
    views = [view for each in moved for view in (each, each.flip(3))]
    expected = torch.stack([network.classifier(network.forward_features(view) / 9) for view in views]).mean(dim=0)
    torch.testing.assert_close(network(x), expected)


def test_what_a_normalisation_adds_learns_16_times_as_fast() -> None:
    norm, plain, x = ShiftNorm(3), nn.BatchNorm2d(3), torch.randn(8, 3, 4, 4)
    for each in (norm, plain):
        optimizer = torch.optim.SGD(each.parameters(), lr=0.1)
        (each(x) * torch.arange(3.0).view(1, 3, 1, 1)).mean().backward()
        optimizer.step()
    torch.testing.assert_close(norm.bias * SHIFT_SCALE, 16 * plain.bias)


def test_a_network_for_photographs_learns_a_batch() -> None:
    torch.manual_seed(0)
    network = build("cnn", spec_of(20), photo=True, widths=[16, 16])
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
        build("cnn", spec_of(size), photo=True, **options)
    assert build("cnn", spec_of(9), photo=True).eval()(torch.randn(1, 3, 9, 9)).shape == (1, 5)


def test_it_is_exported_traced_and_kept_in_half_precision(tmp_path: Path) -> None:
    network = build("cnn", spec_of(20), photo=True, widths=[8, 12])
    x = photos(16)
    network(x)
    network.eval()
    batch = torch.export.Dim("batch", min=2)
    program = torch.export.export(network, (x,), dynamic_shapes=({0: batch},)).module()
    torch.testing.assert_close(program(x[:3]), network(x[:3]))
    torch.testing.assert_close(torch.fx.symbolic_trace(network)(x), network(x))
    save(Artefact("cnn", {"photo": True, "widths": [8, 12]}, spec_of(20), network), tmp_path / "file", half=True)
    loaded = load(tmp_path / "file")
    torch.testing.assert_close(loaded.network(x), network(x), atol=1e-2, rtol=1e-2)
    pixels = torch.randint(0, 256, (2, 3, 20, 20), dtype=torch.uint8)
    assert loaded.features(pixels).shape == (2, 12)
    assert [found.shape[1:] for found in loaded.features(pixels, stages=[0, 1])] == [(8, 9, 9), (12, 4, 4)]
    trained = loaded.network.whitening.filters.clone()
    loaded.network.train()(2 * x)  # fine-tuned on other images, it keeps its filters
    assert torch.equal(loaded.network.whitening.filters, trained)
