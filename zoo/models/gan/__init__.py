"""Generative adversarial networks: a generator that paints and a discriminator that judges.

Goodfellow et al., "Generative adversarial nets", 2014. What the generator paints follows from the spec: it fills
holes, enlarges or colours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from zoo.errors import SpecError
from zoo.models.gan.discriminators import PatchDiscriminator
from zoo.models.gan.generators import Discriminator, Generator
from zoo.models.gan.restorers import Colouriser, Inpainter, SuperResolver
from zoo.models.gan.unet import ResidualBlock, UNet
from zoo.spec import Image, Label, MaskedImage, Seed, SmallImage, Spec, Text

__all__ = [
    "Colouriser",
    "Discriminator",
    "Generator",
    "Inpainter",
    "PatchDiscriminator",
    "ResidualBlock",
    "SuperResolver",
    "UNet",
    "build",
    "discriminator_for",
]

GOES = "gan goes from masked image, small image, grey image, class, text or seed to image"


def build(
    spec: Spec,
    *,
    width: int | None = None,
    depth: int | None = None,
    blocks: int | None = None,
    latent: int | None = None,
) -> nn.Module:
    """The generator for a spec: masked image, small image, grey image, class, text or seed → image.

    Args:
        width, depth, blocks, latent: as the network's own, where it has them; None for its default.

    Raises:
        SpecError: the spec asks for something else, or its pictures are too small for the depth.
        TypeError, ValueError: an option that the network does not have, or that is out of range.
    """
    given = {"width": width, "depth": depth, "blocks": blocks, "latent": latent}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    seen, painted = spec.input, spec.output
    if type(painted) is not Image:
        raise SpecError(f"{GOES}, not {spec}")
    if isinstance(seen, (Seed, Label, Text)):
        return Generator(painted.channels, painted.size, **_known(spec), **options)
    if not isinstance(seen, Image):
        raise SpecError(f"{GOES}, not {spec}")
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
        raise SpecError(f"{GOES}, not {spec} of like channels")
    smallest = getattr(network, "smallest", 1)
    if seen.height is not None and min(seen.size) < smallest:
        raise SpecError(f"pictures of {seen.height} x {seen.width} pixels are too small; depth asks for {smallest}")
    return network


def discriminator_for(spec: Spec, kind: Callable[..., nn.Module] = Discriminator) -> nn.Module:
    """The discriminator beside the generator for a spec from class, text or seed to image.

    Args:
        kind: `Discriminator`, with or without options of its own.
    """
    assert isinstance(spec.output, Image)
    return kind(spec.output.channels, spec.output.size, **_known(spec))


def _known(spec: Spec) -> dict[str, int]:
    """What is told to the networks, besides noise or a picture."""
    if isinstance(spec.input, Label):
        return {"classes": len(spec.input.names)}
    return {"codes": spec.input.codes} if isinstance(spec.input, Text) else {}
