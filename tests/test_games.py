"""The example that learns a game, against the rules written out and against perfect play."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch


@pytest.fixture(scope="module")
def game(example: Callable[[str], ModuleType]) -> ModuleType:
    return example("games/noughts_and_crosses.py")


def test_the_enumeration_is_that_of_the_books(game: ModuleType) -> None:
    """5,478 boards can be reached, 958 of which end the game; perfect play is a draw."""
    assert len(game.boards()) == 5478 - 958
    assert game.worth(game.EMPTY) == 0
    perfect = {board: game.best_moves(board)[0] for board in game.boards()}
    assert game.not_lost(perfect, game.moves) == 1
    assert game.not_lost(perfect, game.best_moves) == 1


def test_batches_of_boards_follow_the_rules(game: ModuleType) -> None:
    every = game.boards()
    worths, ends = game.options(game.network(), torch.tensor(every))
    for board, values, over in zip(every, worths.tolist(), ends.tolist()):
        for cell in range(9):
            if board[cell]:
                assert values[cell] == -2
                continue
            after = game.moved(board, cell)
            assert over[cell] == (game.lost(after) or not game.moves(after))
            assert (values[cell] == 1) == game.lost(after)
            assert -1 <= values[cell] <= 1


def test_the_share_not_lost_is_that_of_played_games(game: ModuleType) -> None:
    """A player that takes the first free cell, in 4,000 games (standard error 0.007) against a random one."""
    first = {board: game.moves(board)[0] for board in game.boards()}
    draws, lost = random.Random(0), 0
    for number in range(4000):
        board, ours = game.EMPTY, number % 2 == 0
        while game.moves(board) and not game.lost(board):
            board = game.moved(board, first[board] if ours else draws.choice(game.moves(board)))
            ours = not ours
        lost += game.lost(board) and ours
    assert game.not_lost(first, game.moves) == pytest.approx(1 - lost / 4000, abs=0.035)


def test_it_gets_better_and_draws_it(game: ModuleType, tmp_path: Path) -> None:
    net, progress = game.learn(250, every=250)
    (_, before, _), (games, after, _) = progress
    assert games > 1000
    assert after > max(before, 0.8)
    game.draw(net, progress, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_in_the_end_it_is_hardly_beaten(game: ModuleType) -> None:
    _, progress = game.learn(2500, every=2500)
    assert min(progress[-1][1:]) > 0.95
