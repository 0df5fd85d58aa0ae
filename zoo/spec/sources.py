"""Inputs of generators: a seed, or the name of a class.

Shape letters: B batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from zoo.errors import SpecError, unknown
from zoo.spec.kind import InputKind

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Seed(InputKind):
    """A whole number; the network generates the same output for the same number."""

    word: ClassVar[str] = "seed"
    takes: ClassVar[tuple[str, ...]] = ("seed",)

    def example(self) -> str:
        return "7"

    def sample(self, random: np.random.Generator, *, length: int, side: int) -> tuple[int]:
        return (7,)

    def encode(self, raw: int) -> Tensor:
        """Turn a number from 0 to 2**63 - 1 into an int64 tensor ().

        Raises:
            SpecError: it is not such a number.
        """
        if type(raw) is not int or not 0 <= raw < 2**63:
            raise SpecError(f"a seed is a whole number from 0 to 2**63 - 1, not {raw!r}")
        return torch.tensor(raw)

    def prepare(self, batch: Tensor) -> Tensor:
        """Seeds (B,), unchanged."""
        return batch


@dataclass(frozen=True)
class Label(InputKind):
    """The name of a class; the network generates an example of it.

    Raises:
        SpecError: there are fewer than two names, or a name occurs twice.
    """

    word: ClassVar[str] = "class"
    takes: ClassVar[tuple[str, ...]] = ("label",)
    is_text: ClassVar[bool] = True

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        names = self.names
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            raise SpecError("the names of classes are a list of strings")
        object.__setattr__(self, "names", tuple(names))
        if len(self.names) < 2 or len(set(self.names)) != len(self.names):
            raise SpecError("at least two classes are needed, and their names must differ")

    def example(self) -> str:
        return repr(self.names[0])

    def sample(self, random: np.random.Generator, *, length: int, side: int) -> tuple[str]:
        return (self.names[0],)

    def encode(self, raw: str) -> Tensor:
        """Turn a name into its index among the names, int64 ().

        Raises:
            SpecError: it is not a str, or there is no such class.
        """
        if not isinstance(raw, str):
            raise SpecError(f"a class is given by its name, such as {self.names[0]!r}, not by {raw!r}")
        if raw not in self.names:
            raise SpecError(unknown("class", raw, self.names))
        return torch.tensor(self.names.index(raw))

    def prepare(self, batch: Tensor) -> Tensor:
        """Labels (B,), unchanged."""
        return batch
