"""What all kinds of input have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

if TYPE_CHECKING:
    import numpy as np


class InputKind(ABC):
    """The description of a network's input: it encodes raw input, and says what raw input is like.

    A kind of input is a frozen dataclass with these attributes and methods, and `encode` and `prepare` besides.
    """

    word: ClassVar[str]  # a name for people
    takes: ClassVar[tuple[str, ...]]  # names of what `encode` is given
    reads_files: ClassVar[bool] = False  # whether raw input is usually a file of its own, such as an image
    is_text: ClassVar[bool] = False  # whether raw input is a str that is not the name of a file

    @property
    def stacks(self) -> bool:
        """Whether `collate` can put any encoded examples into one batch."""
        return True

    @abstractmethod
    def example(self) -> str:
        """Raw input that fits, as the Python source of the arguments of a call."""

    @abstractmethod
    def sample(self, random: np.random.Generator, *, length: int, side: int) -> tuple[Any, ...]:
        """Random raw input that fits: noise, to run a network, not to judge it.

        Args:
            random: source of random numbers.
            length: steps, tokens or frames, if an input may have any number of them.
            side: pixels of an image's height, if it may have any size.

        Returns:
            What `encode` is given.
        """

    def answerable(self, *raw: Any) -> tuple[Any, ...]:
        """Raw input to be answered, unchanged.

        Raises:
            SpecError: a network would answer it, but the answer would mean nothing.
        """
        return raw

    def encode_all(self, raw: Sequence[tuple[Any, ...]]) -> list[Tensor]:
        """Encode inputs to be answered, each as `encode` does.

        Raises:
            SpecError: one does not fit, or is not answerable.
        """
        return [self.encode(*self.answerable(*one)) for one in raw]  # type: ignore[attr-defined]

    def is_several(self, raw: object) -> bool:
        """Whether raw input is a list of inputs, and not one."""
        return isinstance(raw, (list, tuple))

    def is_batch(self, raw: object) -> bool:
        """Whether raw input is several inputs in one array, which `encode_batch` takes."""
        return False

    def encode_batch(self, raw: Any, size: int) -> Iterator[Tensor]:
        """Encode several inputs in one array: batches of up to `size` examples."""
        raise NotImplementedError

    def collate(self, encoded: Sequence[Tensor]) -> Any:
        """Turn B encoded examples of one shape into a batch."""
        return torch.stack(list(encoded))
