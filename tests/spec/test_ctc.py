"""CTC: every figure and every answer is compared with an enumeration of all paths."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby, product

import pytest
import torch
from torch import Tensor

from zoo.errors import SpecError
from zoo.spec.ctc import LENGTH_BONUS, Fusion, Lexicon, alignments, beam_search, best_paths, log_likelihoods

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


def test_alignments_add_up_all_paths_of_a_text() -> None:
    """By enumeration: how likely a text is, and how often the paths that have it pass each symbol."""
    batch = distributions(2, 5)
    for text in [(), (1,), (1, 1), (2, 1, 3), (1, 2, 1, 2, 1)]:
        symbols = torch.tensor([[*text, *[3] * (6 - len(text))]] * 2)  # of which those beyond the text are padding
        found, posterior = alignments(batch, symbols, torch.full((2,), len(text)))
        for place, example in enumerate(batch.double().exp()):
            passed, total = torch.zeros(5, 4, dtype=torch.float64), 0.0
            for path in product(range(4), repeat=5):
                if tuple(symbol for symbol, _ in groupby(path) if symbol) == text:
                    weight = example[range(5), path].prod()
                    passed[range(5), path] += weight
                    total += float(weight)
            assert found[place].exp().item() == pytest.approx(total, rel=1e-4)
            torch.testing.assert_close(posterior[place].double(), passed / total, rtol=1e-4, atol=1e-5)


def test_alignments_are_those_of_torch() -> None:
    """Long lines, texts of any length with repeated characters, and some that no path has."""
    random = torch.Generator().manual_seed(5)
    logits = 3 * torch.randn(24, 90, 12, generator=random, dtype=torch.float64)
    symbols = torch.randint(1, 4, (24, 60), generator=random)
    symbols[22:] = 1  # with blanks between them, more than there are steps
    counts = torch.arange(24) * 60 // 23
    x = logits.log_softmax(dim=2).requires_grad_()
    expected = torch.nn.functional.ctc_loss(
        x.transpose(0, 1), symbols, torch.full((24,), 90), counts, reduction="none", zero_infinity=True
    )
    (slope,) = torch.autograd.grad(expected.sum(), x)
    likelihood, posterior = alignments(x.detach(), symbols, counts)
    possible = likelihood.isfinite()
    assert possible.tolist() == [True] * 22 + [False] * 2
    torch.testing.assert_close(-likelihood[possible], expected[possible].detach())
    assert not expected[~possible].any()
    assert not posterior[~possible].any()
    # torch adds the softmax, which that of the logits takes away again
    torch.testing.assert_close((x.exp() - posterior)[possible], slope[possible])
    single, shares = alignments(x.detach().float(), symbols, counts)
    torch.testing.assert_close(single[possible].double(), likelihood[possible], rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(shares[possible].double(), posterior[possible], rtol=1e-2, atol=2e-3)


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 3.0])
def test_a_wide_search_finds_the_likeliest_text(sharpness: float) -> None:
    for log_probabilities in distributions(15, 5, sharpness):
        totals = likelihoods(log_probabilities)
        assert beam_search(log_probabilities, ALPHABET, 1000)[0][0] == max(totals, key=totals.__getitem__)


def test_a_search_finds_what_the_greedy_answer_misses() -> None:
    """ "a" has two paths of 0.24 and one of 0.16, and the likeliest path, of 0.36, has no text."""
    log_probabilities = torch.tensor([[0.6, 0.4, 1e-9, 1e-9]] * 2).log()
    assert best_paths(log_probabilities[None]) == [[]]
    assert beam_search(log_probabilities, ALPHABET, 4)[0] == ((1,), 0.0)


def test_a_wide_search_finds_all_texts_in_the_order_of_their_probabilities() -> None:
    for log_probabilities in distributions(4, 5):
        totals = likelihoods(log_probabilities)
        found = [text for text, _ in beam_search(log_probabilities, ALPHABET, 1000)]
        assert set(found) <= set(totals)
        assert [totals[text] for text in found] == pytest.approx(sorted(totals.values(), reverse=True)[: len(found)])
        assert sum(totals[text] for text in found) == pytest.approx(1, abs=1e-2)


def test_a_search_with_a_language_model_finds_the_text_that_both_like_best() -> None:
    """A bigram model, whose weight of each text can be added up: the search finds the largest product."""
    table = torch.randn(4, 3, generator=torch.Generator().manual_seed(3)).log_softmax(dim=1).tolist()

    def after(texts: Sequence[str]) -> list[list[float]]:
        return [table[1 + ALPHABET.index(text[-1]) if text else 0] for text in texts]

    fusion = Fusion(after, 0.7)
    for log_probabilities in distributions(6, 5):
        weights = {}
        totals = likelihoods(log_probabilities)
        for text in totals:
            said = [table[before][symbol - 1] for before, symbol in zip((0, *text), text)]
            weights[text] = sum(0.7 * (each + LENGTH_BONUS) for each in said)
        best = max(totals, key=lambda text: math.log(totals[text]) + weights[text])
        found = dict(beam_search(log_probabilities, ALPHABET, 1000, fusion=fusion))
        assert next(iter(found)) == best
        assert found[best] == pytest.approx(weights[best])


@pytest.mark.parametrize("words", [["a"], ["ab", "ba"], ["AB", "b", "aba"]])
def test_a_search_with_a_lexicon_finds_the_likeliest_text_of_its_words(words: list[str]) -> None:
    allowed = {word.lower() for word in words} | {""}
    for log_probabilities in distributions(8, 5):
        totals = {
            text: total
            for text, total in likelihoods(log_probabilities).items()
            if all(word in allowed for word in "".join(ALPHABET[k - 1] for k in text).split("-"))
        }
        found = beam_search(log_probabilities, ALPHABET, 1000, Lexicon(words))[0][0]
        assert found == max(totals, key=totals.__getitem__)


def test_a_search_that_finds_no_word_says_so() -> None:
    certain = torch.full((3, 4), 1e-30)
    certain[torch.arange(3), torch.tensor([1, 2, 1])] = 1.0  # "aba"
    assert beam_search(certain.log(), ALPHABET, 1, Lexicon(["abab"])) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [("abc", "a list of words"), ([], "at least one"), (["ab", "a b"], "not 'a b'"), ([""], "not ''")],
)
def test_a_lexicon_that_is_none_is_refused(words: object, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Lexicon(words)  # type: ignore[arg-type]
