"""Ratings: what is held out, the generated likes, MovieLens' files, and anybody's CSV."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
import torch

from zoo.data.ratings import BinaryRatings, CsvRatings, MovieLens
from zoo.errors import DataError

ROOT = os.environ.get("ZOO_DATA")


@pytest.fixture(scope="module")
def likes() -> BinaryRatings:
    data = BinaryRatings()
    data.setup()
    return data


def test_each_person_s_ratings_are_divided(likes: BinaryRatings) -> None:
    """Three for validation, three for the test, and at most half of what there is."""
    everything = likes.read().codes.dense()
    (train,), (known, val), (more, test) = (
        [column.dense() for column in likes.splits[split].columns] for split in ("train", "val", "test")
    )
    assert torch.equal(train, known)
    assert torch.equal(train + val, more)
    assert torch.equal(more + test, everything)
    count = (everything > 0).sum(dim=1)
    assert torch.equal((test > 0).sum(dim=1), (count // 2).clamp(max=3))
    assert torch.equal((val > 0).sum(dim=1), ((count - (test > 0).sum(dim=1)) // 2).clamp(max=3))


def test_likes_follow_the_tastes(likes: BinaryRatings) -> None:
    """A person's likes tell the taste; films are then liked as often as that taste likes them."""
    everything, chances = likes.read().codes.dense(), likes.chances()
    assert chances.shape == (8, 72)
    assert len(likes.spec.input.titles) == 72
    liked, disliked = (everything == 2).float(), (everything == 1).float()
    taste = (liked @ chances.log().t() + disliked @ (1 - chances).log().t()).argmax(dim=1)
    mine = chances[taste]
    for chance in (likes.likes, likes.dislikes):
        chosen = (everything > 0) & (mine == chance)
        assert liked[chosen].mean().item() == pytest.approx(chance, abs=0.02)


