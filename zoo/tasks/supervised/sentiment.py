"""Tasks of text.

Shape letters: B batch, T tokens, K classes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from zoo.errors import DataError
from zoo.files import user_path
from zoo.metrics.calibration import Criterion
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Spec, Text
from zoo.spec.text import FIRST
from zoo.tasks.supervised.classification import Classification
from zoo.tasks.task import NetworkBuilder, unfit

log = logging.getLogger(__name__)


class Sentiment(Classification):
    """The class of a text, such as whether it is positive or negative.

    Logs what `Classification` does.

    Args:
        spec, build, optimizer, loss, class_weight, monitor, threshold, positive: as in `Classification`.
        embeddings: a file of word vectors, such as GloVe's: a word a line, and its numbers after it. The words that
            it holds start there, and are trained on.

    Raises:
        SpecError: the data is no text with classes.
        DataError: the file of word vectors is not one.
        ValueError: an option is out of range, or the vectors are of another length than the network's.
    """

    def __init__(
        self,
        spec: Spec,
        build: NetworkBuilder,
        optimizer: OptimizerBuilder | TrainingOptions,
        *,
        loss: nn.Module | None = None,
        class_weight: str | Mapping[str, float] | None = None,
        monitor: str | None = None,
        threshold: Criterion | None = None,
        positive: str | None = None,
        embeddings: str | None = None,
    ) -> None:
        if not isinstance(spec.input, Text):
            raise unfit("sentiment needs data of texts with classes", spec)
        super().__init__(
            spec,
            build,
            optimizer,
            loss=loss,
            class_weight=class_weight,
            monitor=monitor,
            threshold=threshold,
            positive=positive,
        )
        if embeddings is not None:
            self._start_from(user_path(embeddings), spec.input)

    def _start_from(self, path: Path, text: Text) -> None:
        rows, vectors = read_vectors(path, text)
        for table in (part for part in self.modules() if isinstance(part, nn.Embedding)):  # of the average too
            if table.embedding_dim != vectors.shape[1]:
                raise ValueError(
                    f"{path} has vectors of {vectors.shape[1]} numbers, and the network's have {table.embedding_dim}; "
                    f"set model.embedding_dim={vectors.shape[1]}"
                )
            with torch.no_grad():
                table.weight[rows] = vectors
        log.info("%d of %d words start from %s", len(rows), len(text.vocabulary), path.name)


def read_vectors(path: Path, text: Text) -> tuple[Tensor, Tensor]:
    """The codes (N,) of those words of a vocabulary that a file of word vectors holds, and their vectors (N, E).

    Raises:
        DataError: no such file, or a line is not a word and as many numbers as the first.
    """
    places = {word: code for code, word in enumerate(text.vocabulary, start=FIRST)}
    codes: list[int] = []
    vectors: list[list[float]] = []
    length: int | None = None
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                word, *cells = line.rstrip().rsplit(" ", length or -1)  # some of GloVe's words have spaces
                if number == 1 and len(cells) == 1:
                    continue  # word2vec and fastText say first how many there are
                length = length or len(cells)
                if len(cells) != length or length == 0:
                    raise DataError(f"{path}, line {number}: a word and {length or 'some'} numbers are expected")
                if word in places:
                    codes.append(places[word])
                    vectors.append([float(cell) for cell in cells])
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # a UnicodeDecodeError is one
        raise DataError(f"{path} is not a file of word vectors in UTF-8: {error}") from error
    if not codes:
        raise DataError(f"{path} holds none of the {len(text.vocabulary)} words")
    return torch.tensor(codes), torch.tensor(vectors)
