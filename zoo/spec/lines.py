"""A line of text as a picture, and what it says.

Shape letters: B batch, W width, H height, T time (steps), K characters of the alphabet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from zoo.errors import SpecError
from zoo.spec import ctc
from zoo.spec.image import read_image

if TYPE_CHECKING:
    from zoo.spec import Encoded
    from zoo.spec.image import RawImage

MAX_WIDTH = 16_384  # columns of an encoded line
MAX_HEIGHT = 256
LEXICON_BEAM = 32  # narrower, and too few of the texts that are followed have only words of the lexicon


@dataclass(frozen=True)
class TextLine:
    """A picture of one line of text: grey, of a fixed height and any width.

    Args:
        height: pixels; 32 shows letters of usual documents well.

    Raises:
        SpecError: the height is impossible.
    """

    word: ClassVar[str] = "line of text"
    takes: ClassVar[tuple[str, ...]] = ("image",)
    example: ClassVar[str] = '"line.png"'

    height: int

    def __post_init__(self) -> None:
        if type(self.height) is not int or not 8 <= self.height <= MAX_HEIGHT:
            raise SpecError(f"a line's height is from 8 to {MAX_HEIGHT} pixels, not {self.height!r}")

    def encode(self, raw: RawImage) -> Tensor:
        """Turn one raw picture into its columns: uint8 (W, H), scaled to the height, with W as its shape asks for.

        Args:
            raw: a path, a PIL image or an array, as for `Image`.

        Raises:
            SpecError: it cannot be read, is no picture, or is far too wide for a line.
        """
        import numpy as np
        import PIL.Image

        picture = read_image(raw).convert("L")
        width = max(1, round(picture.width * self.height / picture.height))
        if width > MAX_WIDTH:
            raise SpecError(
                f"a line of {picture.width} x {picture.height} pixels is too wide: at most "
                f"{MAX_WIDTH // self.height} times as wide as high can be read; cut it into pieces"
            )
        if picture.size != (width, self.height):
            picture = picture.resize((width, self.height), PIL.Image.Resampling.BICUBIC)
        return torch.from_numpy(np.array(picture)).T.contiguous()

    def collate(self, encoded: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Turn B encoded lines into (padded, lengths): uint8 (B, W, H), with zeros beyond each line's end, and (B,)."""
        lengths = torch.tensor([len(line) for line in encoded])
        return torch.nn.utils.rnn.pad_sequence(list(encoded), batch_first=True), lengths

    def prepare(self, batch: Encoded) -> tuple[Tensor, Tensor]:
        """Turn uint8 (B, W, H) into float32 (B, 1, H, W) of mean 0 and standard deviation 1 over each line.

        So a pale scan looks like a dark one. Beyond a line's end there are zeros.
        """
        padded, lengths = batch
        inside = (torch.arange(padded.shape[1], device=padded.device) < lengths[:, None])[:, :, None]  # B, W, 1
        pixels = padded.float()
        count = lengths[:, None, None] * padded.shape[2]
        centred = (pixels - (pixels * inside).sum(dim=(1, 2), keepdim=True) / count) * inside
        deviation = (centred.square().sum(dim=(1, 2), keepdim=True) / count).sqrt()
        return (centred / deviation.clamp(min=1)).transpose(1, 2)[:, None], lengths  # a blank line stays blank

    def restore(self, batch: tuple[Tensor, Tensor]) -> list[Tensor]:
        """The pictures of a batch as they were encoded, without padding: uint8 (H, W) each, on the CPU."""
        padded, lengths = batch
        return [line[:length].T.cpu() for line, length in zip(padded, lengths.tolist())]


@dataclass(frozen=True)
class Transcript:
    """A text over an alphabet; the network gives logits (B, T, 1 + K) a step, the first of them for the blank of CTC.

    Beyond a line's end the network gives the blank all the probability, so that steps need no lengths.

    Args:
        alphabet: the characters, each once.

    Raises:
        SpecError: it is no string, empty, or has a character twice.
    """

    word: ClassVar[str] = "transcript"

    alphabet: str

    def __post_init__(self) -> None:
        if not isinstance(self.alphabet, str) or not self.alphabet:
            raise SpecError("an alphabet is a string of at least one character")
        for character, count in Counter(self.alphabet).items():
            if count > 1:
                raise SpecError(f"the alphabet has {character!r} twice")

    def encode(self, text: str) -> Tensor:
        """Turn a text into symbols (L,), from 1.

        Raises:
            SpecError: a character is not in the alphabet.
        """
        for character in text:
            if character not in self.alphabet:
                raise SpecError(f"{character!r} in {text!r} is not in the alphabet {self.alphabet!r}")
        return torch.tensor([self.alphabet.index(character) + 1 for character in text], dtype=torch.long)

    def text(self, symbols: Sequence[int]) -> str:
        """Turn symbols back into a text."""
        return "".join(self.alphabet[symbol - 1] for symbol in symbols)

    def decode(self, output: Tensor, *, beams: int = 1, lexicon: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Turn logits (B, T, 1 + K) into B answers: the text, and its probability (the sum over all its paths).

        Args:
            output: the logits.
            beams: 1 follows the likeliest path; more is the width of a prefix beam search, which sums over paths.
            lexicon: words; every run of letters in the text is then one of them, whatever its case. Where no such
                text is found, the answer is the one without a lexicon.

        Raises:
            SpecError: beams is not a positive number, or the lexicon no list of words.
        """
        if type(beams) is not int or beams < 1:
            raise SpecError(f"beams must be a whole number of at least 1, got {beams!r}")
        log_probabilities = output.float().log_softmax(dim=2)
        texts: list[Sequence[int]] = list(ctc.best_paths(log_probabilities))
        if beams > 1 or lexicon is not None:
            words = None if lexicon is None else ctc.Lexicon(lexicon)
            width = beams if words is None else max(beams, LEXICON_BEAM)
            for row, steps in enumerate(log_probabilities.cpu()):
                found = ctc.beam_search(steps, self.alphabet, width, words)
                texts[row] = texts[row] if found is None else found
        likelihoods = ctc.log_likelihoods(log_probabilities, texts).exp().clamp(max=1).tolist()
        return [{"text": self.text(text), "confidence": p} for text, p in zip(texts, likelihoods)]