def test_the_seed_decides_the_likes() -> None:
    first, again, other = (BinaryRatings(50, data_seed=seed).read().codes.dense() for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def csv(folder: Path, **columns: list[object]) -> str:
    pd.DataFrame(columns).to_csv(folder / "ratings.csv", index=False)
    return str(folder / "ratings.csv")


def test_a_csv_file(tmp_path: Path) -> None:
    path = csv(
        tmp_path,
        who=["ann", "ann", "bob", "bob", "ann", "eve", "eve", "eve"],
        what=["tea", "rum", "tea", "gin", "tea", "gin", "rum", "tea"],
        stars=[1, 2.5, 4, 4, 2.5, 1, 2.5, 4],
    )
    rated = CsvRatings(path, user="who", item="what", rating="stars").read()
    assert rated.titles == ("gin", "rum", "tea")
    assert rated.scale == (1, 2.5, 4)
    assert rated.codes.dense().tolist() == [[0, 2, 2], [3, 0, 3], [1, 2, 3]]  # the last of ann's two cups of tea
    likes = CsvRatings(csv(tmp_path, user=[1, 1, 2], item=["a", "b", "a"], rating=[True, False, False])).read()
    assert (likes.scale, likes.codes.dense().tolist()) == ((0, 1), [[2, 1], [1, 0]])


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ({"user": [1], "item": [2]}, "unknown column 'rating'"),
        ({"user": [1, 2], "item": [2, None], "rating": [1, 2]}, "column 'item', row 2: the cell is empty; fill it"),
        ({"user": [1, 2], "item": [2, 3], "rating": [None, None]}, r"'rating' is empty; data\.rating=null"),
        ({"user": [1, 2, 3], "item": [2, 3, 4], "rating": ["100%", "20%", "4,5%"]}, r"data\.scale=\[4,5%,20%,100%\]"),
        ({"user": [1, 2], "item": [2, 3], "rating": [1, "good"]}, "column 'rating', row 2: 'good' is not a number"),
        (
            {"user": [1, 2], "item": [2, 3], "rating": ["bad", "good"]},
            r"worst to the best, such as data\.scale=\[bad,good\]",
        ),
        ({"user": [1, 2] * 2, "item": [2, 3] * 2, "rating": [-1, 7, 8, 9]}, r"-1, in 1 rows, .*data\.scale=\[7,8,9\]"),
        ({"user": [1, 2], "item": [2, 3], "rating": [1, 2]}, "too few ratings: none is left for"),
    ],
)
def test_a_csv_file_that_will_not_do(tmp_path: Path, columns: dict[str, list[object]], fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        CsvRatings(csv(tmp_path, **columns)).setup()


def many(folder: Path, rating: list[object]) -> str:
    pairs = [(user, item) for user in range(20) for item in range(15)]
    users, items = map(list, zip(*pairs))
    return csv(folder, user=users, item=items, rating=[rating[n % len(rating)] for n in range(len(pairs))])


def test_ratings_of_other_kinds(tmp_path: Path) -> None:
    likes = CsvRatings(many(tmp_path, ["bad", "good", "good", "?x"]), scale=["bad", "good"])
    rated = likes.read()
    assert rated.scale == (0, 1)
    assert rated.codes.dense().flatten().bincount().tolist() == [75, 75, 150]
    assert "75 rows are left out" in " ".join(likes.notes)
    without = CsvRatings(many(tmp_path, [-1, 7, 8, 9]), scale=[7, 8, 9]).read()
    assert without.scale == (7, 8, 9)
    assert len(without.codes.codes) == 225
    empty = CsvRatings(many(tmp_path, [None, 1, 2, 3]))
    assert (empty.read().scale, len(empty.read().codes.codes)) == ((1, 2, 3), 225)
    assert "75 rows are left out, whose 'rating' is empty" in empty.notes
    assert CsvRatings(many(tmp_path, [None, 1, 2, 3]), clicks=True).read().scale == (0, 1)
    plays = CsvRatings(many(tmp_path, [n * n for n in range(1, 51)]), bins=5)
    assert len(plays.read().scale) == 5
    assert plays.read().codes.dense().flatten().bincount()[1:].tolist() == [60] * 5
    assert "50 different numbers" in plays.notes[0]


@pytest.mark.parametrize("options", [{}, {"rating": None}, {"clicks": True}], ids=str)
def test_clicks(tmp_path: Path, options: dict[str, object]) -> None:
    users = [user for user in range(20) for _ in range(6)]
    items = [(user + 3 * n) % 15 for user in range(20) for n in range(6)]
    data = CsvRatings(csv(tmp_path, user=users, item=items, rating=[1] * 120), **options)  # type: ignore[arg-type]
    rated = data.read()
    assert rated.scale == (0, 1)
    clicked, others = (rated.codes.dense() == 2).sum(dim=1), (rated.codes.dense() == 1).sum(dim=1)
    assert torch.equal(clicked, others)
    assert clicked.unique().tolist() == [5]  # of 15 items, the first comes twice
    assert "each row is a click" in data.notes[0]


def movielens(root: Path) -> Path:
    """Files as MovieLens 100k has them, of made-up ratings."""
    folder = root / "ml-100k"
    folder.mkdir(parents=True)
    titles = [f"Film {number} (1990)" if number not in (3, 5) else "Twins (1988)" for number in range(1, 1683)]
    lines = [f"{number}|{title}|01-Jan-1990||http|0|1" for number, title in enumerate(titles, start=1)]
    (folder / "u.item").write_text("\n".join(lines).replace("Film 7 ", "Amélie ") + "\n", encoding="latin-1")
    every = [(user, item) for item in range(1, 108) for user in range(1, 944)]
    parts = {"ua.base": every[:90_570], "ua.test": every[90_570 : 90_570 + 9_430]}
    for name, pairs in parts.items():
        rows = [f"{user}\t{item}\t{1 + (user + item) % 5}\t880000000" for user, item in pairs]
        (folder / name).write_text("\n".join(rows) + "\n")
    return folder


def test_movielens_files(tmp_path: Path) -> None:
    folder = movielens(tmp_path)
    data = MovieLens(str(tmp_path))
    data.prepare_data()  # nothing is missing
    data.setup()
    titles = data.spec.input.titles
    assert (titles[2], titles[4], titles[6]) == ("Twins (1988) [3]", "Twins (1988) [5]", "Amélie (1990)")
    known, test = (column.dense() for column in data.splits["test"].columns)
    assert ((known > 0).sum().item(), (test > 0).sum().item()) == (90_570, 9_430)
    assert known[1, 0].item() == 1 + (2 + 1) % 5
    assert data.splits["val"].columns[1].counts.unique().tolist() == [3]
    whole = (folder / "ua.test").read_text()
    for damaged in (whole[:-40], whole.replace("\t880000000", "\tx", 1).replace("1\t", "one\t", 1)):
        (folder / "ua.test").write_text(damaged)
        with pytest.raises(DataError, match=r"ua\.test does not have the 9430 ratings"):
            MovieLens(str(tmp_path)).setup()


def test_movielens_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import utils

    def offline(*args: object, **kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(utils, "download_and_extract_archive", offline)
    with pytest.raises(DataError, match=r"ml-100k is not in .* and could not be downloaded \(no network\); set data"):
        MovieLens(str(tmp_path)).prepare_data()
    with pytest.raises(DataError, match=r"ml-100k is not in .*; set data\.root"):
        MovieLens(str(tmp_path)).setup()


@pytest.mark.skipif(ROOT is None or not Path(str(ROOT), "ml-100k").exists(), reason="ZOO_DATA has no MovieLens")
def test_movielens_itself() -> None:
    data = MovieLens(str(ROOT))
    data.setup()
    titles = data.spec.input.titles
    assert titles[49] == "Star Wars (1977)"
    known, test = (column.dense() for column in data.splits["test"].columns)
    assert (test > 0).sum(dim=1).unique().tolist() == [10]
    assert known[0, 0].item() == 5  # ua.base begins with it


def test_an_option_out_of_range() -> None:
    with pytest.raises(ValueError, match="val_ratings must be a whole number from 1"):
        MovieLens("x", val_ratings=0)
    with pytest.raises(ValueError, match="num_users must be a whole number from 20"):
        BinaryRatings(num_users=5)


def test_the_last_ratings_of_each_user_are_held_out(tmp_path: Path) -> None:
    pairs = [(user, item) for item in range(12) for user in range(20)]
    users, items = map(list, zip(*pairs))
    days = [f"2024-01-{1 + (5 * item + user) % 12:02}" for user, item in pairs]
    rating = [1 + (user + item) % 5 for user, item in pairs]
    path = csv(tmp_path, user=users, item=items, rating=rating, day=days)
    data = CsvRatings(path, time="day", val_ratings=2, test_ratings=3)
    data.setup()
    (train,), (_, val), (_, test) = (data.splits[split].columns for split in ("train", "val", "test"))
    titles = data.spec.input.titles  # type: ignore[union-attr]
    when = torch.tensor([[(5 * int(title) + user) % 12 for title in titles] for user in range(20)])
    last, middle, first = (when.masked_fill(part.dense() == 0, -1).amax(dim=1) for part in (test, val, train))
    assert (last.tolist(), middle.tolist(), first.tolist()) == ([11] * 20, [8] * 20, [6] * 20)
    clicks = CsvRatings(path, time="day", clicks=True)
    clicks.setup()
    assert clicks.splits["test"].columns[1].counts.unique().tolist() == [3]


@pytest.mark.parametrize("separator", ["::", "\t", ","])
def test_files_without_a_header_as_movielens_has_them(separator: str, tmp_path: Path) -> None:
    rows = [(user, 100 + item, 1 + (user + item) % 5, 978300760 + item) for user in range(1, 21) for item in range(9)]
    file = tmp_path / "ratings.dat"
    file.write_text("".join(separator.join(map(str, row)) + "\n" for row in rows))
    data = CsvRatings(str(file), time="when")
    data.setup()
    assert any("no header; its columns are user, item, rating, when" in note for note in data.notes)
    assert data.read().codes.dense()[0].tolist() == [2, 3, 4, 5, 1, 2, 3, 4, 5]
    assert data.read().titles == tuple(map(str, range(100, 109)))
    assert data.splits["test"].columns[1].dense()[0, 6:].all()  # the last ones
    named = CsvRatings(str(file), header=None, user="column_1", item="column_2", rating="column_3")
    assert torch.equal(named.read().codes.dense(), data.read().codes.dense())


def test_a_first_row_that_counts_up_is_no_header(tmp_path: Path) -> None:
    rows = [(user, item, 1 + (user + item - 1) % 5) for user in range(1, 21) for item in range(2, 11)]
    assert rows[0] == (1, 2, 3)
    file = tmp_path / "ratings.csv"
    file.write_text("".join("{},{},{}\n".format(*row) for row in rows))
    data = CsvRatings(str(file))
    assert len(data.read().codes.codes) == len(rows)
    assert any("no header; its columns are user, item, rating" in note for note in data.notes)
    named = CsvRatings(str(file), header="first", user="1", item="2", rating="3")
    assert len(named.read().codes.codes) == len(rows) - 1


def test_a_file_without_a_header_of_more_columns_is_asked_about(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("1,20,3,40,5,6\n2,30,4,50,6,7\n")
    with pytest.raises(DataError, match=r"looks like data .*data\.header=null"):
        CsvRatings(str(tmp_path / "ratings.csv")).setup()


def test_decimal_commas_and_other_names_of_columns(tmp_path: Path) -> None:
    rows = "".join(f"{user};{item};{(user + item) % 3},5\n" for user in range(20) for item in range(9))
    (tmp_path / "ratings.csv").write_text(f"user;item;rating\n{rows}")
    assert CsvRatings(str(tmp_path / "ratings.csv")).read().scale == (0.5, 1.5, 2.5)
    with pytest.raises(DataError, match=r"data\.user names a column, .*mean 'user'"):
        CsvRatings(str(tmp_path / "ratings.csv"), user="users").read()
