"""Texts as codes: all are split into tokens once, and the vocabulary is learned from those for training.

Shape letters: N texts, S tokens of all texts.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

import numpy as np
import torch

from zoo.data.core.examples import Ragged
from zoo.errors import DataError
from zoo.spec import subwords
from zoo.spec.text import FIRST, UNKNOWN, Text, tokenise

AT_ONCE = 1_000  # texts


class TokenisedTexts:
    """N texts, split into tokens.

    Args:
        texts: the texts.
        level: `words`, `characters` or `subwords`.
        max_length: tokens of a text that are kept, the last ones, which usually hold the conclusion; None for all.
        tokenizer: of subwords, the JSON of `zoo.spec.subwords`.
    """

    def __init__(self, texts: Sequence[str], level: str, max_length: int | None = None, tokenizer: str = "") -> None:
        self.level, self.tokenizer = level, tokenizer
        places: dict[str, int] = {}
        codes, lengths, full = array("i"), [], []
        for tokens in self._split(texts):
            full.append(len(tokens))
            kept = tokens[-max_length:] if max_length else tokens
            lengths.append(len(kept))
            codes.extend([places.setdefault(token, len(places)) for token in kept])
        self.tokens = list(places)
        self.codes = np.frombuffer(codes, np.int32) if len(codes) else np.zeros(0, np.int32)  # S
        self.lengths = np.array(lengths, np.int64)
        self.full_lengths = np.array(full, np.int64)  # before they were cut
        self.starts = self.lengths.cumsum() - self.lengths

    def first_alike(self) -> np.ndarray:
        """The first text with the same tokens as each (N,)."""
        found: dict[bytes, int] = {}
        parts = zip(self.starts.tolist(), self.lengths.tolist())
        keys = (self.codes[start : start + length].tobytes() for start, length in parts)
        return np.array([found.setdefault(key, row) for row, key in enumerate(keys)], np.int64)

    def _split(self, texts: Sequence[str]) -> Iterable[list[str]]:
        if self.level != "subwords":
            return (tokenise(text, self.level) for text in texts)
        loaded = subwords.loaded(self.tokenizer)
        parts = (texts[start : start + AT_ONCE] for start in range(0, len(texts), AT_ONCE))
        return (each.tokens for part in parts for each in loaded.encode_batch(part, add_special_tokens=False))

    def learn(self, rows: np.ndarray, min_freq: int = 1, max_vocab: int | None = None) -> Text:
        """The spec of texts, whose vocabulary holds the tokens of some rows, the most frequent first, or the subwords.

        Raises:
            DataError: no token is that frequent.
        """
        if self.level == "subwords":
            return Text(subwords.vocabulary_of(self.tokenizer), self.level, tokenizer=self.tokenizer)
        counts = np.bincount(self.codes[self._places(rows)], minlength=len(self.tokens))
        frequent = np.flatnonzero(counts >= min_freq).tolist()
        frequent.sort(key=lambda place: (-counts[place], self.tokens[place]))
        if not frequent:
            raise DataError(f"no {self.level.removesuffix('s')} occurs {min_freq} times in the texts for training")
        return Text(tuple(self.tokens[place] for place in frequent[:max_vocab]), self.level)

    def encoded(self, text: Text, rows: np.ndarray) -> Ragged:
        """Some rows as codes of a spec, int32; tokens that it does not hold are unknown."""
        known = {token: code for code, token in enumerate(text.vocabulary, start=FIRST)}
        new = np.array([known.get(token, UNKNOWN) for token in self.tokens], np.int32)
        return Ragged(torch.from_numpy(new[self.codes[self._places(rows)]]), torch.from_numpy(self.lengths[rows]))

    def _places(self, rows: np.ndarray) -> np.ndarray:
        """The places of all tokens of some rows, in order."""
        lengths = self.lengths[rows]
        within = np.arange(int(lengths.sum())) - np.repeat(lengths.cumsum() - lengths, lengths)
        return np.repeat(self.starts[rows], lengths) + within
