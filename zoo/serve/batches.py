"""Several requests computed together: whatever waits while a batch is computed is the next batch.

There is no fixed delay. An idle server computes a request at once, and a busy one makes its batches larger. A bad input
costs its own request an error, and changes no other answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from zoo.errors import SpecError, ZooError
from zoo.serve.request_limits import Limits
from zoo.weights.artefact import Artefact

log = logging.getLogger(__name__)

RawInput = tuple[Any, ...]


class Busy(Exception):
    """More inputs wait than may."""


@dataclass
class _Waiting:
    """An input that waits, with the options of its answer."""

    raw: RawInput
    options: dict[str, Any]
    alone: bool
    answer: asyncio.Future[Any]


class Batcher:
    """Answers the inputs of many requests, in the order in which they come.

    Args:
        artefact: that answers.
        limits: `waiting` and `batch_size` of them.
        executor: of one thread, which computes.
    """

    def __init__(self, artefact: Artefact, limits: Limits, executor: Executor) -> None:
        self._artefact = artefact
        self._limits = limits
        self._executor = executor
        self._queue: deque[_Waiting] = deque()
        self._task: asyncio.Task[None] | None = None
        self._per_example: tuple[str, ...] = getattr(artefact.network, "per_example", ())

    def __len__(self) -> int:
        """The number of inputs that wait."""
        return len(self._queue)

    async def answer(self, inputs: Sequence[RawInput], options: dict[str, Any]) -> list[Any]:
        """The answers to the inputs of a request, as `artefact(inputs, **options)` gives them; errors in their places.

        What waits is dropped once the caller is cancelled.

        Raises:
            Busy: too many inputs wait.
        """
        if len(self._queue) + len(inputs) > self._limits.waiting:
            raise Busy
        loop = asyncio.get_running_loop()
        counted = [name for name in self._per_example if type(options.get(name)) is int]
        waiting = []
        for index, raw in enumerate(inputs):
            its = {**options, **{name: options[name] + index for name in counted}}
            waiting.append(_Waiting(raw, its, bool(counted), loop.create_future()))
        self._queue.extend(waiting)
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._drain())
        return list(await asyncio.gather(*(each.answer for each in waiting)))

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        while batch := self._next():
            inputs, options = [each.raw for each in batch], batch[0].options
            try:
                answers = await loop.run_in_executor(self._executor, answer_each, self._artefact, inputs, options)
            except RuntimeError as error:  # the executor is shut down
                answers = [error] * len(batch)
            for each, answer in zip(batch, answers):
                if not each.answer.done():
                    each.answer.set_result(answer)

    def _next(self) -> list[_Waiting]:
        """The inputs that are computed next, all with the same options."""
        batch: list[_Waiting] = []
        while self._queue and len(batch) < self._limits.batch_size:
            first = self._queue[0]
            if not first.answer.cancelled():
                if batch and (first.alone or batch[0].alone or first.options != batch[0].options):
                    break
                batch.append(first)
            self._queue.popleft()
        return batch


def answer_each(artefact: Artefact, inputs: Sequence[RawInput], options: dict[str, Any]) -> list[Any]:
    """The answers to several inputs; one that has none has its error in its place.

    They are computed together. Where that fails, each half is tried, down to the inputs at fault.
    """
    try:
        columns = [list(column) for column in zip(*inputs, strict=True)]
        return list(artefact(*columns, **options))
    except Exception as error:
        fault = error
    if len(inputs) > 1:
        middle = len(inputs) // 2
        halves = (inputs[:middle], inputs[middle:])
        return [answer for half in halves for answer in answer_each(artefact, half, options)]
    if isinstance(fault, (ZooError, ValueError)):
        return [fault]
    log.error("an input has no answer, by a fault of the server", exc_info=fault)
    return [SpecError(f"this input cannot be answered ({type(fault).__name__})")]
