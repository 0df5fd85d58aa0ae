"""A sentence, and another one that says the same: what a translator reads, and what it writes."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from zoo.errors import SpecError
from zoo.spec.sentence import split_words
from zoo.spec.subwords import MARK
from zoo.spec.text import UNKNOWN, Text, Tokens, check_length

if TYPE_CHECKING:
    import numpy as np

COPIED = "�"  # stands in a text for a word of the source; no vocabulary has it


def tokens_of(text: str, level: str, lowercase: bool) -> list[str]:
    """Split a sentence into words and punctuation marks, or into characters; blanks count once.

    Unlike those of `zoo.spec.text.tokenise`, words keep what is within them: well-known and 10,000 are one word each.

    Args:
        text: the sentence.
        level: `words` or `characters`.
        lowercase: whether capitals are taken for small letters.
    """
    text = " ".join(unicodedata.normalize("NFKC", text).replace("’", "'").split())
    text = text.lower() if lowercase else text
    return list(text) if level == "characters" else split_words(text)


@dataclass(frozen=True)
class SourceText(Text):
    """A sentence to be translated, stored as codes (T,).

    Args:
        vocabulary, closed, tokenizer, max_length: as in `Text`.
        level: the tokens are `words` (with punctuation marks, as `tokens_of` splits them), `characters` or `subwords`.
        lowercase: whether capitals are taken for small letters; of subwords, the tokenizer says it.
        such_as: a sentence that shows people what it takes; empty for one of the first tokens.

    Raises:
        SpecError: as `Text`; `lowercase` is not a bool, `such_as` no str, or `max_length` None.
    """

    word: ClassVar[str] = "source text"

    max_length: int = 100
    lowercase: bool = True
    such_as: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.lowercase) is not bool:
            raise SpecError(f"lowercase is true or false, not {self.lowercase!r}")
        if not isinstance(self.such_as, str):
            raise SpecError(f"such_as is a str, not {type(self.such_as).__name__}")
        check_length(self.max_length)  # which a text may leave open, and a sentence to be translated may not

    def tokens(self, raw: str) -> list[str]:
        """The tokens of a sentence, known or not."""
        return super().tokens(raw) if self.level == "subwords" else tokens_of(raw, self.level, self.lowercase)

    def example(self) -> str:
        return repr(self.such_as) if self.such_as else super().example()

    def sample(self, random: np.random.Generator, *, length: int, side: int) -> tuple[str]:
        if self.level == "subwords":
            return super().sample(random, length=length, side=side)
        known = [token for token in self.vocabulary if self.tokens(token) == [token]] or list(self.vocabulary)
        separator = "" if self.level == "characters" else " "
        return (separator.join(random.choice(known, min(length, self.max_length))),)

    def answered(self, raw: str, answer: dict[str, Any]) -> dict[str, Any]:
        """An answer with the words of the source where `TargetText.decode` says that they are copied."""
        if "copied" not in answer:
            return answer
        tokens = self.tokens(raw)
        copied = [tokens[place] for place in answer["copied"]]
        pieces = answer["text"].split(COPIED)
        if self.level == "subwords":
            copied = [token.replace(MARK, " ") for token in copied]
        text = "".join(piece + word for piece, word in zip(pieces, [*copied, ""])).strip()
        return {**answer, "text": text, "copied": copied}


@dataclass(frozen=True)
class TargetText(Tokens):
    """A translation of at most `max_length` tokens; arguments and codes as in `Tokens`.

    A code below 0 is a word of the source: -1 the first, -2 the second, and so on.
    """

    word: ClassVar[str] = "translation"

    def decode(self, output: tuple[Tensor, Tensor]) -> list[dict[str, Any]]:
        """Turn codes (B, T) and the log-probabilities (B,) of the texts into B answers.

        Where words of the source are copied, the text has `�` for each, and `copied` has their places in the source.
        """
        codes, likelihoods = output
        answers = super().decode((codes.clamp(min=0).masked_fill(codes < 0, UNKNOWN), likelihoods))
        for answer, row in zip(answers, codes.tolist()):
            if places := [-1 - code for code in row if code < 0]:
                answer["copied"] = places
        return answers
