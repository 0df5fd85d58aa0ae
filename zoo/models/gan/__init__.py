"""Generative adversarial networks: a generator that paints and a discriminator that judges.

Goodfellow et al., "Generative adversarial nets", 2014. What the generator paints follows from the spec: it fills
holes, enlarges or colours.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from zoo.errors import SpecError
from zoo.models.gan.discriminators import PatchDiscriminator
from zoo.models.gan.restorers import Colouriser, Inpainter, SuperResolver
from zoo.models.gan.unet import ResidualBlock, UNet
from zoo.spec import Image, MaskedImage, SmallImage, Spec

__all__ = ["Colouriser", "Inpainter", "PatchDiscriminator", "ResidualBlock", "SuperResolver", "UNet", "build"]


def build(spec: Spec, *, width: int | None = None, depth: int | None = None, blocks: int | None = None) -> nn.Module:
    """The generator for a spec: masked image, small image or grey image → image.

    Args:
        width, depth, blocks: as the network's own, where it has them; None for its default.

    Raises:
        SpecError: the spec asks for something else, or its pictures are too small for the depth.
        TypeError, ValueError: an option that the network does not have, or that is out of range.
    """
    given = {"width": width, "depth": depth, "blocks": blocks}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    seen, painted = spec.input, spec.output
    if not isinstance(seen, Image) or type(painted) is not Image:
        raise SpecError(f"gan goes from masked image, small image or grey image to image, not {spec}")
    network: nn.Module
    if type(seen) is Image and (seen.channels, painted.channels) == (1, 3):
        network = Colouriser(**options)
    elif seen.channels != painted.channels:
        raise SpecError(f"{seen.word} and image must have the same channels")
    elif isinstance(seen, SmallImage):
        network = SuperResolver(seen.channels, scale=seen.scale, **options)
    elif isinstance(seen, MaskedImage):
        network = Inpainter(seen.channels, **options)
    else:
        raise SpecError(f"gan goes from masked image, small image or grey image to image, not {spec} of like channels")
    smallest = getattr(network, "smallest", 1)
    if seen.height is not None and min(seen.size) < smallest:
        raise SpecError(f"pictures of {seen.height} x {seen.width} pixels are too small; depth asks for {smallest}")
    return network
