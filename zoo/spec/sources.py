"""What pictures are made from where nothing is to be seen: a seed, or the name of a class.

Shape letters: B batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from zoo.errors import SpecError, unknown


@dataclass(frozen=True)
class Seed:
    """A whole number, which decides what is made: the same for the same number."""

    word: ClassVar[str] = "seed"
    takes: ClassVar[tuple[str, ...]] = ("seed",)
    example: ClassVar[str] = "7"

    def encode(self, raw: int) -> Tensor:
        """Turn a number from 0 to 2**63 - 1 into an int64 tensor ().

        Raises:
            SpecError: it is no such number.
        """
        if type(raw) is not int or not 0 <= raw < 2**63:
            raise SpecError(f"a seed is a whole number from 0 to 2**63 - 1, not {raw!r}")
        return torch.tensor(raw)

    def collate(self, encoded: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(encoded))

    def prepare(self, batch: Tensor) -> Tensor:
        """Seeds (B,) as they are."""
        return batch


@dataclass(frozen=True)
class Label:
    """The name of a class, of which an example is to be made.

    Raises:
        SpecError: fewer than two names, or a name twice.
    """

    word: ClassVar[str] = "class"
    takes: ClassVar[tuple[str, ...]] = ("label",)

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        names = self.names
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            raise SpecError("the names of classes are a list of strings")
        object.__setattr__(self, "names", tuple(names))
        if len(self.names) < 2 or len(set(self.names)) != len(self.names):
            raise SpecError("at least two classes are needed, and their names must differ")

    @property
    def example(self) -> str:
        return repr(self.names[0])

    def encode(self, raw: str) -> Tensor:
        """Turn a name into its place among the names, int64 ().

        Raises:
            SpecError: it is no name, or there is no such class.
        """
        if not isinstance(raw, str):
            raise SpecError(f"a class is given by its name, such as {self.names[0]!r}, not by {raw!r}")
        if raw not in self.names:
            raise SpecError(unknown("class", raw, self.names))
        return torch.tensor(self.names.index(raw))

    def collate(self, encoded: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(encoded))

    def prepare(self, batch: Tensor) -> Tensor:
        """Labels (B,) as they are."""
        return batch
