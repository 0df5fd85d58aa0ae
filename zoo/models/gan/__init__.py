"""Generative adversarial networks: a generator of images, and a discriminator that tells them from real ones.

Goodfellow et al., "Generative adversarial nets", 2014. The spec decides what the generator does: it fills holes,
enlarges, colours, or generates images from noise, a class or a text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from zoo.errors import SpecError
from zoo.models.gan.colouriser import Colouriser
from zoo.models.gan.discriminators import PatchDiscriminator
from zoo.models.gan.generators import Discriminator, Generator
from zoo.models.gan.restorers import Inpainter, SuperResolver
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


def defaults(spec: Spec) -> dict[str, int]:
    """The options that suit a spec in a training, where they are not given."""
    if isinstance(spec.input, (Seed, Label, Text)):
        return {"width": 16, "latent_dim": 64, **({"blocks": 2} if isinstance(spec.input, Text) else {})}
    if isinstance(spec.input, SmallImage):
        return {"width": 32, "blocks": 8}
    return {"width": 32, "depth": 2}


def build(
    spec: Spec,
    *,
    width: int | None = None,
    depth: int | None = None,
    blocks: int | None = None,
    objects: int | None = None,
    latent_dim: int | None = None,
    side: int | None = None,
) -> nn.Module:
    """The generator for a spec: masked image, small image, grey image, class, text or seed → image.

    Args:
        width, depth, blocks, objects, latent_dim, side: as of the network's class, where it has them; None for its
            default.

    Raises:
        SpecError: the spec asks for something else, or its images are too small for the depth.
        TypeError, ValueError: an option that the network does not have, or that is out of range.
    """
    given = {
        "width": width,
        "depth": depth,
        "blocks": blocks,
        "objects": objects,
        "latent_dim": latent_dim,
        "side": side,
    }
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    source, target = spec.input, spec.output
    if type(target) is not Image:
        raise SpecError(f"{GOES}, not {spec}")
    if isinstance(source, (Seed, Label, Text)):
        return Generator(target.channels, target.size, **_condition(spec), **options)
    if not isinstance(source, Image):
        raise SpecError(f"{GOES}, not {spec}")
    network: nn.Module
    if type(source) is Image and (source.channels, target.channels) == (1, 3):
        network = Colouriser(**options)
    elif source.channels != target.channels:
        raise SpecError(f"{source.word} and image must have the same channels")
    elif isinstance(source, SmallImage):
        network = SuperResolver(source.channels, scale=source.scale, **options)
    elif isinstance(source, MaskedImage):
        network = Inpainter(source.channels, **options)
    else:
        raise SpecError(f"{GOES}, not {spec} of like channels")
    min_size = getattr(network, "min_size", 1)
    if source.height is not None and min(source.size) < min_size:
        raise SpecError(f"images of {source.height} x {source.width} pixels are too small: that depth needs {min_size}")
    return network


def discriminator_for(spec: Spec, kind: Callable[..., nn.Module] = Discriminator) -> nn.Module:
    """The discriminator for a spec from class, text or seed to image.

    Args:
        kind: `Discriminator`, or a partial of it with options.
    """
    assert isinstance(spec.output, Image)
    return kind(spec.output.channels, spec.output.size, **_condition(spec))


def _condition(spec: Spec) -> dict[str, int]:
    """The kind of condition that the networks take, besides noise or an image."""
    if isinstance(spec.input, Label):
        return {"classes": len(spec.input.names)}
    return {"codes": spec.input.codes} if isinstance(spec.input, Text) else {}
