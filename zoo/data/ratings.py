"""Ratings of items by users: generated likes, MovieLens, and any CSV file of ratings.

Shape letters: U users, G items, S ratings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zoo import check
from zoo.data.core.notations import read_with_decimals
from zoo.data.core.rating_data import Rated, RatingData
from zoo.data.core.sparse import SparseRows, last_of_each, with_zeros
from zoo.errors import DataError, SpecError, unknown
from zoo.files import user_path
from zoo.spec.cells import days, numbers, words
from zoo.spec.delimited import Delimited
from zoo.spec.dialect import AUTO, Header, HeaderError
from zoo.spec.files import read_text

if TYPE_CHECKING:
    import pandas as pd

MOVIELENS_URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
MOVIELENS_MD5 = "0e33842e24a9c977be4e0107933c0723"
MAX_STEPS = 20  # a column of more different numbers is not a scale


class BinaryRatings(RatingData):
    """Generated: 1,500 users who like (1) or dislike (0) some of 72 films of six genres.

    Each user has one of eight tastes, and each taste likes three of the six genres. A user likes a film of such a genre
    with probability 0.9, and another film with 0.15. Some films have more ratings than others. Three ratings of each
    user are held out for test, and three for validation.

    Args:
        num_users: U, at least 20.
        batch_size: users a batch.
        data_seed: seed of the ratings, and of the choice of held-out ratings.

    Raises:
        ValueError: an option is out of range.
    """

    genres = ("animation", "comedy", "horror", "musical", "thriller", "western")
    tastes = (
        (0, 1, 3), (0, 1, 5), (0, 3, 5), (1, 2, 4), (1, 3, 4), (2, 4, 5), (2, 3, 4), (0, 2, 5),
    )  # fmt: skip
    films = 12  # of each genre
    likes, dislikes = 0.9, 0.15  # probability that a film is liked, by whether the taste likes its genre

    def __init__(self, num_users: int = 1_500, batch_size: int = 20, data_seed: int = 0) -> None:
        super().__init__(batch_size, split_seed=data_seed)
        self.num_users = check.whole("num_users", num_users, 20, 2**20)
        self.data_seed = check.seed("data_seed", data_seed)

    def chances(self) -> Tensor:
        """The probability that each taste likes each film (tastes, G)."""
        liked = torch.tensor([[genre in taste for genre in range(len(self.genres))] for taste in self.tastes])
        return torch.where(liked, self.likes, self.dislikes).repeat_interleave(self.films, dim=1)

    def read(self) -> Rated:
        random = torch.Generator().manual_seed(self.data_seed)
        taste = torch.randint(len(self.tastes), (self.num_users,), generator=random)
        chances = self.chances()[taste]
        liked = torch.rand(chances.shape, generator=random) < chances
        seen = torch.linspace(0.05, 0.45, chances.shape[1])[torch.randperm(chances.shape[1], generator=random)]
        codes = torch.where(torch.rand(chances.shape, generator=random) < seen, 1 + liked.to(torch.uint8), 0)
        titles = [f"{genre} {number}" for genre in self.genres for number in range(1, self.films + 1)]
        return Rated(tuple(titles), (0, 1), SparseRows.of_dense(codes.to(torch.uint8)))


class MovieLens(RatingData):
    """MovieLens 100k: 100,000 ratings of 1,682 films by 943 users, from 1 to 5, with the test set of the split `ua`.

    Source: Harper and Konstan, "The MovieLens datasets: history and context", 2015. `ua.test` has 10 ratings of each
    user. If two films have one title, their numbers are added to it.

    Args:
        root: folder with `ml-100k`; it is downloaded there if it is missing (5 MB), and its md5 is checked.
        batch_size: users a batch.
        val_ratings: ratings of each user in `ua.base` that are held out for validation.
        split_seed: seed of that choice.

    Raises:
        ValueError: an option is out of range.
        DataError: the files are missing and cannot be downloaded, or are damaged.
    """

    title = "ml-100k"
    num_users, films = 943, 1_682
    parts = (("ua.base", 90_570), ("ua.test", 9_430))

    def __init__(self, root: str, batch_size: int = 20, val_ratings: int = 3, split_seed: int = 0) -> None:
        super().__init__(batch_size, val_ratings=val_ratings, split_seed=split_seed)
        self.root = user_path(root)

    def prepare_data(self) -> None:
        folder = self.root / self.title
        if all((folder / name).is_file() for name in ("u.item", *(name for name, _ in self.parts))):
            return
        from torchvision.datasets.utils import download_and_extract_archive

        try:
            download_and_extract_archive(MOVIELENS_URL, str(self.root), md5=MOVIELENS_MD5)
        except (OSError, RuntimeError, ValueError) as error:
            raise DataError(
                f"{self.title} is not in {self.root.resolve()} and could not be downloaded "
                f"({' '.join(str(error).split())}); set data.root to the folder with {self.title}"
            ) from error

    def read(self) -> Rated:
        folder = self.root / self.title
        if not folder.is_dir():
            raise DataError(f"{self.title} is not in {self.root.resolve()}; set data.root to the folder that has it")
        lines = read_text(folder / "u.item", encoding="latin-1").splitlines()
        names = [line.split("|")[1] for line in lines if line.count("|") > 1]
        if len(names) != self.films:
            raise DataError(f"{folder / 'u.item'} names {len(names)} films, not {self.films}; it is damaged")
        base, test = (self._codes(folder / name, count) for name, count in self.parts)
        return Rated(_unique(names), (1, 2, 3, 4, 5), base, test)

    def _codes(self, path: Path, count: int) -> SparseRows:
        fault = f"{path} does not have the {count} ratings of MovieLens 100k; it is damaged"
        try:
            rows = torch.tensor([[int(cell) for cell in line.split("\t")[:3]] for line in read_text(path).splitlines()])
        except ValueError as error:
            raise DataError(fault) from error
        largest = torch.tensor([self.num_users, self.films, 5])
        if rows.shape != (count, 3) or not ((rows >= 1) & (rows <= largest)).all():
            raise DataError(fault)
        return SparseRows.of_pairs(rows[:, 0] - 1, rows[:, 1] - 1, rows[:, 2], (self.num_users, self.films))


class CsvRatings(RatingData):
    """A CSV or Parquet file with a row for each rating: user, item and rating. Without a header, as MovieLens has none,
    the columns are these in this order, and a time may follow.

    If a user rated an item twice, the last row counts. The scale consists of all numbers in the column of ratings, or
    of bins of them; a column of one number, or none, is of clicks.

    Args:
        path: the file; names that end in .parquet or .pq are read by pyarrow.
        user, item: names of the columns.
        rating: name of the column of ratings; None for clicks: each row is one.
        scale: ratings from the worst to the best, such as [dislike, like]; rows with others are left out. None takes
            all numbers in the column.
        bins: how many steps are made of numbers of which there are more than 20, equally many ratings in each.
        clicks: each row is a click, whatever its rating. As many pairs of a user and an item without a row, drawn at
            random, count as 0.
        time: a column of times: each user's last ratings are held out, and not random ones. None for random ones.
        separator, encoding, header: as in `zoo.data.tables.Csv`.
        batch_size, val_ratings, test_ratings, split_seed: as in `RatingData`.

    Raises:
        ValueError: an option is out of range.
        DataError: the file cannot be read, a column is missing or has gaps, or its ratings are not a scale.
    """

    def __init__(
        self,
        path: str,
        *,
        user: str = "user",
        item: str = "item",
        rating: str | None = "rating",
        scale: Sequence[str | float] | None = None,
        bins: int = 5,
        clicks: bool = False,
        time: str | None = None,
        separator: str | None = None,
        encoding: str | None = None,
        header: Header = AUTO,
        batch_size: int = 20,
        val_ratings: int = 3,
        test_ratings: int = 3,
        split_seed: int = 0,
    ) -> None:
        super().__init__(batch_size, val_ratings=val_ratings, test_ratings=test_ratings, split_seed=split_seed)
        self.path = path
        self.columns: tuple[str, ...] = (user, item) if rating is None else (user, item, rating)
        self.scale = None if scale is None else list(scale)
        self.bins = check.whole("bins", bins, 2, MAX_STEPS)
        self.clicks = clicks or rating is None
        self.time = time
        self.file = {"separator": separator, "encoding": encoding, "header": header}

    def read(self) -> Rated:
        frame = self._frame()
        ratings, scale = self._clicks(frame) if self.clicks else self._ratings(frame)
        known = ratings.notna().to_numpy()
        if not known.all():
            frame, ratings = frame[known], ratings[known]
        times = None if self.time is None else self._times(frame[self.time], self.time)
        codes = torch.from_numpy(ratings.to_numpy("uint8", copy=True))
        del ratings
        users, number = _numbered(frame[self.columns[0]])
        items, titles = _titled(frame[self.columns[1]])
        del frame  # of 20 million ratings half a gigabyte
        shape = number, len(titles)
        if times is not None:  # a rating that was given again counts by its last time
            order = times.argsort(stable=True)
            users, items, codes = users[order], items[order], codes[order]
            times = last_of_each(times[order], users, items, shape)
        rows = SparseRows.of_pairs(users, items, codes, shape)
        if self.clicks:
            rows, times = with_zeros(rows, torch.Generator().manual_seed(self.split_seed), times)
        return Rated(titles, scale, rows, times=times)

    def _frame(self) -> pd.DataFrame:
        file = self._file()
        for note in file.notes:
            self.note(note)
        asked = dict(zip(("user", "item", "rating"), self.columns)) | ({"time": self.time} if self.time else {})
        for setting, name in asked.items():
            if name not in file.frame.columns:
                fault = unknown("column", name, map(str, file.frame.columns))
                raise DataError(f"data.{setting} names a column, and each row is one rating: {fault}")
        frame = self._rated(file.frame)
        for setting, name in asked.items():
            if setting != "rating" and frame[name].isna().any():
                row = frame.index[frame[name].isna()][0]
                raise DataError(f"column '{name}', row {row}: the cell is empty; fill it, or remove the row")
        return frame

    def _rated(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows that have a rating, which clicks need not."""
        name = self.columns[-1]
        given = frame[name].notna()
        if self.clicks or given.all():
            return frame
        if not given.any():
            raise DataError(f"column '{name}' is empty; data.rating=null takes each row as a click")
        self.note(f"{int((~given).sum())} rows are left out, whose '{name}' is empty")
        return frame[given]

    def _file(self) -> Delimited:
        """The file; where it has no header and as many columns as a rating has parts, they get the names asked for."""
        widths = (len(self.columns), len(self.columns) + 1)
        try:
            file = read_with_decimals(self.path, self.file, None)
            counts_up = self.file["header"] == AUTO and all(str(name).isdecimal() for name in file.frame)  # 1,2,3
            if counts_up and file.frame.shape[1] in widths:
                file = read_with_decimals(self.path, {**self.file, "header": None}, None)
        except HeaderError:
            file = read_with_decimals(self.path, {**self.file, "header": None}, None)
            if file.frame.shape[1] not in widths:
                raise
        names = [*self.columns, self.time or "time"][: file.frame.shape[1]]
        if not file.dialect.header and len(names) == file.frame.shape[1] and not {*names} & {*file.frame.columns}:
            file.frame.columns = names
            file.notes.append(f"{Path(self.path).name}: it has no header; its columns are {', '.join(names)}")
        return file

    def _times(self, cells: pd.Series, name: str) -> Tensor:
        """When each rating was made, as numbers or days."""
        try:
            values = numbers(cells, name) if cells.dtype.kind in "iuf" else days(cells, name)
        except SpecError as error:
            raise DataError(str(error)) from error
        self.note(f"the last ratings of each user by '{name}' are held out")
        return torch.from_numpy(values.to_numpy("float64", copy=True))

    def _clicks(self, frame: pd.DataFrame) -> tuple[pd.Series, tuple[float, ...]]:
        import pandas as pd

        self.note("each row is a click (1); as many pairs without a row, drawn at random, count as 0")
        return pd.Series(2, index=frame.index), (0, 1)

    def _ratings(self, frame: pd.DataFrame) -> tuple[pd.Series, tuple[float, ...]]:
        """The code of each row's rating, from 1, missing where the scale does not hold it; and the scale."""
        import pandas as pd

        name = self.columns[2]
        given = frame[name]
        if self.scale is not None:
            return self._on_scale(given, name)
        values = pd.to_numeric(given, errors="coerce").astype("float64")
        if given.dtype.kind not in "iuf":
            truths = words(given)
            if truths.isin(["True", "False"]).all():
                values = (truths == "True").astype("float64")
        if values.isna().any():
            raise DataError(self._not_numbers(given, values, name))
        steps = sorted(values.unique().tolist())
        if len(steps) == 1:
            self.clicks = True
            return self._clicks(frame)
        if len(steps) > MAX_STEPS:
            return self._binned(values, name)
        self._check_missing_code(values, steps, name)
        codes = pd.Series(range(1, len(steps) + 1), index=steps)[values]
        scale = tuple(int(step) if float(step).is_integer() else float(step) for step in steps)
        return pd.Series(codes.to_numpy(), index=given.index), scale

    def _on_scale(self, given: pd.Series, name: str) -> tuple[pd.Series, tuple[float, ...]]:
        import pandas as pd

        assert self.scale is not None
        known = words(pd.Series([str(value) for value in self.scale], dtype="string")).tolist()
        if not 2 <= len(set(known)) == len(known) <= MAX_STEPS:
            raise DataError(f"data.scale has from 2 to {MAX_STEPS} different ratings, from the worst to the best")
        codes = words(given).map({word: code for code, word in enumerate(known, start=1)})
        if codes.isna().all():
            raise DataError(
                f"column '{name}' holds none of data.scale={known}; it holds {given.iloc[0]!r} and the like"
            )
        if codes.isna().any():
            self.note(f"{int(codes.isna().sum())} rows are left out, whose '{name}' is not in data.scale")
        are_numbers = all(isinstance(value, int | float) for value in self.scale)
        if not are_numbers:
            self.note(f"ratings are words, from the worst to the best: {', '.join(known)} are 0 to {len(known) - 1}")
        return codes, tuple(self.scale) if are_numbers else tuple(range(len(known)))  # type: ignore[arg-type]

    def _not_numbers(self, given: pd.Series, values: pd.Series, name: str) -> str:
        different = sorted(map(str, given.unique()), key=_by_number)
        if len(different) <= MAX_STEPS and values.isna().all():
            first = [*different[:4], *(["…"] if len(different) > 4 else [])]
            return (
                f"column '{name}' holds words ({', '.join(first)}): give all from the worst to the best, such as "
                f"data.scale=[{','.join(first)}]"
            )
        row = values.index[values.isna()][0]
        return f"column '{name}', row {row}: '{given[row]}' is not a number"

    def _binned(self, values: pd.Series, name: str) -> tuple[pd.Series, tuple[float, ...]]:
        """Codes of bins that hold equally many ratings; the scale is the median of each."""
        import pandas as pd

        codes = pd.qcut(values, self.bins, labels=False, duplicates="drop") + 1
        medians = values.groupby(codes).median()
        scale = tuple(float(f"{median:.6g}") for median in medians)
        if len(set(scale)) < 2:
            raise DataError(f"column '{name}' has too few different numbers for data.bins={self.bins}")
        shown = ", ".join(f"{step:.4g}" for step in scale)
        self.note(
            f"column '{name}' has {values.nunique()} different numbers; they are put into {len(scale)} bins of equally "
            f"many ratings, whose medians are the scale: {shown} (data.bins)"
        )
        return codes, scale

    def _check_missing_code(self, values: pd.Series, steps: list[float], name: str) -> None:
        """Ask what -1 or 0 means, if it stands apart from the other steps: it seems to be no rating.

        Raises:
            DataError: it does.
        """
        first, rest = steps[0], steps[1:]
        gap = max(b - a for a, b in pairwise(rest)) if len(rest) > 1 else 1.0
        if len(rest) > 1 and first in (-1, 0) and (rest[0] - first > gap or (first < 0 <= rest[0])):
            scale = ",".join(f"{step:g}" for step in rest)
            raise DataError(
                f"column '{name}': {first:g}, in {int((values == first).sum())} rows, stands apart from "
                f"{rest[0]:g} to {rest[-1]:g} and seems to mean 'not rated': data.scale=[{scale}] leaves such rows "
                f"out, and data.scale=[{first:g},{scale}] keeps them"
            )


def _by_number(word: str) -> tuple[float, str]:
    """A key that sorts words such as 20 % and 100 %, or 5 stars, by their first number."""
    number = re.search(r"\d+([.,]\d+)?", word)
    return (float(number[0].replace(",", ".")) if number else inf), word


def _numbered(cells: pd.Series) -> tuple[Tensor, int]:
    """The number of each cell among the different ones, in the order of their first places, int32 (S,); and how many
    there are."""
    import pandas as pd

    codes, different = pd.factorize(cells)
    return torch.from_numpy(codes.astype("int32")), len(different)


def _titled(cells: pd.Series) -> tuple[Tensor, tuple[str, ...]]:
    """The place of each cell's title, int32 (S,), and the titles in their order."""
    import pandas as pd

    codes, different = pd.factorize(cells)
    places, titles = pd.factorize(pd.Series(different).astype(str).str.strip(), sort=True)
    return torch.from_numpy(places.astype("int32")[codes]), tuple(titles.tolist())


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    """The names; those that occur twice get their numbers, from 1."""
    return tuple(name if names.count(name) == 1 else f"{name} [{n}]" for n, name in enumerate(names, start=1))
