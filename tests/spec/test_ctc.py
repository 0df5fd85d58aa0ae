"""CTC: every figure and every answer is compared with an enumeration of all paths."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import groupby, product

import pytest
import torch
from torch import Tensor

from zoo.errors import SpecError
from zoo.spec.ctc import Lexicon, beam_search, best_paths, log_likelihoods

ALPHABET = "ab-"


def distributions(count: int, steps: int, sharpness: float = 1.0) -> Tensor:
    """Random log-probabilities (count, steps, 1 + K)."""
    generator = torch.Generator().manual_seed(count * 31 + steps)
    return (sharpness * torch.randn(count, steps, 1 + len(ALPHABET), generator=generator)).log_softmax(dim=2)


def likelihoods(log_probabilities: Tensor) -> dict[tuple[int, ...], float]:
    """The probability of each text, by adding up all paths (T, 1 + K)."""
    steps = log_probabilities.double().exp().tolist()
    totals: dict[tuple[int, ...], float] = defaultdict(float)
    for path in product(range(len(steps[0])), repeat=len(steps)):
        text = tuple(symbol for symbol, _ in groupby(path) if symbol)
        totals[text] += math.prod(step[symbol] for step, symbol in zip(steps, path))
    return totals


def test_the_greedy_answer_is_the_text_of_the_likeliest_path() -> None:
    for log_probabilities in distributions(20, 6):
        path = log_probabilities.argmax(dim=1).tolist()
        expected = [symbol for symbol, _ in groupby(path) if symbol]
        assert best_paths(log_probabilities[None]) == [expected]
    one_hot = torch.nn.functional.one_hot(torch.tensor([[1, 1, 0, 1, 2, 2, 0, 0], [0] * 8]), 4)
    assert best_paths(one_hot.float()) == [[1, 1, 2], []]


def test_likelihoods_add_up_all_paths() -> None:
    batch = distributions(4, 5)
    totals = [likelihoods(example) for example in batch]
    for text in [(), (1,), (1, 1), (2, 1, 3), (1, 2, 1, 2, 1)]:
        found = log_likelihoods(batch, [text] * 4).exp()
        assert found.tolist() == pytest.approx([total[text] for total in totals], rel=1e-4)


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 3.0])
def test_a_wide_search_finds_the_likeliest_text(sharpness: float) -> None:
    for log_probabilities in distributions(15, 5, sharpness):
        totals = likelihoods(log_probabilities)
        assert beam_search(log_probabilities, ALPHABET, 1000) == max(totals, key=totals.__getitem__)


def test_a_search_finds_what_the_greedy_answer_misses() -> None:
    """ "a" has two paths of 0.24 and one of 0.16, and the likeliest path, of 0.36, has no text."""
    log_probabilities = torch.tensor([[0.6, 0.4, 1e-9, 1e-9]] * 2).log()
    assert best_paths(log_probabilities[None]) == [[]]
    assert beam_search(log_probabilities, ALPHABET, 4) == (1,)


@pytest.mark.parametrize("words", [["a"], ["ab", "ba"], ["AB", "b", "aba"]])
def test_a_search_with_a_lexicon_finds_the_likeliest_text_of_its_words(words: list[str]) -> None:
    allowed = {word.lower() for word in words} | {""}
    for log_probabilities in distributions(8, 5):
        totals = {
            text: total
            for text, total in likelihoods(log_probabilities).items()
            if all(word in allowed for word in "".join(ALPHABET[k - 1] for k in text).split("-"))
        }
        found = beam_search(log_probabilities, ALPHABET, 1000, Lexicon(words))
        assert found == max(totals, key=totals.__getitem__)


def test_a_search_that_finds_no_word_says_so() -> None:
    certain = torch.full((3, 4), 1e-30)
    certain[torch.arange(3), torch.tensor([1, 2, 1])] = 1.0  # "aba"
    assert beam_search(certain.log(), ALPHABET, 1, Lexicon(["abab"])) is None


@pytest.mark.parametrize(
    ("words", "message"),
    [("abc", "a list of words"), ([], "at least one"), (["ab", "a b"], "not 'a b'"), ([""], "not ''")],
)
def test_a_lexicon_that_is_none_is_refused(words: object, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Lexicon(words)  # type: ignore[arg-type]
