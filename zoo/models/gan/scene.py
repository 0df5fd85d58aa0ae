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
from zoo.models.rnn.recurrent import Stack, real_steps

fx.wrap("framed_at")

OWN = 3  # words in a row that an object is drawn by: of a size, a colour and a shape
TOLD = 0.9  # how far each of them tells, as much as the shares of sure words in training


class Scene(nn.Module):
    """Where the objects of a text's scene are, which of them is nearer, and what the text says of each.

    Args:
        channels: C of the images.
        objects: K.
        latent_dim: L.
        frame, size: h and w of an object's picture, H and W of the image.
    """

    def __init__(
        self, channels: int, objects: int, latent_dim: int, frame: tuple[int, int], size: tuple[int, int]
    ) -> None:
        super().__init__()
        self.count, self.frame, self.size = objects, frame, size
        self.parser = Stack("gru", WORD, WORD // 2, bidirectional=True)
        self.of_object = nn.Linear(WORD, objects + 1)
        self.mapping = mapping(latent_dim + WORD)
        self.centres = nn.Linear(MAPPED, 2 * objects)
        self.nearness = nn.Linear(WORD, 1, bias=False)
        self.ground = nn.Linear(MAPPED, channels)

    def attend(self, read: Read) -> Tensor:
        """What texts say of each object (B, K, S): the sum of its words.

        Objects compete for each word, and some words speak for none (Locatello et al., "Object-centric learning with
        slot attention", 2020). What stands around a word decides; what is added up is the word as it is. In training
        words are shared. Later, each belongs to one object alone, which is told no more than its own few: what else a
        sentence says, such as where it is, must not change how it looks.
        """
        parsed = self.parser(read.words, read.lengths)
        shares = self.of_object(parsed).float().softmax(dim=2)[:, :, : self.count]  # B, T, K
        shares = shares * real_steps(read.words, read.lengths)
        if not self.training:
            shares = TOLD * own_words(shares).to(shares.dtype)
        return shares.to(read.words.dtype).transpose(1, 2) @ read.words

    def objects(self, noise: Tensor, words: Tensor) -> Tensor:
        """Noise (B, L) and what `attend` gives to codes of the objects (B K, M).

        They are told nothing else, so that each can be one object alone.
        """
        noise = noise[:, None].expand(-1, self.count, -1)
        codes: Tensor = self.mapping(torch.cat([noise, words.to(noise.dtype)], dim=2))
        return codes.flatten(0, 1)

    def forward(self, whole: Tensor, words: Tensor, drawn: Tensor) -> Tensor:
        """Set the pictures of objects on the ground.

        Args:
            whole: codes of noise and text (B, M).
            words: as `attend` gives them; one rule for all objects tells by them which is nearer.
            drawn: pictures of the objects (B K, C + 1, h, w).

        Returns:
            Images (B, C, H, W) in -1..1.
        """
        colours, opacities = drawn[:, :-1].tanh(), drawn[:, -1:].sigmoid()
        centres = self.centres(whole).float().tanh().view(-1, 2)
        layers = framed_at(torch.cat([colours * opacities, opacities], dim=1), centres, self.frame, self.size)
        layers = layers.view(-1, self.count, *layers.shape[1:])
        nearness = self.nearness(words)[:, :, 0].float()
        return overlaid(self.ground(whole).float().tanh(), layers, nearness, self.count)


def own_words(shares: Tensor) -> Tensor:
    """Which words belong to which object, bool (B, T, K), given their shares.

    An object has the `OWN` words in a row, such as "small red circle", that are more its own than any others; of them
    those that are more its own than another's.
    """
    largest = torch.where(shares == shares.amax(dim=2, keepdim=True), shares, 0)
    padded = functional.pad(largest.transpose(1, 2), (OWN - 1, OWN - 1))  # B, K, T + 2 (OWN - 1)
    last = functional.avg_pool1d(padded, OWN, 1).argmax(dim=2)[:, None]  # B, 1, K: where the best row of words ends
    place = torch.arange(shares.shape[1], device=shares.device)[:, None]  # T, 1
    return (largest > 0) & (place <= last) & (place > last - OWN)


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
