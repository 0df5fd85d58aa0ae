"""Text: words or characters as codes, and codes as text.

Code 0 is padding; it also marks where a text that is given ends, and where it begins. Code 1 is whatever the
vocabulary does not hold, and from 2 on come its words (or characters).

Shape letters: B batch, T tokens, V codes (the vocabulary and the two others).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from zoo.errors import SpecError, unknown

PAD, UNKNOWN, FIRST = 0, 1, 2  # codes; FIRST is that of the vocabulary's first entry
LEVELS = ("words", "characters")
MAX_TOKENS = 2**20  # of a padded batch: some gigabytes in a network of usual size
_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
_NO_SPACE_BEFORE = re.compile(r" (?=[.,;:!?%)\]}…])")
_NO_SPACE_AFTER = re.compile(r"(?<=[(\[{]) ")


def tokenise(text: str, level: str) -> list[str]:
    """Cut a text into lower-case words, and punctuation and symbols one by one; or into characters as they are."""
    if level == "characters":
        return list(text)
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower().replace("’", "'"))


def join(tokens: Iterable[str], level: str) -> str:
    """Undo `tokenise`, as far as that can be done."""
    if level == "characters":
        return "".join(tokens)
    return _NO_SPACE_AFTER.sub("", _NO_SPACE_BEFORE.sub("", " ".join(tokens)))


def learn_vocabulary(texts: Iterable[str], level: str = "words", fewest: int = 1) -> tuple[str, ...]:
    """The tokens that texts hold at least `fewest` times, the most frequent first."""
    counts = Counter(token for text in texts for token in tokenise(text, level))
    return tuple(sorted((t for t, n in counts.items() if n >= fewest), key=lambda token: (-counts[token], token)))


@dataclass(frozen=True)
class Text:
    """A text, held as codes (T,).

    Args:
        vocabulary: the tokens that the network knows.
        level: what a token is: `words` (lower case; punctuation and symbols are tokens too) or `characters`.
        closed: whether a text that holds another token is refused, since nothing was learned of such; otherwise all of
            those have the code 1.

    Raises:
        SpecError: a vocabulary that is empty or holds something twice, an unknown level, or closed is no bool.
    """

    word: ClassVar[str] = "text"
    takes: ClassVar[tuple[str, ...]] = ("text",)
    example: ClassVar[str] = '"some text"'

    vocabulary: tuple[str, ...]
    level: str
    closed: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "vocabulary", checked_vocabulary(self.vocabulary, self.level))
        if type(self.closed) is not bool:
            raise SpecError(f"closed is true or false, not {self.closed!r}")

    @property
    def codes(self) -> int:
        """V."""
        return len(self.vocabulary) + FIRST

    def encode(self, raw: str) -> Tensor:
        """Turn a text into codes, int64 (T,).

        Raises:
            SpecError: it is no str, nothing is in it, or it holds a token that a closed vocabulary does not.
        """
        if not isinstance(raw, str):
            raise SpecError(f"a text is a str, not {type(raw).__name__}; for several texts give a list")
        tokens = tokenise(raw, self.level)
        if not tokens:
            raise SpecError(f"the text {raw[:20]!r} holds no {self.level}; give at least one")
        if self.closed:
            for token in tokens:
                if token not in self._index:
                    raise SpecError(unknown(self.level.removesuffix("s"), token, self.vocabulary))
        return torch.tensor([self._index.get(token, UNKNOWN) for token in tokens])

    def collate(self, examples: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Turn B texts, each (T,), into codes (B, T), padded with 0, and their lengths (B,).

        Raises:
            SpecError: the batch would not fit into memory.
        """
        lengths = torch.tensor([len(example) for example in examples])
        if (size := len(examples) * int(lengths.max())) > MAX_TOKENS:
            raise SpecError(
                f"{len(examples)} texts, the longest of {int(lengths.max()):,} {self.level}, take {size:,} places "
                f"together, and {MAX_TOKENS:,} is the limit; give long texts one at a time, or in parts"
            )
        return pad_sequence(list(examples), batch_first=True, padding_value=PAD), lengths

    def prepare(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Codes (B, T) and lengths (B,): what the network takes is what `collate` gives."""
        codes, lengths = batch
        return codes, lengths

    @cached_property
    def _index(self) -> dict[str, int]:
        return {token: code for code, token in enumerate(self.vocabulary, start=FIRST)}


@dataclass(frozen=True)
class Tokens:
    """A text that comes out, of at most `max_length` tokens; the network writes codes (B, T), which 0 ends.

    Args:
        vocabulary, level: as in `Text`.
        max_length: the most tokens that are written, at least 1.

    Raises:
        SpecError: one of them is impossible.
    """

    word: ClassVar[str] = "text"

    vocabulary: tuple[str, ...]
    level: str
    max_length: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "vocabulary", checked_vocabulary(self.vocabulary, self.level))
        if type(self.max_length) is not int or not 1 <= self.max_length <= MAX_TOKENS:
            raise SpecError(f"max_length must be a whole number from 1 to {MAX_TOKENS}, not {self.max_length!r}")

    @property
    def codes(self) -> int:
        """V."""
        return len(self.vocabulary) + FIRST

    @property
    def as_input(self) -> Text:
        """The same text, where it goes in."""
        return Text(self.vocabulary, self.level)

    def read(self, codes: Tensor) -> list[str]:
        """Turn codes (B, T) into B texts, each up to its first 0; an unknown token is `�`."""
        tokens = ("", "�", *self.vocabulary)
        rows = [row[: row.index(PAD)] if PAD in row else row for row in codes.tolist()]
        return [join((tokens[code] for code in row), self.level) for row in rows]

    def decode(self, output: tuple[Tensor, Tensor]) -> list[dict[str, Any]]:
        """Turn what was written, codes (B, T) and the log-probabilities (B,) of all of it, into B answers."""
        codes, likelihoods = output
        return [
            {"text": text, "confidence": confidence}
            for text, confidence in zip(self.read(codes), likelihoods.double().exp().tolist())
        ]


def checked_vocabulary(vocabulary: object, level: object) -> tuple[str, ...]:
    """A vocabulary as a tuple.

    Raises:
        SpecError: it is empty or holds something twice, or an unknown level.
    """
    if level not in LEVELS:
        raise SpecError(unknown("level of a text", str(level), LEVELS))
    if not isinstance(vocabulary, (list, tuple)) or not all(isinstance(token, str) and token for token in vocabulary):
        raise SpecError("a vocabulary is a list of strings, none of them empty")
    if not vocabulary:
        raise SpecError("a vocabulary holds at least one token")
    if len(set(vocabulary)) != len(vocabulary):
        raise SpecError("the tokens of a vocabulary must differ")
    return tuple(vocabulary)
