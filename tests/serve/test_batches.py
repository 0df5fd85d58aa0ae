"""Requests that are computed together, and what goes wrong in one of them."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from zoo.errors import SpecError
from zoo.serve.batches import Batcher, Busy, answer_each
from zoo.serve.request_limits import Limits


class Doubler:
    """In place of an artefact: doubles numbers, and remembers the batches. It waits where it is told to."""

    def __init__(self, per_example: tuple[str, ...] = ()) -> None:
        self.batches: list[list[int]] = []
        self.network = SimpleNamespace(per_example=per_example)
        self.go = threading.Event()
        self.go.set()
        self.started = threading.Event()

    def __call__(self, numbers: list[int], **options: Any) -> list[Any]:
        self.started.set()
        assert self.go.wait(30)
        self.batches.append(numbers)
        if any(number < 0 for number in numbers):
            raise SpecError("a number below 0")
        if 13 in numbers:
            raise RuntimeError("a fault")
        return [2 * number + options.get("seed", 0) for number in numbers]


def run(doubler: Doubler, work: Any, **limits: Any) -> Any:
    async def main() -> Any:
        with ThreadPoolExecutor(1) as executor:
            return await work(Batcher(doubler, Limits(**limits), executor))  # type: ignore[arg-type]

    return asyncio.run(main())


def numbers(*values: int) -> list[tuple[int]]:
    return [(value,) for value in values]


def test_what_waits_is_one_batch_and_each_gets_its_own_answer() -> None:
    doubler = Doubler()

    async def work(batcher: Batcher) -> list[list[Any]]:
        doubler.go.clear()
        first = asyncio.create_task(batcher.answer(numbers(1), {}))
        await asyncio.to_thread(doubler.started.wait, 30)
        others = [asyncio.create_task(batcher.answer(numbers(n, n + 1), {})) for n in range(10, 20, 2) if n != 12]
        await asyncio.sleep(0)
        doubler.go.set()
        return list(await asyncio.gather(first, *others))

    answers = run(doubler, work, batch_size=6)
    assert answers == [[2], [20, 22], [28, 30], [32, 34], [36, 38]]
    assert doubler.batches == [[1], [10, 11, 14, 15, 16, 17], [18, 19]]


def test_a_bad_input_costs_its_own_answer_alone(caplog: pytest.LogCaptureFixture) -> None:
    doubler = Doubler()
    answers = answer_each(doubler, numbers(1, -1, 13, 4), {})  # type: ignore[arg-type]
    assert [answers[0], answers[3]] == [2, 8]
    assert str(answers[1]) == "a number below 0"
    assert isinstance(answers[2], SpecError)
    assert "a fault" in caplog.text  # in the log, and not in the answer
    assert "a fault" not in str(answers[2])


def test_bad_inputs_among_many_cost_few_batches() -> None:
    doubler = Doubler()
    answers = answer_each(doubler, numbers(*range(100, 132), -1, *range(200, 231)), {})  # type: ignore[arg-type]
    assert sum(isinstance(answer, SpecError) for answer in answers) == 1
    assert len(doubler.batches) <= 2 * 6 + 1  # both halves, at each of six sizes


def test_options_are_those_of_the_request_and_seeds_count_up() -> None:
    doubler = Doubler(per_example=("seed",))

    async def work(batcher: Batcher) -> list[list[Any]]:
        requests = [({"seed": 100}, (1, 1)), ({}, (1, 2)), ({"seed": 500}, (1,)), ({}, (3,))]
        return list(await asyncio.gather(*(batcher.answer(numbers(*values), options) for options, values in requests)))

    assert run(doubler, work) == [[102, 103], [2, 4], [502], [6]]


def test_what_nobody_waits_for_is_not_computed() -> None:
    doubler = Doubler()

    async def work(batcher: Batcher) -> Any:
        doubler.go.clear()
        first = asyncio.create_task(batcher.answer(numbers(1), {}))
        await asyncio.to_thread(doubler.started.wait, 30)
        gone = asyncio.create_task(batcher.answer(numbers(2, 3), {}))
        last = asyncio.create_task(batcher.answer(numbers(4), {}))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        doubler.go.set()
        return await first, await last

    assert run(doubler, work) == ([2], [8])
    assert doubler.batches == [[1], [4]]


def test_too_many_that_wait_are_refused() -> None:
    doubler = Doubler()

    async def work(batcher: Batcher) -> Any:
        doubler.go.clear()
        first = asyncio.create_task(batcher.answer(numbers(1), {}))
        await asyncio.to_thread(doubler.started.wait, 30)
        second = asyncio.create_task(batcher.answer(numbers(2, 3), {}))
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await batcher.answer(numbers(4), {})
        doubler.go.set()
        return await first, await second

    assert run(doubler, work, waiting=2) == ([2], [4, 6])
