"""A classifier of images.

Shape letters: N images, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.data.arrays import pixel_statistics, pixels
from zoo.estimators.estimator import Classifier
from zoo.spec import Image, Input, read_image


class ImageClassifier(Classifier):
    """A convolutional network that classifies images.

    X is an array, (N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3, uint8 or floats in 0..1; or a list of paths
    and PIL images, which are brought to one size.

    Args:
        model: cnn, mlp, rnn, gru or lstm.
        size: height and width to which a list of images is brought; None where all have one size.
        epochs: how often all images are seen.
        batch_size: images a step.
        learning_rate, weight_decay: of AdamW.
        validation_fraction: of the images, by which the best epoch is chosen; 0 for none, and the last epoch.
        random_state: decides all random numbers.
    """

    task = "classification"
    _shape: tuple[int, ...]  # of an image

    def __init__(
        self,
        model: str = "cnn",
        *,
        size: tuple[int, int] | None = None,
        epochs: int | None = None,
        batch_size: int = 64,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        validation_fraction: float = 0.15,
        random_state: Any = None,
    ) -> None:
        self.model = model
        self.size = size
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.validation_fraction = validation_fraction
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags

    def _inputs(self, X: Any, *, reset: bool) -> np.ndarray:
        """Images as uint8 (N, C, H, W)."""
        kind = getattr(getattr(X, "dtype", None), "kind", "")
        listed = isinstance(X, list | tuple) or hasattr(X, "iloc") or kind in ("O", "U")
        if not listed and getattr(X, "ndim", 0) < 3:
            raise ValueError("images are an array N x H x W or N x H x W x C, or a list of paths or PIL images")
        images = self._stacked(list(X), None if reset else self._shape[0]) if listed else pixels(X).numpy()
        if not len(images):
            raise ValueError("there are 0 images; give at least one")
        if reset:
            self._shape = images.shape[1:]
        if images.shape[1:] != self._shape:
            raise ValueError(f"these images are {_told(images.shape[1:])}, and those of fit were {_told(self._shape)}")
        return images

    def _stacked(self, raw: Sequence[Any], channels: int | None) -> np.ndarray:
        """Paths, PIL images or arrays as one array, of so many channels; None for 1 where all are grey, 3 elsewhere."""
        images = [read_image(one) for one in raw]
        if not images:
            raise ValueError("there are 0 images; give at least one")
        sizes = {(image.height, image.width) for image in images}
        if self.size is None and len(sizes) > 1:
            some = " and ".join(_told(size) for size in sorted(sizes)[:2])
            raise ValueError(f"images differ in size ({some}); give size=(height, width) to bring them to one")
        height, width = sizes.pop() if self.size is None else self.size
        if channels is None:
            channels = 1 if all(image.mode in ("1", "L", "I;16") for image in images) else 3
        described = Image(channels, int(height), int(width), (0.0,) * channels, (1.0,) * channels)
        return torch.stack([described.encode(image) for image in images]).numpy()

    def _learn(self, inputs: np.ndarray) -> Input:
        mean, std = pixel_statistics(torch.from_numpy(inputs))
        channels, height, width = inputs.shape[1:]
        return Image(channels, height, width, mean, std)

    def _encode(self, inputs: np.ndarray, described: Any) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(inputs))


def _told(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
