"""How the cost of training grows with rows, pixels, steps of a sequence and hidden units, for each technique.

Each point is a run of three epochs on generated data, in a process of its own and on one thread: seconds of the CPU in
its fastest epoch, and the peak of memory above what the imports take. The exponent is that of cost ~ size ** exponent,
between two and eight times the size: 1 is linear, and fixed costs make it smaller. Where it is above what the
arithmetic of the network says, with a margin, the table says so.
"""

from __future__ import annotations

import math
import multiprocessing
import resource
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from zoo.benchmarks import Row
from zoo.benchmarks.training import fit
from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples, Ragged
from zoo.private import keep_freed_memory
from zoo.spec import Classes, Image, Spec, Text
from zoo.training import run_length
from zoo.training.compose import compose
from zoo.training.parts import make_task

TIMES = 1, 2, 4, 8
MARGIN = 0.15  # of an exponent
BATCH = 64
ROWS, SIDE, STEPS, HIDDEN = 1024, 16, 16, 16  # at once the size
WORDS = tuple(f"word{number}" for number in range(50))
Size = dict[str, int]  # rows, pixels, steps, hidden units, as multiples


class Generated(DataModule):
    """Examples to train on."""

    def __init__(self, spec: Spec, examples: Examples) -> None:
        super().__init__(BATCH)
        self.spec, self.splits = spec, {"train": examples}

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        return self.spec, self.splits


@dataclass(frozen=True)
class Technique:
    """What is trained.

    Args:
        overrides: of a run, given how many hidden units there are.
        data: what it is trained on, given a size.
        expected: of each axis, the exponent that the arithmetic of the network has for many units.
    """

    overrides: Callable[[int], list[str]]
    data: Callable[[Size], tuple[Spec, Examples]]
    expected: dict[str, float] = field(default_factory=dict)


def images(size: Size) -> tuple[Spec, Examples]:
    rows, width = ROWS * size["rows"], SIDE * size["pixels"]
    pixels = torch.randint(0, 256, (rows, 1, SIDE, width), dtype=torch.uint8)
    return Spec(Image(1, SIDE, width, (0.5,), (0.5,)), Classes(("a", "b"))), Examples(pixels, torch.arange(rows) % 2)


def texts(size: Size) -> tuple[Spec, Examples]:
    rows, steps = ROWS * size["rows"], STEPS * size["steps"]
    codes = Ragged(torch.randint(2, len(WORDS) + 2, (rows * steps,)), torch.full((rows,), steps))
    return Spec(Text(WORDS, "words"), Classes(("a", "b"))), Examples(codes, torch.arange(rows) % 2)


def _recurrent(model: str) -> Technique:
    def overrides(units: int) -> list[str]:
        return [f"model={model}", "task=sentiment", f"model.hidden_size={units}"]

    return Technique(overrides, texts, {"rows": 1, "steps": 1, "hidden": 2})


OF_IMAGES = {"rows": 1.0, "pixels": 1.0}
TECHNIQUES = {
    "mlp": Technique(
        lambda units: ["model=mlp", "task=classification", f"model.hidden_sizes=[{8 * units}]"],
        images,
        {**OF_IMAGES, "hidden": 1},
    ),
    "cnn": Technique(
        lambda units: ["model=cnn", f"model.widths=[{units},{2 * units}]"], images, {**OF_IMAGES, "hidden": 2}
    ),
    "rbm": Technique(
        lambda units: ["model=rbm", "task=features", f"model.num_hidden={8 * units}"],
        images,
        {**OF_IMAGES, "hidden": 1},
    ),
    "gan": Technique(
        lambda units: [
            "model=gan",
            "task=generation",
            f"model.width={units // 2}",
            f"task.discriminator.width={units // 2}",
        ],
        images,
        {**OF_IMAGES, "hidden": 2},
    ),
    **{model: _recurrent(model) for model in ("rnn", "gru", "lstm")},
}


def run(root: Path) -> list[Row]:
    """Print the table, and give its rows: the exponents of time, beside those that are expected."""
    torch.set_num_threads(1)  # before any process is forked
    rows = []
    times = ", ".join(map(str, TIMES))
    print(f"{'':16}{f'CPU s an epoch at {times} times':>44}{'MiB':>28}{'time':>7}{'memory':>8}")
    for name, technique in TECHNIQUES.items():
        for axis, expected in technique.expected.items():
            seconds, memory = zip(*(_apart(name, axis, times) for times in TIMES))
            found = [_exponent(costs) for costs in (seconds, memory)]
            cells = "".join(f"{cost:11.3f}" for cost in seconds) + "".join(f"{cost:7.0f}" for cost in memory)
            told = "".join(
                f"; {what} grows faster than {expected:g}"
                for what, exponent in zip(("time", "memory"), found)
                if exponent > expected + MARGIN
            )
            print(f"{f'{name}, {axis}':16}{cells}{found[0]:7.2f}{found[1]:8.2f}{told}", flush=True)
            rows.append(Row(f"{name}, {axis}", [found[0]], [expected]))
    return rows


def _exponent(costs: tuple[float, ...]) -> float:
    """Between twice the size and the largest; below that, fixed costs say little of how it grows."""
    return math.log(max(costs[-1], 1e-9) / max(costs[1], 1e-9)) / math.log(TIMES[-1] / TIMES[1])


def _apart(name: str, axis: str, times: int) -> tuple[float, float]:
    """Seconds and MiB of a run in a process of its own, which has the imports from this one."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=lambda: sender.send(measure(name, {axis: times})))
    process.start()
    sender.close()
    measured: tuple[float, float] = receiver.recv()
    process.join()
    return measured


def measure(name: str, size: Size) -> tuple[float, float]:
    """Seconds of the fastest epoch but the first, and MiB of memory that the run took at its peak.

    Args:
        name: of a technique.
        size: how many times as much there is, by axis.
    """
    technique, size = TECHNIQUES[name], {"rows": 1, "pixels": 1, "steps": 1, "hidden": 1, **size}
    torch.manual_seed(0)
    keep_freed_memory()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    spec, examples = technique.data(size)
    data = Generated(spec, examples)
    cfg = compose(technique.overrides(HIDDEN * size["hidden"]))
    task = make_task(cfg, spec)
    run_length.choose(cfg, task)
    seconds = fit(task, data, epochs=3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return min(seconds[1:]), peak / 1024
