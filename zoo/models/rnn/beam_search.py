"""Writing token by token: the likeliest token, a random one, or by beam search.

Shape letters: B batch, K beams, T tokens, V codes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from zoo import check
from zoo.errors import SpecError
from zoo.spec.text import PAD, UNKNOWN

Memory = Any  # tensors, or lists and tuples of them, with a row for each unfinished text
Step = Callable[[Tensor, Memory], tuple[Tensor, Memory]]  # last codes (N,) to logits (N, V) of the next


def write(
    step: Step,
    memory: Memory,
    last: Tensor,
    *,
    length: int,
    num_beams: int = 1,
    temperature: float = 0.0,
    length_penalty: float = 0.0,
    unknown: bool = False,
) -> tuple[Tensor, Tensor]:
    """Write B texts of at most `length` tokens; each ends with its first 0.

    Args:
        step: gives the logits of the next tokens, and the next memory.
        memory: the memory of B texts before the first token.
        last: the codes (B,) to begin from.
        length: the most tokens.
        num_beams: unfinished texts that are followed for each; 1 takes the likeliest token each time.
        temperature: 0 writes the likeliest text that is found; above 0 tokens are drawn from logits divided by it.
        length_penalty: beams are compared by log-probability / tokens ** length_penalty, their end among the tokens:
            0 by the probability of the whole text, which favours short ones, 1 by the mean of its tokens.
        unknown: whether the unknown token may be written.

    Returns:
        Codes (B, T), and the log-probabilities (B,) of the texts (nats; as the network sees them, at temperature 1).

    Raises:
        SpecError: a number is out of range, or both num_beams and a temperature are given.
    """
    try:
        check.whole("length", length)
        check.whole("num_beams", num_beams)
        check.at_least_zero("temperature", temperature)
        check.at_least_zero("length_penalty", length_penalty)
    except ValueError as error:  # an option of a call on an artefact
        raise SpecError(str(error)) from None
    if num_beams > 1 and temperature:
        raise SpecError("num_beams searches for the likeliest text, temperature draws at random; give one of them")
    count = len(last)
    likelihoods = last.new_zeros(count, 1, dtype=torch.float32)  # B, K
    texts = last.new_zeros(count, 1, 0)  # B, K, T
    finished = torch.zeros_like(likelihoods, dtype=torch.bool)
    lengths = torch.zeros_like(likelihoods)
    for _ in range(length):
        logits, memory = step(last, memory)
        steps = log_probabilities(logits, unknown).view(count, -1, logits.shape[1])  # B, K, V
        steps = torch.where(finished[:, :, None], _ends_only(steps), steps)
        totals = likelihoods[:, :, None] + steps
        if temperature:
            chosen = (steps[:, 0] / temperature).softmax(dim=1).multinomial(1)  # B, 1
            origins, codes = torch.zeros_like(chosen), chosen
            likelihoods = totals[:, 0].gather(1, chosen)
        else:
            lengths = lengths + ~finished
            scores = totals / lengths[:, :, None] ** length_penalty if length_penalty else totals
            places = scores.flatten(1).topk(min(num_beams, totals[0].numel()), dim=1).indices  # B, K
            likelihoods = totals.flatten(1).gather(1, places)
            origins, codes = places // totals.shape[2], places % totals.shape[2]
        texts = torch.cat([texts.gather(1, origins[:, :, None].expand(-1, -1, texts.shape[2])), codes[:, :, None]], 2)
        rows = torch.arange(count, device=last.device)[:, None] * finished.shape[1] + origins
        finished = finished.gather(1, origins) | (codes == PAD)
        lengths = lengths.gather(1, origins)
        if finished.all():
            break
        memory = _select(memory, rows.flatten())
        last = codes.flatten()
    return texts[:, 0], likelihoods[:, 0]


def log_probabilities(logits: Tensor, unknown: bool = False) -> Tensor:
    """Log-probabilities of the next token from logits (N, V); an unknown one has none, unless it is asked for."""
    logits = logits.float().clone()
    if not unknown:
        logits[:, UNKNOWN] = float("-inf")  # it stands for no word
    return logits.log_softmax(dim=1)


def _ends_only(steps: Tensor) -> Tensor:
    """A finished text continues with its end, at no cost."""
    ends = torch.full_like(steps, float("-inf"))
    ends[..., PAD] = 0
    return ends


def _select(memory: Memory, rows: Tensor) -> Memory:
    if isinstance(memory, Tensor):
        return memory.index_select(0, rows)
    return type(memory)(_select(part, rows) for part in memory)
