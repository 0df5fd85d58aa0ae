"""Texts that differ in their digits alone: a pattern that takes all digits alike fits all of them, or none.

A column of prices has a million different cells, and some ten ways to place digits, points and signs. What is to be
known of all cells is found from one for each way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_BETWEEN = "\x1e"
_UTF8 = "utf-8", "surrogatepass"
_ALIKE = bytes.maketrans(b"123456789", b"000000000")


def alike(text: pd.Series) -> tuple[np.ndarray, pd.Series]:
    """The place of each text (N,) among the first ones of their kind, and these. No text is missing."""
    import numpy as np
    import pandas as pd

    found = together(text, lambda whole: whole.encode(*_UTF8).translate(_ALIKE).decode(*_UTF8))
    places, kinds = pd.factorize(np.array(found, dtype=object))
    first = np.empty(len(kinds), np.int64)
    first[places[::-1]] = np.arange(len(text))[::-1]  # the last one that is written is the first
    return places, text.iloc[first]


def together(text: pd.Series, change: Callable[[str], str]) -> list[str]:
    """What becomes of each text, changed in one string of all; of one that holds the sign between them, alone."""
    texts = text.tolist()
    changed = change(_BETWEEN.join(texts)).split(_BETWEEN) if texts else []
    return changed if len(changed) == len(texts) else [change(each) for each in texts]


def by_kind(text: pd.Series, function: Callable[[pd.Series], pd.Series]) -> pd.Series:
    """What a function gives for each text, found from one for each way to place digits; a boolean or the like."""
    import pandas as pd

    places, some = alike(text)
    return pd.Series(function(some).array.take(places), text.index)
