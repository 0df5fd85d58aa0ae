"""Images as one array: B x C x H x W, or B x H x W x C where only that fits; each is answered as it would be alone."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import zoo
from zoo.models import build
from zoo.spec import Classes, Image, SmallImage, Spec
from zoo.weights.artefact import BATCH, Artefact

COLOUR = Image(3, 8, 9, (0.4, 0.5, 0.6), (0.2, 0.3, 0.25))
CLASSES = Classes(("cat", "dog", "emu"))


@pytest.fixture
def artefact() -> Artefact:
    options = {"widths": [4], "blocks": 0}
    return Artefact("cnn", options, Spec(COLOUR, CLASSES), build("cnn", Spec(COLOUR, CLASSES), **options))


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")


def alike(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert [answer["label"] for answer in found] == [answer["label"] for answer in expected]
    for mine, theirs in zip(found, expected):
        assert mine["probabilities"] == pytest.approx(theirs["probabilities"], rel=1e-4)


@pytest.mark.parametrize("height", [8, 11])
@pytest.mark.parametrize("kind", [lambda x: x, torch.from_numpy, lambda x: x / 255, lambda x: x > 127])
def test_a_batch_is_answered_as_a_list(artefact: Artefact, kind: Any, height: int) -> None:
    """Of the spec's size and of another, which is resized; in every type that one image may have."""
    images = kind(pixels(5, 3, height, 9))
    last = images.permute(0, 2, 3, 1) if isinstance(images, torch.Tensor) else images.transpose(0, 2, 3, 1)
    expected = artefact([np.asarray(image) for image in last])
    alike(artefact(images), expected)
    alike(artefact(last), expected)
    torch.testing.assert_close(artefact.features(images), artefact.features(list(last)), rtol=1e-4, atol=1e-5)


def test_three_axes_are_one_image(artefact: Artefact) -> None:
    assert artefact(pixels(8, 9, 3))["label"] in CLASSES.names
    assert len(artefact(pixels(1, 8, 9, 3))) == 1
    assert artefact(pixels(0, 3, 8, 9)) == []
    assert len(artefact(pixels(BATCH + 3, 3, 8, 9))) == BATCH + 3


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (pixels(2, 3, 8, 3), "a batch of 2 x 3 x 8 x 3 may be B x C x H x W or B x H x W x C"),
        (pixels(2, 1, 8, 9), "with 3 channels, not 2 x 1 x 8 x 9"),
        (pixels(2, 3, 0, 9), "have no pixels"),
        (pixels(2, 3, 8, 9).astype("int64"), "uint8 .* or float .*, not int64"),
        (pixels(2, 3, 8, 9).astype("float32"), r"a float image lies in 0\.\.1, not 0\.\.255"),
        (np.full((2, 3, 8, 9), np.nan), r"a float image lies in 0\.\.1"),
        (pixels(2, 3, 8, 9).astype("complex64"), "not complex64"),
        (pixels(1, 2, 3, 8, 9), "an image array is H x W"),
    ],
)
def test_no_other_form_is_guessed(artefact: Artefact, images: np.ndarray, message: str) -> None:
    with pytest.raises(zoo.SpecError, match=message):
        artefact(images)


def test_images_of_any_size_keep_theirs() -> None:
    anything = {"height": None, "width": None, "mean": (0.5,), "std": (0.5,)}
    spec = Spec(SmallImage(1, scale=2, **anything), Image(1, **anything))
    artefact = Artefact("gan", {}, spec, build("gan", spec, width=8, blocks=1))
    found = artefact(pixels(2, 1, 5, 7))
    assert [image.size for image in found] == [(14, 10)] * 2
    assert [np.array_equal(image, artefact(single)) for image, single in zip(found, pixels(2, 5, 7))] == [True, True]


def test_a_large_batch_costs_little_more_than_its_network() -> None:
    """Nothing is done for each image but to write its answer: a fifth of the network's time is room for that."""
    artefact = zoo.load("cnn.digits")
    artefact.spec = replace(artefact.spec, input=replace(artefact.spec.input, ink=None))
    images = pixels(10_000, 1, 8, 8)
    prepared = artefact.spec.input.prepare(torch.from_numpy(images))

    def seconds(run: Any) -> float:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    def network() -> None:
        with torch.inference_mode():
            for part in prepared.split(BATCH):
                artefact.network(part)

    ratios = [seconds(lambda: artefact.features(images)) / seconds(network) for _ in range(5)]
    assert min(ratios) < 2


def test_the_maps_of_stages() -> None:
    extract = zoo.features("cnn.digits", stages=[0, 2])
    maps = extract(pixels(3, 1, 8, 8))
    assert [part.shape for part in maps] == [(3, 16, 4, 4), (3, 64, 1, 1)]
    single = extract(pixels(8, 8))
    assert [part.shape for part in single] == [(16, 4, 4), (64, 1, 1)]
    for stages in ([3], [-1], [], [True]):
        with pytest.raises(zoo.SpecError, match="whole numbers from 0 to 2"):
            zoo.features("cnn.digits", stages=stages)
    with pytest.raises(zoo.SpecError, match="has no stages"):
        zoo.features("mlp.mnist", stages=[0])


def test_images_of_several_sizes_have_no_maps_together() -> None:
    anything = {"height": None, "width": None, "mean": (0.5,), "std": (0.5,)}
    spec = Spec(Image(1, **anything), Image(3, None, None, (0.5,) * 3, (0.5,) * 3))
    artefact = Artefact("gan", {}, spec, build("gan", spec, width=8, depth=1))
    assert [part.shape for part in artefact.features(pixels(16, 12), stages=[1])] == [(16, 4, 3)]  # of half the size
    with pytest.raises(zoo.SpecError, match="one image at a time"):
        artefact.features([pixels(8, 6), pixels(6, 6)], stages=[0])


def test_published_weights_without_their_head() -> None:
    network = zoo.create_model("cnn", weights="digits", num_classes=0)
    published = zoo.load("cnn.digits").network
    x = torch.randn(3, 1, 8, 8)
    with torch.no_grad():
        assert torch.equal(network(x), published.forward_features(x))
    with pytest.raises(zoo.ConfigError, match="leaves a head out"):
        zoo.create_model("rbm", weights="mnist", num_classes=0)
