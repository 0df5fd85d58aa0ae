"""A bidirectional LSTM that tells the polarity of film reviews: our epochs beside the plain use of torch.

The plain use of torch is a `DataLoader` in random order whose `collate_fn` pads each batch to its longest sentence, and
`nn.Embedding`, `nn.LSTM` and `nn.Linear`: on a packed sequence, which gives each direction's state after the last word,
and on the padded one, where the first direction reads on through the padding. Times are seconds of training an epoch,
the median of several in alternation, and on one thread (OMP_NUM_THREADS=1) those of the CPU.
"""

from __future__ import annotations

import statistics
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader

from zoo import models
from zoo.benchmarks import Row
from zoo.benchmarks.training import fit, now
from zoo.data.core.examples import Ragged
from zoo.data.text import RtPolarity
from zoo.optim.options import TrainingOptions
from zoo.spec import Text
from zoo.spec.text import PAD
from zoo.tasks.supervised import Sentiment

BATCH, EMBEDDING_DIM, HIDDEN_SIZE = 128, 128, 128
ROUNDS = 3
GOAL = 0.5

Sentence = tuple[Tensor, int]  # codes (T,), and the class


class PlainLSTM(nn.Module):
    """What is trained, as it is written with torch alone."""

    def __init__(self, codes: int, *, pack: bool) -> None:
        super().__init__()
        self.pack = pack
        self.embedding = nn.Embedding(codes, EMBEDDING_DIM, padding_idx=PAD)
        self.lstm = nn.LSTM(EMBEDDING_DIM, HIDDEN_SIZE, bidirectional=True, batch_first=True)
        self.output = nn.Linear(2 * HIDDEN_SIZE, 2)

    def forward(self, codes: Tensor, lengths: Tensor) -> Tensor:
        x = self.embedding(codes)
        if self.pack:
            x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        last, _ = self.lstm(x)[1]
        return self.output(torch.cat([last[0], last[1]], dim=1))


def run(root: Path) -> list[Row]:
    """Print the table, and give its rows."""
    data = RtPolarity(str(root), batch_size=BATCH)
    data.setup()
    seconds: dict[str, list[float]] = {"ours": [], "packed": [], "padded": []}
    for _ in range(ROUNDS):
        seconds["ours"].append(_ours(data))
        for name in ("packed", "padded"):
            seconds[name].append(_plain(data, pack=name == "packed"))
    ours = seconds.pop("ours")
    print(f"{'':10}{'s an epoch':>12}{'ours':>8}{'ratio':>8}   goal: <= {GOAL:.2f}")
    for name, times in seconds.items():
        theirs, median = statistics.median(times), statistics.median(ours)
        print(f"{name:10}{theirs:12.2f}{median:8.2f}{median / theirs:8.2f}")
    return [Row(f"BiLSTM, beside a {name} one", ours, times) for name, times in seconds.items()]


def _ours(data: RtPolarity) -> float:
    """Seconds of the second epoch of our task, with its schedule."""
    sizes: dict[str, Any] = {"embedding_dim": EMBEDDING_DIM, "hidden_size": HIDDEN_SIZE}
    build = partial(models.build, "lstm", bidirectional=True, **sizes)
    task = Sentiment(data.spec, build, TrainingOptions(partial(torch.optim.AdamW, lr=1e-3), schedule="one_cycle"))
    return fit(task, data, 2)[1]


def _plain(data: RtPolarity, *, pack: bool) -> float:
    """Seconds of an epoch with torch alone."""
    assert isinstance(data.spec.input, Text)
    network = PlainLSTM(data.spec.input.codes, pack=pack)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    examples: Any = _sentences(data)  # a list, which torch takes for a dataset
    loader: Any = DataLoader(examples, BATCH, shuffle=True, drop_last=True, collate_fn=_collate)
    start = now()
    for codes, lengths, classes in loader:
        loss = functional.cross_entropy(network(codes, lengths), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return now() - start


def _sentences(data: RtPolarity) -> list[Sentence]:
    codes, classes = data.splits["train"].columns
    assert isinstance(codes, Ragged)
    assert isinstance(classes, Tensor)
    return list(zip(codes.values.long().split(codes.lengths.tolist()), classes.tolist()))


def _collate(examples: list[Sentence]) -> tuple[Tensor, Tensor, Tensor]:
    """Codes (B, T), their lengths (B,) and classes (B,)."""
    codes, classes = [codes for codes, _ in examples], [its for _, its in examples]
    return pad_sequence(codes, batch_first=True), torch.tensor([len(each) for each in codes]), torch.tensor(classes)
