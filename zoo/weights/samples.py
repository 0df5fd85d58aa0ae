"""Random raw inputs that fit a spec: noise, to run a network, not to judge it."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.spec import InputKind


def random_inputs(kind: InputKind, count: int, extent: int = 12, seed: int = 0) -> list[tuple[Any, ...]]:
    """Raw inputs, each a tuple of what `kind.encode` is given.

    Args:
        kind: the input of a spec.
        count: number of inputs.
        extent: pixels, tokens or steps, about, if an input may have any size; all images have one size, and of texts,
            lines and series the first is the longest.
        seed: seed of the noise.
    """
    random = np.random.default_rng(seed)
    return [kind.sample(random, length=max(1, extent - index), side=extent) for index in range(count)]
