"""Convolutional networks in one dimension: over the steps of a series, and over the words of a text.

`SequenceCNN`: Bai, Kolter, Koltun, "An empirical evaluation of generic convolutional and recurrent networks for
sequence modeling", 2018: residual blocks whose dilation doubles, so that what is seen grows as two to the number of
blocks. Where we deviate: layer normalisation of each step before each block in place of weight normalisation, since
padding then changes nothing; and convolutions may look ahead.

`TextCNN`: Kim, "Convolutional neural networks for sentence classification", 2014: windows of several widths over the
vectors of words, and the maximum of each feature over the text.

Shape letters: B batch, T steps, F numbers of a step, H channels, K outputs, V codes, E embedding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from zoo import check
from zoo.models.rnn.recurrent import POOLS, pooled, real_steps
from zoo.models.rnn.text import Embedding

fx.wrap("real_steps")  # one node of a traced graph


class SequenceCNN(nn.Module):
    """Dilated convolutions over sequences of vectors, which give numbers once a sequence or once a step.

    Args:
        in_features: F, numbers in each step.
        num_outputs: K, numbers of an output; with 0 there is no output layer, and the network gives the features.
        hidden_size: H, channels.
        num_layers: residual blocks of two convolutions; the dilation of block i is 2**i, so that an output sees
            1 + 2 (kernel_size - 1) (2**num_layers - 1) steps.
        kernel_size: steps that a convolution sees, odd unless it is causal.
        causal: a step sees itself and what came before alone.
        pool: how the output layer sees the steps: `last`, `mean`, `max` or `mean_max` give one output a sequence,
            `none` gives one for each step.
        dropout: probability of zeroing a feature within blocks and before the output, 0 <= dropout < 1.

    Raises:
        ValueError: a number is out of range, or a name unknown.
    """

    def __init__(
        self,
        in_features: int = 28,
        num_outputs: int = 10,
        *,
        hidden_size: int = 64,
        num_layers: int = 6,
        kernel_size: int = 3,
        causal: bool = False,
        pool: str = "mean_max",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check.whole("in_features", in_features)
        check.whole("num_outputs", num_outputs, 0)
        check.whole("hidden_size", hidden_size)
        check.whole("num_layers", num_layers, 1, 16)
        check.whole("kernel_size", kernel_size, 2, 64)
        check.one_of("pool", pool, (*POOLS, "none"))
        check.fraction("dropout", dropout, one=False)
        if not causal and kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, or causal=true, so that steps stay in place; got {kernel_size}")
        self.pool = pool
        self.input = nn.Linear(in_features, hidden_size)
        self.blocks = nn.ModuleList(
            DilatedBlock(hidden_size, kernel_size, 2**layer, causal, dropout) for layer in range(num_layers)
        )
        self.norm = nn.LayerNorm(hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.num_features = hidden_size * (2 if pool == "mean_max" else 1)
        self.output = nn.Linear(self.num_features, num_outputs) if num_outputs else nn.Identity()

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Sequences (B, T, F) to outputs (B, K), or (B, T, K) with pool `none`.

        Args:
            x: padded after their lengths; the values of padding do not matter.
            lengths: int64 (B,), each from 1 to T, on the same device; None if all are T. Padding changes no output.
        """
        return self.output(self.dropout(self.forward_features(x, lengths)))

    def forward_features(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The input of the output layer for the input of `forward`: (B, H), or (B, T, H) with pool `none`."""
        real = None if lengths is None else real_steps(x, lengths)  # B, T, 1
        x = self.input(x if real is None else x.masked_fill(~real, 0))
        for block in self.blocks:
            x = block(x, real)
        x = self.norm(x)
        if self.pool == "none":
            return x
        return pooled(x if real is None else x.masked_fill(~real, 0), lengths, self.pool)

    def remove_head(self) -> None:
        """Leave the output layer out, as `num_outputs=0` does: the network then gives the features."""
        self.output = nn.Identity()


class DilatedBlock(nn.Module):
    """Two dilated convolutions whose output is added to the input (B, T, H); a new block changes nothing.

    Args:
        width: H.
        kernel_size, dilation: of both; `causal`: whether they see what came before alone.
        dropout: between them.
    """

    def __init__(self, width: int, kernel_size: int, dilation: int, causal: bool, dropout: float) -> None:
        super().__init__()
        reach = dilation * (kernel_size - 1)
        self.before, self.after = (reach, 0) if causal else (reach // 2, reach // 2)
        self.norm = nn.LayerNorm(width)
        self.first = nn.Conv1d(width, width, kernel_size, dilation=dilation)
        self.second = nn.Conv1d(width, width, kernel_size, dilation=dilation)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        """`real` (B, T, 1) is False where sequences are padded."""
        y = functional.relu(self._over(self.first, self.norm(x), real))
        return x + self._over(self.second, self.dropout(y), real)

    def _over(self, convolution: nn.Conv1d, x: Tensor, real: Tensor | None) -> Tensor:
        if real is not None:
            x = x.masked_fill(~real, 0)
        found: Tensor = convolution(functional.pad(x.transpose(1, 2), (self.before, self.after)))
        return found.transpose(1, 2)


class TextCNN(nn.Module):
    """Classifies a text by the words that stand together, wherever they stand.

    Args:
        codes: V, the number of codes; 0 is padding.
        num_classes: K; with 0 there is no output layer, and the network gives the features.
        embedding_dim: E.
        hidden_size: features of each window.
        windows: numbers of words that are seen together.
        dropout: probability of zeroing a feature before the output.
        token_dropout, embedding_dropout: as in `TextClassifier`.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        codes: int,
        num_classes: int,
        *,
        embedding_dim: int = 64,
        hidden_size: int = 100,
        windows: Sequence[int] = (3, 4, 5),
        dropout: float = 0.5,
        token_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check.whole("num_classes", num_classes, 0)
        check.whole("hidden_size", hidden_size)
        check.whole("number of windows", len(windows), 1, 16)
        check.fraction("dropout", dropout, one=False)
        self.embedding = Embedding(codes, embedding_dim, token_dropout=token_dropout, dropout=embedding_dropout)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(embedding_dim, hidden_size, check.whole("windows", window, 1, 64)) for window in windows
        )
        self.widest = max(windows)
        self.dropout = nn.Dropout(dropout)
        self.num_features = hidden_size * len(windows)
        self.output = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()

    def forward(self, codes: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Codes (B, T), padded after their lengths (B,), to logits (B, K)."""
        return self.output(self.dropout(self.forward_features(codes, lengths)))

    def forward_features(self, codes: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The largest value of each feature in each text (B, H * windows), for the input of `forward`."""
        x = self.embedding(codes)
        if lengths is not None:
            x = x.masked_fill(~real_steps(x, lengths), 0)
        # A window may stand at the end over zeros, so that padding, which is zero too, adds no window that matters
        x = functional.pad(x.transpose(1, 2), (self.widest - 1, self.widest - 1))
        ends = None if lengths is None else lengths + self.widest - 1
        return torch.cat([self._largest(convolution, x, ends) for convolution in self.convolutions], dim=1)

    def _largest(self, convolution: nn.Module, x: Tensor, ends: Tensor | None) -> Tensor:
        """The largest value over all windows of (B, E, T) that begin before `ends` (B,)."""
        y = functional.relu(convolution(x))  # B, H, T
        return y.amax(dim=2) if ends is None else (y * _begun(y, ends)).amax(dim=2)

    def remove_head(self) -> None:
        """Leave the output layer out, as `num_classes=0` does: the network then gives the features."""
        self.output = nn.Identity()


@fx.wrap
def _begun(x: Tensor, ends: Tensor) -> Tensor:
    """Which positions of (B, H, T) lie before each end (B,), as (B, 1, T)."""
    return torch.arange(x.shape[2], device=x.device) < ends[:, None, None]
