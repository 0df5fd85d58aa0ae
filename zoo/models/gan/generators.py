"""Generators that start from noise, and their discriminators, of the size of DCGAN's.

Radford et al., "Unsupervised representation learning with deep convolutional generative adversarial networks" (DCGAN),
2015, with nearest-neighbour enlargement in place of transposed convolutions (Odena et al., 2016). Noise and condition
set shift and scale of each normalisation (Huang and Belongie, "Arbitrary style transfer in real-time with adaptive
instance normalization", 2017); the discriminator takes the condition by projection (Miyato and Koyama, "cGANs with
projection discriminator", 2018). A sentence is read by a recurrent network (Reed et al., "Generative adversarial text
to image synthesis", 2016), and joined with the noise by a mapping network (Karras et al., "A style-based generator
architecture for generative adversarial networks", 2019). A scene may be drawn object by object, each in a frame of its
own that is set somewhere over the others (Yang et al., "LR-GAN: layered recursive generative adversarial networks",
2017; the frame is as in Eslami et al., "Attend, infer, repeat", 2016).

Shape letters: B batch, C channels, H height, W width, T tokens, L numbers of noise, E numbers of a condition,
M features of an image, K objects of a scene, N = B K pictures.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from zoo import check
from zoo.errors import SpecError
from zoo.models.gan.discriminators import constrain, halving_convolutions
from zoo.models.gan.unet import GROUPS, check_groups, laid_out, skip
from zoo.models.rnn.recurrent import Stack, real_steps

fx.wrap("laid_out")
fx.wrap("framed_at")

COARSEST = 7  # longest side of the first feature map
MAPPED = 256  # numbers of noise and sentence after the mapping network
MIXED = 128  # numbers that set the normalisations, and features of the discriminator before its score


class Labels(nn.Embedding):
    """Labels (B,) of classes to conditions (B, E)."""

    def __init__(self, classes: int, embedding_dim: int) -> None:
        super().__init__(classes, embedding_dim)

    def forward(self, labels: Tensor, lengths: None = None) -> Tensor:
        return super().forward(labels)


@dataclass(frozen=True)
class Read:
    """What a reader gave for texts: their conditions (B, E), their words (B, T, S) and how many those are (B,)."""

    features: Tensor
    words: Tensor
    lengths: Tensor

    def detach(self) -> Read:
        return Read(self.features.detach(), self.words.detach(), self.lengths)

    def __getitem__(self, rows: slice) -> Read:
        return Read(self.features[rows], self.words[rows], self.lengths[rows])


class Sentences(nn.Module):
    """Codes (B, T) of texts, padded after their lengths (B,), to conditions (B, E) of mean 0 and variance 1."""

    def __init__(self, codes: int, embedding_dim: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(codes, MIXED // 2)
        self.stack = Stack("gru", MIXED // 2, MIXED // 2, bidirectional=True)
        self.out = nn.Linear(self.stack.out_features, embedding_dim)

    def forward(self, codes: Tensor, lengths: Tensor) -> Tensor:
        return self.read(codes, lengths).features

    def read(self, codes: Tensor, lengths: Tensor) -> Read:
        words = self.stack(self.embedding(codes), lengths)
        condition: Tensor = self.out(self.stack.pool(words, lengths, "max"))
        return Read(functional.layer_norm(condition, (self.out.out_features,)), words, lengths)


def condition_encoder(classes: int, codes: int, embedding_dim: int) -> Labels | Sentences | None:
    """The encoder of a condition, a label or the codes of a text; None without either."""
    if classes and codes:
        raise ValueError(f"a condition is a class or a text, not both; got {classes} classes and {codes} codes")
    if classes:
        return Labels(classes, embedding_dim)
    return Sentences(codes, embedding_dim) if codes else None


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
        _check_objects(objects, codes, size)
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
            self.scene = Scene(channels, objects, latent_dim, self.reader.stack.out_features, self.sizes[-1], size)

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
        return self.scene(whole, self._drawn(self.scene.objects(noise, read)))

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


class Scene(nn.Module):
    """Where the objects of a text's scene are, which of them is nearer, and what the text says of each.

    Args:
        channels: C of the images.
        objects: K.
        latent_dim: L.
        state_dim: S, numbers of a word of a text.
        frame, size: h and w of an object's picture, H and W of the image.
    """

    def __init__(
        self,
        channels: int,
        objects: int,
        latent_dim: int,
        state_dim: int,
        frame: tuple[int, int],
        size: tuple[int, int],
    ) -> None:
        super().__init__()
        self.count, self.frame, self.size = objects, frame, size
        self.attention = nn.Linear(state_dim, objects)
        self.mapping = mapping(latent_dim + state_dim)
        self.centres = nn.Linear(MAPPED, 2 * objects)
        self.nearness = nn.Linear(MAPPED, objects)
        self.ground = nn.Linear(MAPPED, channels)

    def objects(self, noise: Tensor, read: Read) -> Tensor:
        """Noise (B, L) and what was read of texts to codes of their objects (B K, M).

        Each is told what its own attention finds in the text, and nothing else, so that it can be one object alone.
        """
        absent = ~real_steps(read.words, read.lengths)
        scores = self.attention(read.words).float().masked_fill(absent, float("-inf"))  # B, T, K
        words = scores.softmax(dim=1).to(read.words.dtype).transpose(1, 2) @ read.words  # B, K, S
        noise = noise[:, None].expand(-1, self.count, -1)
        codes: Tensor = self.mapping(torch.cat([noise, words.to(noise.dtype)], dim=2))
        return codes.flatten(0, 1)

    def forward(self, whole: Tensor, drawn: Tensor) -> Tensor:
        """Codes of the whole (B, M) and pictures of the objects (B K, C + 1, h, w) to images (B, C, H, W) in -1..1."""
        colours, opacities = drawn[:, :-1].tanh(), drawn[:, -1:].sigmoid()
        centres = self.centres(whole).float().tanh().view(-1, 2)
        layers = framed_at(torch.cat([colours * opacities, opacities], dim=1), centres, self.frame, self.size)
        layers = layers.view(-1, self.count, *layers.shape[1:])
        return overlaid(self.ground(whole).float().tanh(), layers, self.nearness(whole).float(), self.count)


def mapping(in_features: int) -> nn.Sequential:
    """What is given (B, in_features) to a code (B, M)."""
    return nn.Sequential(nn.Linear(in_features, MAPPED), nn.SiLU(), nn.Linear(MAPPED, MAPPED), nn.SiLU())


def framed_at(pictures: Tensor, centres: Tensor, frame: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Pictures (N, C, h, w) of a frame's size in the midst of nothing, (N, C, H, W), moved by fractions of a pixel too.

    Args:
        centres: (N, 2), down and across; -1 and 1 are the edges of the whole.
        frame, size: h and w, H and W.
    """
    weights = []  # of each old pixel in each new one, (N, 1, new, old) for either axis
    for axis in (0, 1):
        old = torch.arange(frame[axis], device=pictures.device) - (frame[axis] - 1) / 2
        new = torch.arange(size[axis], device=pictures.device) - (size[axis] - 1) / 2
        moved = centres[:, axis, None, None, None] * (size[axis] / 2)
        weights.append((1 - (new[:, None] - old - moved).abs()).clamp(min=0))
    with torch.autocast(pictures.device.type, enabled=False):
        return weights[0] @ pictures @ weights[1].transpose(2, 3)


