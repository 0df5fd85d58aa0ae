"""Words as vectors: an embedding of the word, and a convolution over its letters.

dos Santos and Zadrozny, "Learning character-level representations for part-of-speech tagging", 2014; with a recurrent
network above it, as of Ma and Hovy, "End-to-end sequence labeling via bi-directional LSTM-CNNs-CRF", 2016, but without
a CRF.

Shape letters: N words, L letters, E embedding, F features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo import check
from zoo.spec.text import PAD, UNKNOWN

LETTER_DIM, LETTER_WIDTH = 32, 64  # numbers of a letter's vector, and of the convolution over a word's


class WordReader(nn.Module):
    """Features of words: codes (N, 1 + L) to (N, F), the vector of the word beside that of its letters.

    Args:
        words, letters: number of codes of each.
        embedding_dim: E.
        token_dropout: probability that a word is taken for an unknown one in training.
        dropout: probability of zeroing a feature.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self, words: int, letters: int, embedding_dim: int, *, token_dropout: float = 0.0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        check.whole("embedding_dim", embedding_dim)
        check.fraction("token_dropout", token_dropout, one=False)
        check.fraction("dropout", dropout, one=False)
        self.words = nn.Embedding(words, embedding_dim, padding_idx=PAD)
        self.letters = nn.Embedding(letters, LETTER_DIM, padding_idx=PAD)
        self.convolution = nn.Conv1d(LETTER_DIM, LETTER_WIDTH, kernel_size=3, padding=1)
        self.dropout = nn.Dropout(dropout)
        self.token_dropout = token_dropout
        self.num_features = embedding_dim + LETTER_WIDTH
        with torch.no_grad():
            self.words.weight.mul_(0.1)  # a word that is rare in training should count little

    def forward(self, codes: Tensor) -> Tensor:
        words, letters = codes[:, 0], codes[:, 1:]
        if self.training and self.token_dropout:
            hidden = torch.rand(words.shape, device=words.device) < self.token_dropout
            words = words.masked_fill(hidden & (words != PAD), UNKNOWN)
        shapes = self.convolution(self.letters(letters).transpose(1, 2)).amax(dim=2)  # N, LETTER_WIDTH
        return self.dropout(torch.cat([self.words(words), shapes], dim=1))
