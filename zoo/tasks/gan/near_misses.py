"""Sentences that are those of a batch but for one word.

Yuksekgonul et al., "When and why vision-language models behave like bags-of-words, and what to do about it?"
(NegCLIP), 2023. Where we deviate: words that stand between the same neighbours take each other's place, which needs no
tagger.

Shape letters: B batch, T tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from zoo.spec.text import PAD


def near_misses(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Exchange one word of each sentence for another that stands between the same neighbours elsewhere in the batch.

    Args:
        codes: of the sentences (B, T), padded after their ends.

    Returns:
        The new sentences (B, T), and for which of them there was such a word at the place that was drawn, bool (B,);
        the others are as they were.
    """
    rows = torch.arange(len(codes), device=codes.device)
    around = functional.pad(codes, (1, 1), value=PAD)
    before, after = around[:, :-2], around[:, 2:]
    place = torch.where(codes != PAD, torch.rand(codes.shape, device=codes.device), -1).argmax(dim=1)
    alike = (before[rows, place, None] == before.flatten()) & (after[rows, place, None] == after.flatten())  # B, B T
    others = alike & (codes[rows, place, None] != codes.flatten()) & (codes != PAD).flatten()
    chosen = torch.where(others, torch.rand(others.shape, device=codes.device), -1).argmax(dim=1)
    found = others.any(dim=1)
    exchanged = codes.clone()
    exchanged[rows, place] = torch.where(found, codes.flatten()[chosen], codes[rows, place])
    return exchanged, found
