"""Whether a text is in Latin letters, or another script was taken for them."""

from __future__ import annotations

import re
from itertools import pairwise

MIXED = 0.08  # of neighbours in words: pages of Latin print, however poor, had at most 0.02, Cyrillic ones 0.15


def mixed(text: str) -> float:
    """The fraction of neighbours in words of which the first is a small letter and the second a capital or a digit.

    A small letter after a digit counts as well. Letters of another script are read as the Latin letters or digits that
    resemble them, whatever their case: знать as 3HaTb.
    """
    pairs = [pair for word in re.findall(r"[^\W_]{2,}", text) for pair in pairwise(word)]
    return sum(_odd(first, second) for first, second in pairs) / max(1, len(pairs))


def _odd(first: str, second: str) -> bool:
    if first.islower():
        return second.isupper() or second.isdigit()
    return first.isdigit() and second.islower()
