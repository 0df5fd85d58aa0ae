"""The base class of ratings of items by users.

An example is a user: a row of codes, one for each item (`zoo.spec.ratings`), and a second such row of held-out ratings.
Only ratings are stored, not pairs of a user and an item without one.

Shape letters: U users, G items, S ratings.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo import check
from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples
from zoo.data.core.sparse import SparseRows
from zoo.errors import DataError, SpecError
from zoo.spec import Ratings, Recommendations, Spec


@dataclass(frozen=True)
class Rated:
    """All ratings: titles of the G items, the scale, and codes (U, G); `test` is for an official test set, and `times`
    hold when each rating was made (S,), if that decides which are held out."""

    titles: tuple[str, ...]
    scale: tuple[float, ...]
    codes: SparseRows
    test: SparseRows | None = None
    times: Tensor | None = None


class RatingData(DataModule):
    """Ratings, some of which are held out for each user, to be predicted from the user's other ratings.

    Training has one column of codes (U, G). Validation and test have two: the known ratings and the held-out ones. The
    test's known ratings include those that are held out for validation.

    Args:
        batch_size: users a batch.
        val_ratings, test_ratings: held-out ratings of each user, at most half of them; `test_ratings` has no effect if
            there is an official test set.
        split_seed: seed of the choice of held-out ratings, from 0 to 2**32 - 1.

    Raises:
        ValueError: an option is out of range.
        DataError: there are too few ratings.
    """

    def __init__(
        self, batch_size: int = 20, *, val_ratings: int = 3, test_ratings: int = 3, split_seed: int = 0
    ) -> None:
        super().__init__(batch_size)
        self.val_ratings = check.whole("val_ratings", val_ratings, 1, 2**20)
        self.test_ratings = check.whole("test_ratings", test_ratings, 1, 2**20)
        self.split_seed = check.seed("split_seed", split_seed)

    def expected_specs(self) -> Sequence[Spec]:
        titles, scale = ("one", "two"), (0, 1)
        return [Spec(Ratings(titles, scale), Recommendations(titles, scale))]

    @abstractmethod
    def read(self) -> Rated:
        """All ratings."""

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        rated = self.read()
        random = torch.Generator().manual_seed(self.split_seed)
        known, test, times = rated.codes, rated.test, rated.times
        if test is None:
            known, test, out = known.held_out(self.test_ratings, random, times)
            times = None if times is None else times[~out]
        train, val, _ = known.held_out(self.val_ratings, random, times)
        for split, codes in (("training", train), ("validation", val), ("test", test)):
            if not len(codes.codes):
                raise DataError(f"there are too few ratings: none is left for {split}")
        try:
            spec = Spec(Ratings(rated.titles, rated.scale), Recommendations(rated.titles, rated.scale))
        except SpecError as error:
            raise DataError(str(error)) from error
        return spec, {"train": Examples(train), "val": Examples(train, val), "test": Examples(known, test)}
