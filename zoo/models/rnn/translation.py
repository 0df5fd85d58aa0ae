"""A sentence for a sentence: encoder, attention and decoder; many to many, with unequal lengths.

Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014, and Sutskever et al., "Sequence to
sequence learning with neural networks", 2014; Bahdanau et al., "Neural machine translation by jointly learning to align
and translate", 2015, for attention, here in the form of Luong et al., "Effective approaches to attention-based neural
machine translation", 2015: attention is queried by the state after a token, so that a known translation, as in
training, passes the recurrent layers in one call. Where we deviate: the context is not fed to the next step, for the
same reason; scores are divided by the root of their width; and the output layer shares its weights with the embedding
of what is written (Press and Wolf, 2017).

Shape letters: B batch, S source tokens, T target tokens, V target codes, E embedding, H units, D directions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo import check
from zoo.errors import SpecError
from zoo.models.rnn.beam_search import write
from zoo.models.rnn.recurrent import SequenceDropout, Stack, real_steps
from zoo.models.rnn.text import Embedding
from zoo.spec.text import PAD, UNKNOWN

Source = tuple[Tensor, Tensor]  # the states of a source (B, S, D * H), and which of them are real (B, S)


class Translator(nn.Module):
    """Reads a sentence in one vocabulary and writes one in another.

    Args:
        cell: rnn, gru or lstm.
        source_codes: number of codes of the source; 0 is padding.
        codes: V, the number of codes of the target; 0 begins and ends a translation.
        max_length: the most tokens of a translation.
        attend: whether each token looks at all of the source; otherwise the last states of the encoder say it all.
        embedding_dim: E.
        hidden_size: H.
        num_layers, recurrent_dropout: as in `Stack`, of encoder and decoder alike.
        bidirectional: the encoder also reads from the end.
        dropout: probability of zeroing a feature: of embeddings, between layers, and before the output.
        token_dropout: probability of hiding a token, of the source and of what is written, in training.

    Raises:
        ValueError: a number is out of range, or the cell unknown.
    """

    def __init__(
        self,
        cell: str,
        source_codes: int,
        codes: int,
        max_length: int,
        *,
        attend: bool = True,
        embedding_dim: int = 64,
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        token_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check.whole("max_length", max_length)
        self.max_length = max_length
        self.attend = attend
        layers = {"num_layers": num_layers, "dropout": dropout, "recurrent_dropout": recurrent_dropout}
        self.source = Embedding(source_codes, embedding_dim, token_dropout=token_dropout, dropout=dropout)
        self.encoder = Stack(cell, embedding_dim, hidden_size, bidirectional=bidirectional, **layers)  # type: ignore[arg-type]
        self.embedding = Embedding(codes, embedding_dim, token_dropout=token_dropout, dropout=dropout)
        self.stack = Stack(cell, embedding_dim, hidden_size, **layers)  # type: ignore[arg-type]
        width = self.encoder.out_features
        self.start = nn.Linear(width, num_layers * self.stack.parts * hidden_size)
        self.query = nn.Linear(hidden_size, width) if attend else None
        self.mix = nn.Linear(hidden_size + width * attend, embedding_dim)
        self.dropout = SequenceDropout(dropout)
        self.bias = nn.Parameter(torch.zeros(codes))

    def forward(self, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        """Logits (B, T + 1, V) of each token of translations and of the end, given the source and the tokens before.

        Args:
            source: codes (B, S), padded with 0 after their lengths (B,).
            lengths: at least 1 each.
            target: codes (B, T), padded with 0.
        """
        read = self.encode(source, lengths)
        states = self._states(read, lengths, target)
        return self._logits(states, read)

    def attention(self, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        """Attention to each source token for each target token and the end, (B, T + 1, S); it adds up to 1 over S.

        Raises:
            ValueError: the network has none.
        """
        read = self.encode(source, lengths)
        return self._attention(self._states(read, lengths, target), read)

    def generate(
        self,
        source: Tensor,
        lengths: Tensor,
        *,
        num_beams: int = 4,
        length_penalty: float = 1.0,
        copy_unknown: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Translate: codes (B, T), and the log-probabilities (B,) of the translations.

        Args:
            source, lengths: as in `forward`.
            num_beams: translations that are followed at once; 1 takes the likeliest token each time.
            length_penalty: beams are compared by log-probability / tokens ** length_penalty.
            copy_unknown: where the unknown word is the likeliest, take the word of the source that attention is on
                most, among those that are unknown themselves if there are any (Luong et al., "Addressing the rare word
                problem in neural machine translation", 2015). Its code is -1 for the first word of the source, -2 for
                the second, and so on. Otherwise no unknown word is written.

        Raises:
            SpecError: an option is out of range.
        """
        if type(copy_unknown) is not bool:
            raise SpecError(f"copy_unknown is true or false, not {copy_unknown!r}")
        read = self.encode(source, lengths)
        begin = torch.full((len(source),), PAD, device=source.device)
        written, likelihoods = write(
            self._step,
            (*read, self._first(read, lengths)),
            begin,
            length=self.max_length,
            num_beams=num_beams,
            length_penalty=length_penalty,
            unknown=copy_unknown and self.attend,
        )
        if copy_unknown and (written == UNKNOWN).any():
            written = self._copied(source, lengths, written)
        return written, likelihoods

    def encode(self, source: Tensor, lengths: Tensor) -> Source:
        """The states of sources (B, S), those of padding being 0, and which of them are real."""
        x = self.source(source)
        return self.encoder(x, lengths), real_steps(x, lengths)[:, :, 0]

    def _step(self, last: Tensor, memory: tuple[Tensor, Tensor, list[Tensor]]) -> tuple[Tensor, tuple[object, ...]]:
        """The logits (N, V) of the tokens after the last ones (N,), and the next memory."""
        *read, states = memory
        outputs, states = self.stack.step(self.embedding(last[:, None]), states)
        return self._logits(outputs, (read[0], read[1]))[:, 0], (*read, states)

    def _first(self, read: Source, lengths: Tensor) -> list[Tensor]:
        """The state of each layer of the decoder before the first token: each direction's last one, transformed."""
        return self.stack.states_from(torch.tanh(self.start(self.encoder.pool(read[0], lengths, "last"))))

    def _states(self, read: Source, lengths: Tensor, target: Tensor) -> Tensor:
        """The states (B, T + 1, H) before each token of targets (B, T) and before the end."""
        before = functional.pad(target, (1, 0), value=PAD)
        return self.stack.step(self.embedding(before), self._first(read, lengths))[0]

    def _attention(self, states: Tensor, read: Source) -> Tensor:
        """States (B, T, H) to the weights of the source tokens (B, T, S); those of padding are 0."""
        if self.query is None:
            raise ValueError("a translator with attend=False has no attention")
        encoded, real = read
        scores = self.query(states) @ encoded.transpose(1, 2) / encoded.shape[2] ** 0.5
        return scores.float().masked_fill(~real[:, None], float("-inf")).softmax(dim=2)

    def _logits(self, states: Tensor, read: Source) -> Tensor:
        if self.attend:
            context = self._attention(states, read).to(read[0].dtype) @ read[0]
            states = torch.cat([states, context], dim=2)  # B, T, H + D * H
        mixed = self.dropout(torch.tanh(self.mix(states)))
        return functional.linear(mixed, self.embedding.vectors.weight, self.bias)

    def _copied(self, source: Tensor, lengths: Tensor, written: Tensor) -> Tensor:
        """Translations with the places of words of the source instead of unknown ones."""
        attention = self.attention(source, lengths, written)[:, :-1]  # B, T, S
        strange = (source == UNKNOWN)[:, None].expand_as(attention)
        chosen = torch.where(strange.any(dim=2, keepdim=True), attention.masked_fill(~strange, -1), attention)
        return torch.where(written == UNKNOWN, -1 - chosen.argmax(dim=2), written)
