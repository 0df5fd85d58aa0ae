"""A perceptron learns noughts and crosses by playing against itself.

    python examples/games/noughts_and_crosses.py

It takes less than a minute on one core, and draws `noughts_and_crosses.png`: how often it is not beaten, by a random
player and by a perfect one. Both are computed, not sampled: every game that can happen is enumerated with its
probability. The perfect player is found by enumeration too (minimax); the perceptron never sees it.

How it learns (Tesauro, "Temporal difference learning and TD-Gammon", 1995): the network gives the value of a board to
the player who has just moved, -1 to 1. A move is chosen by trying all of them. What a board should be worth is minus
the best that the other can then do, as the network sees it now; a game that is over has its result.

Boards are seen by the player to move: 1 is own, -1 the other's, 0 free. Shape letters: N games, 9 cells.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from zoo.models import MLP

Board = tuple[int, ...]
LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))
EMPTY: Board = (0,) * 9
GAMES = 128  # that are played side by side
EXPLORED = 0.3  # the fraction of moves that are drawn at random, so that all kinds of boards are seen


# The game, by enumeration


def moves(board: Board) -> list[int]:
    """The free cells."""
    return [cell for cell in range(9) if board[cell] == 0]


def moved(board: Board, cell: int) -> Board:
    """The board after a move, as the other player sees it."""
    return tuple(-(1 if at == cell else owner) for at, owner in enumerate(board))


def lost(board: Board) -> bool:
    """Whether the player before has three in a row."""
    return any(all(board[cell] == -1 for cell in line) for line in LINES)


@cache
def worth(board: Board) -> int:
    """What a board is worth to the player to move if both play perfectly: 1 won, 0 drawn, -1 lost."""
    if lost(board):
        return -1
    return max((-worth(moved(board, cell)) for cell in moves(board)), default=0)


def best_moves(board: Board) -> list[int]:
    """All moves of a perfect player."""
    return [cell for cell in moves(board) if -worth(moved(board, cell)) == worth(board)]


def boards() -> list[Board]:
    """Every board on which somebody has to move."""
    found, left = {EMPTY}, [EMPTY]
    while left:
        board = left.pop()
        for cell in moves(board):
            after = moved(board, cell)
            if after not in found and not lost(after) and moves(after):
                found.add(after)
                left.append(after)
    return sorted(found)


def not_lost(choice: dict[Board, int], others: Callable[[Board], list[int]]) -> float:
    """The probability that a player does not lose, who begins half of the games.

    Args:
        choice: the player's move on each board.
        others: the moves between which the other player draws.
    """

    @cache
    def kept(board: Board, ours: bool) -> float:
        if lost(board):
            return 0.0 if ours else 1.0
        options = ([choice[board]] if ours else others(board)) if moves(board) else []
        return sum(kept(moved(board, cell), not ours) for cell in options) / len(options) if options else 1.0

    return (kept(EMPTY, True) + kept(EMPTY, False)) / 2


# The player


def network() -> MLP:
    """A perceptron from own and other's cells, 18 numbers, to the value of a board, -1 to 1."""
    return MLP(18, 1, hidden_sizes=(128, 64), output_activation="tanh")


def values(net: nn.Module, after: Tensor) -> Tensor:
    """What boards (…, 9) are worth to the player who has just moved, (…,), as the network sees it."""
    return net(torch.cat([after == 1, after == -1], dim=-1).float().flatten(0, -2)).view(after.shape[:-1])


def options(net: nn.Module, board: Tensor) -> tuple[Tensor, Tensor]:
    """Of boards (N, 9) what each move is worth, (N, 9), and whether it ends the game; a taken cell is worth -2."""
    after = board[:, None, :] + torch.eye(9, dtype=board.dtype)  # N, 9 moves, 9 cells
    won = (after[..., torch.tensor(LINES)] == 1).all(dim=-1).any(dim=-1)
    full = (after != 0).all(dim=-1)
    worths = torch.where(won, 1.0, torch.where(full, 0.0, values(net, after)))
    return worths.masked_fill(board != 0, -2.0), won | full


def choices(net: nn.Module, every: list[Board]) -> dict[Board, int]:
    """The network's move on each board."""
    with torch.no_grad():
        return dict(zip(every, options(net, torch.tensor(every))[0].argmax(dim=1).tolist()))


def learn(steps: int, seed: int = 0, every: int = 100) -> tuple[MLP, list[tuple[int, float, float]]]:
    """Play and learn for some steps, in each of which all games go on by a move.

    Returns:
        The network, and at every so many steps (games that were ended, share not lost to a random player, and to a
        perfect one).
    """
    torch.manual_seed(seed)
    net, ended, progress, known = network(), 0, [], boards()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, steps)
    board = torch.zeros(GAMES, 9, dtype=torch.long)
    for step in range(steps + 1):
        if step % every == 0 or step == steps:
            choice = choices(net, known)
            progress.append((ended, not_lost(choice, moves), not_lost(choice, best_moves)))
        with torch.no_grad():
            worths, ends = options(net, board)
            random = torch.rand(GAMES, 9).masked_fill(board != 0, -1).argmax(dim=1)
            move = torch.where(torch.rand(GAMES) < EXPLORED, random, worths.argmax(dim=1))
            after = board.scatter(1, move[:, None], 1)
            over = ends.gather(1, move[:, None])[:, 0]
            best_answer = options(net, -after)[0].amax(dim=1)
        loss = (values(net, after) + best_answer).square()[~over].mean()  # a board is worth minus the best answer
        if not over.all():
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        board = -after
        board[over] = 0
        ended += int(over.sum())
    return net, progress


def draw(net: nn.Module, progress: list[tuple[int, float, float]], file: Path) -> None:
    """Draw how it got better, and what it thinks of the nine first moves."""
    from matplotlib.figure import Figure

    figure = Figure((9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[2, 1])
    games, by_random, by_perfect = zip(*progress)
    left.plot(games, by_random, label="by a random player")
    left.plot(games, by_perfect, label="by a perfect player")
    left.set(xlabel="games against itself", ylabel="share of games not lost", ylim=(0, 1.02))
    left.set_title("How often it is not beaten")
    left.legend()
    with torch.no_grad():
        first = options(net, torch.tensor([EMPTY]))[0].view(3, 3).numpy()
    right.imshow(first, cmap="RdBu", vmin=-0.3, vmax=0.3)
    for row in range(3):
        for column in range(3):
            right.text(column, row, f"{first[row, column]:+.2f}", ha="center", va="center")
    right.set(xticks=[], yticks=[], title="What a first move is worth\n(a draw is 0)")
    figure.savefig(file, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description="A perceptron learns noughts and crosses by playing against itself.")
    parser.add_argument("--steps", type=int, default=4000, help="moves in each of the games side by side")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", type=Path, default=Path("noughts_and_crosses.png"))
    given = parser.parse_args()
    net, progress = learn(given.steps, given.seed)
    print("games   not lost to random   to perfect")
    for games, by_random, by_perfect in progress[:: max(1, len(progress) // 10)] + progress[-1:]:
        print(f"{games:6}   {by_random:18.2%}   {by_perfect:10.2%}")
    draw(net, progress, given.plot)
    print(f"Plot: {given.plot}")


if __name__ == "__main__":
    main()
