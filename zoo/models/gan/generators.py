"""Generators that start from noise, and their discriminators, of the size of DCGAN's.

Radford et al., "Unsupervised representation learning with deep convolutional generative adversarial networks" (DCGAN),
2015, with nearest-neighbour enlargement in place of transposed convolutions (Odena et al., 2016). Noise and condition
set shift and scale of each normalisation (Huang and Belongie, "Arbitrary style transfer in real-time with adaptive
instance normalization", 2017); the discriminator takes the condition by projection (Miyato and Koyama, "cGANs with
projection discriminator", 2018). A sentence is joined with the noise by a mapping network (Karras et al., "A
style-based generator architecture for generative adversarial networks", 2019).

Shape letters: B batch, C channels, H height, W width, T tokens, L numbers of noise, E numbers of a condition,
M features of an image, K objects of a scene, N = B K pictures.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import ClassVar

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from zoo import check
from zoo.errors import SpecError
from zoo.models.convolution import to_channels_last
from zoo.models.gan.conditions import MAPPED, Labels, Read, Sentences, condition_encoder, mapping
from zoo.models.gan.discriminators import constrain, halving_convolutions
from zoo.models.gan.scene import ANGLES, Scene
from zoo.models.gan.unet import GROUPS, check_groups, laid_out, skip

fx.wrap("laid_out")

COARSEST = 7  # longest side of the first feature map
MIXED = 128  # numbers that set the normalisations, and features of the discriminator before its score


class Generator(nn.Module):
    """Generates images of one size from noise, and from a class or a text where there is one.

    `per_example` names the options of `generate` that count up from one example to the next.

    Args:
        channels: C of the images.
        size: H and W of the images, at least 4 each.
        classes: number of classes, 0 for none.
        codes: number of codes of the texts, 0 for none.
        latent_dim: L, at least 1.
        width: channels of the finest feature map, a multiple of 8; they double with each halving.
        blocks: convolutions at each size, at least 1; more of them give finer shapes.
        objects: K of a text's scene, each drawn in a frame of half the height and width and set somewhere on a plain
            ground, where one may lie in front of another; 0 for images that are drawn as a whole.

    Raises:
        ValueError: a number is out of range.
    """

    per_example: ClassVar[tuple[str, ...]] = ("seed",)

    def __init__(
        self,
        channels: int = 1,
        size: tuple[int, int] = (28, 28),
        *,
        classes: int = 0,
        codes: int = 0,
        latent_dim: int = 64,
        width: int = 16,
        blocks: int = 1,
        objects: int = 0,
    ) -> None:
        super().__init__()
        check.whole("blocks", blocks)
        check_groups(width)
        self.latent_dim = check.whole("latent_dim", latent_dim)
        _check_objects(objects, codes, size, latent_dim)
        levels = range(1 if objects else 0, len(halvings(*size)))
        self.sizes = [halvings(*size)[level] for level in levels][::-1]  # coarsest first
        widths = [width << level for level in levels][::-1]
        embedding_dim = MIXED if codes else latent_dim if classes else 0
        self.reader = condition_encoder(classes, codes, embedding_dim)
        given = latent_dim + embedding_dim
        if codes:  # the position of a shape depends on noise and sentence together
            self.mapping = mapping(given)
            given = MAPPED
        self.mix = nn.Sequential(nn.Linear(given, MIXED), nn.SiLU())
        self.coarsest = (widths[0], *self.sizes[0])
        self.first = nn.Linear(given, prod(self.coarsest))
        self.blocks = nn.ModuleList(
            ModulatedBlock(fan_out if place else fan_in, fan_out, MIXED)
            for fan_in, fan_out in zip([widths[0], *widths], widths)
            for place in range(blocks)
        )
        drawn = channels + 1 if objects else channels  # with the opacity of an object
        self.head = nn.Sequential(
            nn.GroupNorm(GROUPS, widths[-1]), nn.SiLU(), nn.Conv2d(widths[-1], drawn, 3, padding=1)
        )
        self.scene: Scene | None = None
        if isinstance(self.reader, Sentences) and objects:
            self.scene = Scene(channels, objects, latent_dim, embedding_dim, self.sizes[-1], size)

    def forward(self, noise: Tensor, condition: Tensor | Read | None = None, lengths: Tensor | None = None) -> Tensor:
        """Noise (B, L), standard normal, and labels (B,) or codes (B, T) and lengths (B,), to (B, C, H, W) in -1..1.

        What the reader gave for these before may stand in their place.
        """
        if self.reader is None:
            return self._drawn(noise).tanh()
        if isinstance(self.reader, Labels):
            return self._drawn(torch.cat([noise, self.reader(condition).to(noise.dtype)], dim=1)).tanh()
        read = condition if type(condition) is Read else self.reader.read(condition, lengths)  # type: ignore[arg-type]  # both
        whole = self.mapping(torch.cat([noise, read.features.to(noise.dtype)], dim=1))
        if self.scene is None:
            return self._drawn(whole).tanh()
        words = self.scene.attend(read)
        drawn = self._drawn(self.scene.objects(noise, words))
        return self.scene(whole, self.scene.places(noise, read.features), words, drawn)

    def _drawn(self, given: Tensor) -> Tensor:
        """Codes (N, M) to what the head gives for them, (N, C, H, W) of whole images or (N, C + 1, H / 2, W / 2)."""
        mixed = self.mix(given)
        x = laid_out(self.first(given).view(-1, *self.coarsest))
        each = len(self.blocks) // len(self.sizes)
        for place, block in enumerate(self.blocks):
            if place and place % each == 0:  # the first of a larger size
                x = functional.interpolate(x, size=self.sizes[place // each], mode="nearest")
            x = block(x, mixed)
        drawn: Tensor = self.head(x).float()
        return drawn

    def generate(self, *given: Tensor, seed: int | None = None) -> Tensor:
        """Generate an image for each condition, or for each seed (B,) where there are none.

        Args:
            *given: as `spec.input.prepare` gives it.
            seed: of the noise for conditions, a whole number; None for new noise in each call.

        Raises:
            SpecError: the seed is not a whole number.
        """
        if seed is not None and type(seed) is not int:
            raise SpecError(f"seed must be a whole number, got {seed!r}")
        device = self.first.weight.device
        if self.reader is None:
            return self(self.noise(given[0].tolist()).to(device))
        if seed is None:
            return self(torch.randn(len(given[0]), self.latent_dim, device=device), *given)
        return self(self.noise(range(seed, seed + len(given[0]))).to(device), *given)

    def noise(self, seeds: Iterable[int]) -> Tensor:
        """The noise (B, L) of B seeds, on the CPU."""
        return torch.stack([_noise(self.latent_dim, seed) for seed in seeds])


class ModulatedBlock(nn.Module):
    """Normalisation with scale and shift from outside, SiLU and a 3 x 3 convolution, added to the input."""

    def __init__(self, in_channels: int, out_channels: int, mixed: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, in_channels, affine=False)
        self.modulation = nn.Linear(mixed, 2 * in_channels)
        self.convolution = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)
        self.skip = skip(in_channels, out_channels)

    def forward(self, x: Tensor, mixed: Tensor) -> Tensor:
        """(B, in_channels, H, W) and (B, mixed) to (B, out_channels, H, W)."""
        scale, shift = self.modulation(mixed)[:, :, None, None].chunk(2, dim=1)
        return self.skip(x) + self.convolution(functional.silu(self.norm(x) * (1 + scale) + shift))


class Discriminator(nn.Module):
    """Scores whole images of one size, given their class or text where there is one: real above 0, generated below.

    Args:
        channels, size, classes, codes: as of `Generator`.
        width: channels of the finest feature map; they double with each halving.
        spectral_norm: whether each layer is constrained to spectral norm one.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        channels: int = 1,
        size: tuple[int, int] = (28, 28),
        *,
        classes: int = 0,
        codes: int = 0,
        width: int = 32,
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        check.whole("width", width)
        depth = len(halvings(*size)) - 1
        self.stages = nn.Sequential(*halving_convolutions(channels, width, depth))
        flat = (width << depth) * prod(max(1, side >> depth) for side in size)
        self.features = nn.Sequential(nn.Linear(flat, MIXED), nn.LeakyReLU(0.2))
        self.head = nn.Linear(MIXED, 1)
        self.reader = condition_encoder(classes, codes, MIXED)
        if spectral_norm:
            constrain([*self.stages, *self.features, self.head])
        to_channels_last(self)

    def forward(self, x: Tensor, condition: Tensor | None = None, lengths: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W) in -1..1, and labels (B,) or codes (B, T) and lengths (B,), to scores (B, 1)."""
        return self.score(self.encode_image(x), self.encode_condition(condition, lengths))

    def encode_image(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) to features (B, M)."""
        x = self.stages(x.contiguous(memory_format=torch.channels_last))
        features: Tensor = self.features(x.permute(0, 2, 3, 1).flatten(1))  # in the order of memory
        return features

    def encode_condition(self, condition: Tensor | None = None, lengths: Tensor | None = None) -> Tensor | None:
        """Labels (B,), or codes (B, T) and lengths (B,), to features (B, M); None without a condition."""
        return None if self.reader is None else self.reader(condition, lengths)

    def score(self, image: Tensor, condition: Tensor | None = None) -> Tensor:
        """Features of images and of conditions, (B, M) each, to scores (B, 1)."""
        scores: Tensor = self.head(image)
        return scores if condition is None else scores + (image * condition).sum(dim=1, keepdim=True) / MIXED**0.5

    def match(self, image: Tensor, condition: Tensor) -> Tensor:
        """The part of the score that each condition adds for each image, by features: (B, M) and (N, M) to (B, N)."""
        return image @ condition.T / MIXED**0.5


def halvings(height: int, width: int) -> list[tuple[int, int]]:
    """Sizes from an image's own to the coarsest feature map, each half of the one before, rounded down.

    Raises:
        ValueError: a side is below 4.
    """
    if min(height, width) < 4:
        raise ValueError(f"images of {height} x {width} pixels are too small to generate; they need 4 each way")
    sizes = [(height, width)]
    while max(sizes[-1]) > COARSEST and min(sizes[-1]) >= 4:
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    return sizes


def _check_objects(objects: int, codes: int, size: tuple[int, int], latent_dim: int) -> None:
    check.whole("objects", objects, 0)
    if objects and not codes:
        raise ValueError(f"objects are of a text's scene, got {objects} without a text")
    if objects and len(halvings(*size)) == 1:
        raise ValueError(f"images of {size[0]} x {size[1]} pixels are too small for objects; they need 8 each way")
    if objects and latent_dim < (least := 2 * ANGLES + objects):
        raise ValueError(f"latent_dim must be at least {least} for {objects} objects, got {latent_dim}")


def _noise(latent_dim: int, seed: int) -> Tensor:
    return torch.randn(latent_dim, generator=torch.Generator().manual_seed(seed % 2**63))
