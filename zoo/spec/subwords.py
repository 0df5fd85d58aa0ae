"""Subwords: frequent pieces of words, so that an unknown word is read as pieces that are known.

They are learned by byte-pair encoding (Sennrich, Haddow, Birch, "Neural machine translation of rare words with subword
units", 2016), by the library `tokenizers`, whose JSON an artefact holds. `▁` begins a word, as in SentencePiece.

A file's JSON is data from a stranger: it is checked as a vocabulary and a list of merges, and nothing else of it is
used. How a text is cut before that is written here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from zoo.errors import SpecError, install

MARK = "▁"  # the blank before a word
UNKNOWN_TOKEN = "[UNK]"
MAX_VOCAB = 60_000
MAX_BYTES = 8 * 2**20


def library() -> Any:
    """The module `tokenizers`.

    Raises:
        SpecError: it is not installed.
    """
    try:
        import tokenizers
    except ImportError as error:
        raise SpecError(f"texts of subwords take the library tokenizers: {install('subwords')}") from error
    return tokenizers


def learned(texts: Iterable[str], max_vocab: int, min_freq: int, lowercase: bool = True) -> str:
    """Learn subwords from texts, as the JSON of a tokenizer.

    Args:
        texts: those for training.
        max_vocab: the most subwords, from 1 to 60,000; single characters count.
        min_freq: how often two pieces stand side by side, at least, to become one.
        lowercase: whether capitals are taken for small letters.
    """
    tokenizer = _tokenizer({UNKNOWN_TOKEN: 0}, [], lowercase)
    trainer = library().trainers.BpeTrainer(
        vocab_size=max_vocab + 1,
        min_frequency=min_freq,
        limit_alphabet=max_vocab,
        special_tokens=[UNKNOWN_TOKEN],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return str(tokenizer.to_str())


def vocabulary_of(text: object) -> tuple[str, ...]:
    """The subwords of a tokenizer, in the order of their codes.

    Args:
        text: the JSON that `learned` gives.

    Raises:
        SpecError: it is something else, or too large.
    """
    return tuple(_parts(text)[0])[1:]


def cut(tokenizer: Any, text: str) -> list[str]:
    """The subwords of a text, and what is unknown as it stands there."""
    found = tokenizer.encode(text)
    return [
        text[start:end] if token == UNKNOWN_TOKEN else token for token, (start, end) in zip(found.tokens, found.offsets)
    ]


def loaded(text: str) -> Any:
    """The tokenizer of a JSON that `learned` gave: its `encode(text).tokens` are subwords, `[UNK]` where none is known.

    Raises:
        SpecError: the JSON is something else, or the library is not installed.
    """
    tokenizer = _tokenizer(*_parts(text))
    tokenizer.add_special_tokens([UNKNOWN_TOKEN])
    return tokenizer


def joined(tokens: Iterable[str]) -> str:
    """The text of subwords."""
    return "".join(tokens).replace(MARK, " ").strip()


def _tokenizer(vocabulary: dict[str, int], merges: list[tuple[str, str]], lowercase: bool) -> Any:
    """Text is normalised, words begin with a mark, and punctuation stands alone."""
    library()
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    try:
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token=UNKNOWN_TOKEN))
    except Exception as error:  # the library's own are of this class
        raise SpecError(f"the subwords make no tokenizer: {error}") from error
    steps = [
        normalizers.NFKC(),
        normalizers.Replace("’", "'"),
        normalizers.Replace(Regex(r"\s+"), " "),
        normalizers.Strip(),
        *([normalizers.Lowercase()] if lowercase else []),
    ]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(MARK), pre_tokenizers.Punctuation()])
    tokenizer.decoder = decoders.Metaspace(MARK)
    return tokenizer


def _parts(text: object) -> tuple[dict[str, int], list[tuple[str, str]], bool]:
    """The subwords with their codes in order, the merges, and whether capitals are taken for small letters."""
    if not isinstance(text, str) or len(text) > MAX_BYTES:
        raise SpecError(f"a tokenizer is JSON of at most {MAX_BYTES // 2**20} MiB")
    try:
        data = json.loads(text)
        model, steps = data["model"], [step["type"] for step in data["normalizer"]["normalizers"]]
        cuts = [step["type"] for step in data["pre_tokenizer"]["pretokenizers"]]
        kind, found, pairs = model["type"], model["vocab"], [tuple(pair) for pair in model["merges"]]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise SpecError("the tokenizer is no JSON of subwords as the zoo learns them") from error
    if (
        kind != "BPE"
        or steps not in (["NFKC", "Replace", "Replace", "Strip"], ["NFKC", "Replace", "Replace", "Strip", "Lowercase"])
        or cuts != ["Metaspace", "Punctuation"]
    ):
        raise SpecError("the tokenizer is of another kind than the zoo learns")
    if (
        not isinstance(found, dict)
        or not 1 < len(found) <= MAX_VOCAB + 1
        or any(type(code) is not int for code in found.values())
        or sorted(found.values()) != list(range(len(found)))
        or found.get(UNKNOWN_TOKEN) != 0
        or "" in found
    ):
        raise SpecError(f"a tokenizer has from 1 to {MAX_VOCAB:,} subwords, and a code for each")
    known = found.keys()
    for pair in pairs:
        if len(pair) != 2 or not all(isinstance(part, str) and part in known for part in pair):
            raise SpecError("a merge of subwords is a pair of known ones")
        if "".join(pair) not in known:
            raise SpecError("a merge of subwords gives a known one")
    vocabulary = dict(sorted(found.items(), key=lambda item: item[1]))
    return vocabulary, pairs, "Lowercase" in steps