def overlaid(ground: Tensor, layers: Tensor, nearness: Tensor, count: int) -> Tensor:
    """Colours (B, C) under layers (B, K, C + 1, H, W) to images (B, C, H, W).

    A layer holds its colours times its opacity, and its opacity (Porter and Duff, "Compositing digital images", 1984).
    Of two layers, one lies over the other with the probability sigmoid(difference of their nearness), (B, K) for all;
    the image is the mean over both orders. With more layers it is the mean only where the order is sure.
    """
    opacities = layers[:, :, -1:]  # B, K, 1, H, W
    over = (nearness[:, :, None] - nearness[:, None]).sigmoid()[:, :, :, None, None, None]  # of j over k, (B, j, k, …)
    image = ground[:, :, None, None]
    for place in range(count):
        image = image * (1 - opacities[:, place])
    for place in range(count):
        seen = layers[:, place, :-1]
        for other in range(count):
            if other != place:
                seen = seen * (1 - opacities[:, other] * over[:, other, place])
        image = image + seen
    return image


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
        self.to(memory_format=torch.channels_last)

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


def _check_objects(objects: int, codes: int, size: tuple[int, int]) -> None:
    check.whole("objects", objects, 0)
    if objects and not codes:
        raise ValueError(f"objects are of a text's scene, got {objects} without a text")
    if objects and len(halvings(*size)) == 1:
        raise ValueError(f"images of {size[0]} x {size[1]} pixels are too small for objects; they need 8 each way")


def _noise(latent_dim: int, seed: int) -> Tensor:
    return torch.randn(latent_dim, generator=torch.Generator().manual_seed(seed % 2**63))
