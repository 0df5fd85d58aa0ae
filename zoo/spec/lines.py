"""A line of text as an image, and its transcript.

Shape letters: B batch, W width, H height, T time (steps), K characters of the alphabet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from zoo import check
from zoo.errors import SpecError
from zoo.spec import ctc
from zoo.spec.calibration import UNCALIBRATED, Calibration
from zoo.spec.image_files import read_image
from zoo.spec.ink import Fitted, cut_out, fitted, scaled
from zoo.spec.kind import InputKind

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

    from zoo.spec import Encoded
    from zoo.spec.image_files import RawImage

MAX_WIDTH = 16_384  # pixel columns of an encoded line
MAX_HEIGHT = 256
LEXICON_BEAMS = 32  # with fewer, too few beams have only words of the lexicon
BEAMS_A_READING = 4
LANGUAGE_WEIGHT = 0.3
SURE = 0.5  # the probability of a text from which a line is not read again
NEAR = 4  # steps, about half a letter


@dataclass(frozen=True)
class TextLine(InputKind):
    """A grey image of one line of text, of fixed height and any width.

    Args:
        height: pixels; 32 is enough for the letters of usual documents.

    Raises:
        SpecError: the height is impossible.
    """

    word: ClassVar[str] = "line of text"
    takes: ClassVar[tuple[str, ...]] = ("image",)
    reads_files: ClassVar[bool] = True

    height: int

    def __post_init__(self) -> None:
        if type(self.height) is not int or not 8 <= self.height <= MAX_HEIGHT:
            raise SpecError(f"a line's height is from 8 to {MAX_HEIGHT} pixels, not {self.height!r}")

    def example(self) -> str:
        return '"line.png"'

    def sample(self, random: np.random.Generator, *, length: int, side: int) -> tuple[np.ndarray]:
        return (random.integers(0, 256, (self.height, 4 * length, 1), dtype="uint8"),)

    def encode(self, raw: RawImage | Fitted) -> Tensor:
        """Turn a raw image into its pixel columns, uint8 (W, H), scaled to the height.

        Args:
            raw: a path, a PIL image or an array, as for `Image`; or a `Fitted` line, which is scaled alone.

        Raises:
            SpecError: it cannot be read, is not an image, or is far too wide for a line.
        """
        image = scaled(raw.image, self.height) if isinstance(raw, Fitted) else fitted(read_image(raw), self.height)
        if image.width > MAX_WIDTH:
            raise SpecError(
                f"a line of text is too wide: at most {MAX_WIDTH // self.height} times as wide as high can be read; "
                "cut it into pieces"
            )
        return _columns(image)

    def resized(self, batch: Encoded, rows: Sequence[int], cut: float) -> tuple[Tensor, Tensor]:
        """Some lines of an encoded batch with letters of another size, in lines of the same height.

        Args:
            batch: the encoded batch.
            rows: the places of the lines in it.
            cut: which part of the height is cut off above and below, or added as paper where it is negative.
        """
        import numpy as np
        import PIL.Image

        padded, lengths = batch
        more = -round(cut * self.height)
        lines = [padded[row, : lengths[row]].T.numpy() for row in rows]
        resized = [cut_out(line, 0, -more, line.shape[1], self.height + more, int(np.median(line))) for line in lines]
        return self.collate([_columns(scaled(PIL.Image.fromarray(line), self.height)) for line in resized])

    def collate(self, encoded: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Turn B encoded lines into uint8 (B, W, H), padded with 0, and their lengths (B,)."""
        lengths = torch.tensor([len(line) for line in encoded])
        return torch.nn.utils.rnn.pad_sequence(list(encoded), batch_first=True), lengths

    def prepare(self, batch: Encoded) -> tuple[Tensor, Tensor]:
        """Turn uint8 (B, W, H) into float32 (B, 1, H, W) with mean 0 and standard deviation 1 over each line.

        Thus pale scans look like dark ones. Beyond a line's end there are zeros.
        """
        padded, lengths = batch
        inside = (torch.arange(padded.shape[1], device=padded.device) < lengths[:, None])[:, :, None]  # B, W, 1
        pixels = padded.float()
        count = lengths[:, None, None] * padded.shape[2]
        centred = (pixels - (pixels * inside).sum(dim=(1, 2), keepdim=True) / count) * inside
        deviation = (centred.square().sum(dim=(1, 2), keepdim=True) / count).sqrt()
        return (centred / deviation.clamp(min=1)).transpose(1, 2)[:, None], lengths  # a blank line stays blank

    def restore(self, batch: tuple[Tensor, Tensor]) -> list[Tensor]:
        """The images of a batch without padding: uint8 (H, W) each, on the CPU."""
        padded, lengths = batch
        return [line[:length].T.cpu() for line, length in zip(padded, lengths.tolist())]


