"""A scene that is drawn object by object, each in a frame of its own that is set somewhere over the others.

Yang et al., "LR-GAN: layered recursive generative adversarial networks", 2017; the frame is as in Eslami et al.,
"Attend, infer, repeat", 2016.

Shape letters: B batch, C channels, H height, W width, h and w those of a frame, T tokens, S numbers of a word,
L numbers of noise, M features of an image, K objects of a scene, N = B K pictures.
"""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from zoo.models.gan.conditions import MAPPED, WORD, Read, mapping
from zoo.models.rnn.recurrent import Stack

fx.wrap("framed_at")
fx.wrap("told_of_objects")

ANGLES = 2  # of noise, by which objects are placed
OWN = 3  # words in a row that an object is drawn by: of a size, a colour and a shape
LEAST = 1 / 3  # of the share of the surest of them, that another one has
TOLD = 0.7  # how far each of them tells, as much as the shares of sure words in training


class Scene(nn.Module):
    """Where the objects of a text's scene are, which of them is nearer, and what the text says of each.

    Args:
        channels: C of the images.
        objects: K.
        latent_dim: L, at least twice `ANGLES` and K together.
        embedding_dim: E of the texts' conditions.
        frame, size: h and w of an object's picture, H and W of the image.
    """

    def __init__(
        self,
        channels: int,
        objects: int,
        latent_dim: int,
        embedding_dim: int,
        frame: tuple[int, int],
        size: tuple[int, int],
    ) -> None:
        super().__init__()
        self.count, self.frame, self.size = objects, frame, size
        self.parser = Stack("gru", WORD, WORD // 2, bidirectional=True)
        self.of_object = nn.Linear(WORD, objects + 1)
        self.of_looks = (latent_dim - 2 * ANGLES) // objects  # numbers of noise for each object
        self.mapping = mapping(self.of_looks + WORD)
        self.centres = nn.Sequential(mapping(2 * ANGLES + embedding_dim), nn.Linear(MAPPED, 2 * objects))
        self.nearness = nn.Linear(WORD, 1, bias=False)
        self.ground = nn.Linear(MAPPED, channels)

    def attend(self, read: Read) -> Tensor:
        """What texts say of each object (B, K, S): the sum of a row of `OWN` words, or of all in a shorter text.

        Objects compete for each word, and some words speak for none (Locatello et al., "Object-centric learning with
        slot attention", 2020). The likelier all words of a row are an object's own, the likelier the row is; in
        training each row counts as much as it is likely, and later the likeliest alone. What stands around a word
        decides; what is added up is the word as it is. An object is told no more: what else a sentence says, such as
        where it is, must not change how it looks.
        """
        parsed = self.parser(read.words, read.lengths)
        own = self.of_object(parsed).float().log_softmax(dim=2)[:, :, : self.count]  # B, T, K
        told = told_of_objects(own, read.lengths, sure=not self.training)
        return told.to(read.words.dtype) @ read.words

    def objects(self, noise: Tensor, words: Tensor) -> Tensor:
        """Noise (B, L) and what `attend` gives to codes of the objects (B K, M).

        Each has its own part of the noise. They are told nothing else, so that each can be one object alone.
        """
        noise = noise[:, 2 * ANGLES :][:, : self.count * self.of_looks].unflatten(1, (self.count, self.of_looks))
        codes: Tensor = self.mapping(torch.cat([noise, words.to(noise.dtype)], dim=2))
        return codes.flatten(0, 1)

    def places(self, noise: Tensor, features: Tensor) -> Tensor:
        """Noise (B, L) and conditions (B, E) to the middles of objects (B K, 2) in -1..1, down and across.

        Of the noise only a few angles count. A network turns an angle into a place at any side of something, at one
        distance, by a linear step. From many numbers come places near the middle: their sum is normal.
        """
        angles = functional.normalize(noise[:, : 2 * ANGLES].unflatten(1, (ANGLES, 2)), dim=2).flatten(1)
        centres: Tensor = self.centres(torch.cat([angles, features.to(angles.dtype)], dim=1))
        return centres.float().tanh().view(-1, 2)

    def forward(self, whole: Tensor, centres: Tensor, words: Tensor, drawn: Tensor) -> Tensor:
        """Set the pictures of objects on the ground.

        Args:
            whole: codes of noise and text (B, M).
            centres: as `places` gives them.
            words: as `attend` gives them; one rule for all objects tells by them which is nearer.
            drawn: pictures of the objects (B K, C + 1, h, w).

        Returns:
            Images (B, C, H, W) in -1..1.
        """
        colours, opacities = drawn[:, :-1].tanh(), drawn[:, -1:].sigmoid()
        layers = framed_at(torch.cat([colours * opacities, opacities], dim=1), centres, self.frame, self.size)
        layers = layers.view(-1, self.count, *layers.shape[1:])
        nearness = self.nearness(words)[:, :, 0].float()
        return overlaid(self.ground(whole).float().tanh(), layers, nearness, self.count)


def told_of_objects(own: Tensor, lengths: Tensor, *, sure: bool) -> Tensor:
    """How far each word is told to each object, (B, K, T) in 0..1: its own words of the row that is the object's.

    In training each row counts as much as it is likely, and each of its words as much as it is the object's own. Later
    there is the likeliest row alone, and its words tell alike.

    Args:
        own: log-probability that a word is an object's own (B, T, K).
        lengths: words of each text (B,).
        sure: whether training is over.
    """
    place = torch.arange(own.shape[1], device=own.device)
    real = (place < lengths[:, None])[:, None]  # B, 1, T
    begins = (place <= (lengths[:, None] - OWN).clamp(min=0))[:, None]  # a whole row, or that of a shorter text
    own = own.transpose(1, 2).masked_fill(~real, 0)
    padded = functional.pad(own, (0, OWN - 1))
    rows = (OWN * functional.avg_pool1d(padded, OWN, 1)).masked_fill(~begins, -torch.inf)  # B, K, T by their first word
    likely = (place == rows.argmax(dim=2, keepdim=True)).to(rows.dtype) if sure else rows.softmax(dim=2)
    in_row = OWN * functional.avg_pool1d(functional.pad(likely, (OWN - 1, 0)), OWN, 1)
    shares = in_row * own.exp() * real
    return TOLD * (shares > LEAST * shares.amax(dim=2, keepdim=True)).to(shares.dtype) if sure else shares


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