@dataclass(frozen=True)
class Transcript:
    """A text over an alphabet; the network gives logits (B, T, 1 + K), the first of each step for the blank of CTC.

    Beyond a line's end the network gives the blank a probability of 1, so that no lengths are needed.

    Args:
        alphabet: all characters.

    Raises:
        SpecError: the alphabet is not a string, is empty, or has a character twice.
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

    def unsure(self, output: Tensor) -> list[int]:
        """The places of logits (B, T, 1 + K) whose most likely path's text has a probability of less than `SURE`."""
        steps = output.float().log_softmax(dim=2)
        likelihoods = ctc.log_likelihoods(steps, ctc.best_paths(steps)).exp()
        return (likelihoods < SURE).nonzero().flatten().tolist()

    def likeliest(self, readings: Sequence[Tensor]) -> int:
        """Which of several readings of one line, log-probabilities (T, 1 + K) each, has the likeliest text.

        Each reading counts alike: a text's probability is the mean over all.
        """
        read = [tuple(ctc.best_paths(steps[None])[0]) for steps in readings]
        texts = list(dict.fromkeys(read))
        of_each = [ctc.log_likelihoods(steps.expand(len(texts), -1, -1), texts) for steps in readings]
        return read.index(texts[int(torch.stack(of_each).logsumexp(dim=0).argmax())])

    def likelier(self, output: Tensor, others: Sequence[Tensor], rows: Sequence[int]) -> Tensor:
        """The logits of a batch, where lines that were read again have those of the likeliest reading of each word.

        Args:
            output: logits (B, T, 1 + K).
            others: logits of each further reading of some lines.
            rows: the places in `output` of those lines.
        """
        lines = list(output)
        for row, *again in zip(rows, *others):
            readings = [steps.float().log_softmax(dim=1) for steps in (output[row], *again)]
            lines[row] = torch.cat([words[self.likeliest(words)] for words in self._by_word(readings)])
        steps = max(len(line) for line in lines)
        return torch.cat([ctc.lengthened(line[None], steps) for line in lines])

    def _by_word(self, readings: Sequence[Tensor]) -> list[list[Tensor]]:
        """Readings of one line (T, 1 + K), cut behind the spaces that all of them have at about the same place."""
        spaces, extents = zip(*map(self._spaces, readings))
        cuts: list[list[int]] = [[] for _ in readings]
        for place in spaces[0]:
            scales = [extent / extents[0] for extent in extents]
            same = [
                min(ends, default=0, key=lambda end: abs(end - place * scale)) for ends, scale in zip(spaces, scales)
            ]
            near = all(abs(end - place * scale) < NEAR * scale for end, scale in zip(same, scales))
            if near and all(end > max(cut, default=0) for end, cut in zip(same, cuts)):
                for cut, end in zip(cuts, same):
                    cut.append(end)
        return [list(words) for words in zip(*(steps.tensor_split(cut) for steps, cut in zip(readings, cuts)))]

    def _spaces(self, steps: Tensor) -> tuple[list[int], int]:
        """The steps behind the spaces within a reading (T, 1 + K), and the one behind its last character."""
        best = steps.argmax(dim=1)
        written = (best != ctc.BLANK).nonzero()[:, 0].tolist()
        if not written or " " not in self.alphabet:
            return [], 1
        is_space = best == self.alphabet.index(" ") + 1
        ends = (is_space[:-1] & ~is_space[1:]).nonzero()[:, 0] + 1
        return [end for end in ends.tolist() if end <= written[-1]], written[-1] + 1

    def decode(
        self,
        output: Tensor,
        calibration: Calibration = UNCALIBRATED,
        *,
        num_beams: int = 1,
        n: int = 1,
        lexicon: Sequence[str] | None = None,
        language_model: ctc.NextCharacter | None = None,
        language_weight: float = LANGUAGE_WEIGHT,
    ) -> list[dict[str, Any]]:
        """Turn logits (B, T, 1 + K) into B answers: the text, and its probability (the sum over all its paths).

        Args:
            output: the logits.
            calibration: its temperature, by which logits are divided.
            num_beams: 1 takes the most likely path; more is the width of a prefix beam search, which sums over paths.
            n: from 2 on, `readings` has as many texts, or as many as are found, each with its probability; the first
                is the text.
            lexicon: words; each run of letters in the text is one of them, in any case. If no such text is found, the
                answer is the one without a lexicon.
            language_model: how likely each character of the alphabet is after a text. Readings then share the
                probability that they have together by what the language model says of each.
            language_weight: of its log-probabilities; 0 for no language model.

        Raises:
            SpecError: `num_beams`, `n` or the weight is out of range, or the lexicon is not a list of words.
        """
        try:
            check.whole("num_beams", num_beams)
            check.whole("n", n)
            check.at_least_zero("language_weight", language_weight)
        except ValueError as error:
            raise SpecError(str(error)) from None
        log_probabilities = (output.float() / (calibration.temperature or 1.0)).log_softmax(dim=2)
        texts = ctc.best_paths(log_probabilities)
        if num_beams == 1 and n == 1 and lexicon is None and language_model is None:
            likelihoods = ctc.log_likelihoods(log_probabilities, texts).exp().clamp(max=1).tolist()
            return [{"text": self.text(text), "confidence": p} for text, p in zip(texts, likelihoods)]
        words = None if lexicon is None else ctc.Lexicon(lexicon)
        fusion = ctc.Fusion(language_model, language_weight) if language_model and language_weight else None
        width = max(num_beams, BEAMS_A_READING * n if n > 1 else 1, LEXICON_BEAMS if words or fusion else 1)
        answers = []
        for steps, greedy in zip(log_probabilities.cpu(), texts):
            found = ctc.beam_search(steps, self.alphabet, width, words, fusion) or [(tuple(greedy), 0.0)]
            answers.append(self._answer(steps, found if n > 1 or fusion else found[:1], n))
        return answers

    def _answer(self, steps: Tensor, found: Sequence[tuple[ctc.Text, float]], n: int) -> dict[str, Any]:
        """The answer from texts with the logarithms of their weights, given the log-probabilities (T, 1 + K)."""
        texts = [text for text, _ in found]
        own = ctc.log_likelihoods(steps.expand(len(texts), -1, -1), texts)
        weighted = own + torch.tensor([weight for _, weight in found])
        shares = (weighted.softmax(dim=0) * own.exp().sum()).clamp(max=1)
        ranked = shares.argsort(descending=True, stable=True)[:n].tolist()
        readings = [{"text": self.text(texts[place]), "probability": float(shares[place])} for place in ranked]
        answer = {"text": readings[0]["text"], "confidence": readings[0]["probability"]}
        return answer if n == 1 else {**answer, "readings": readings}


def _columns(image: PIL.Image.Image) -> Tensor:
    """The pixel columns (W, H) of a grey image."""
    import numpy as np

    return torch.from_numpy(np.array(image)).T.contiguous()
