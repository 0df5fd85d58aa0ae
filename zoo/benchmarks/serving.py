"""`zoo serve` under load: 200 clients on this machine for a minute, each answer compared with the artefact's own.

Each client has a connection of its own, and asks again as soon as it is answered. One request in ten has a bad input
among good ones. `wrong` counts answers that are not those of the artefact, and `lost` requests without an answer.
"""

from __future__ import annotations

import http.client
import json
import math
import os
import random
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zoo
from zoo.benchmarks import Row

MODELS = {
    "lstm.rt_polarity": "words of film reviews",
    "cnn.mnist": "images of 28 x 28 pixels",
    "mlp.breast_cancer": "rows of a table",
}
CLIENTS, SECONDS = 200, 60
BAD = "\0"  # no input of any kind
DISTINCT = 500  # inputs
CLOSE = 1e-4  # what the rounding of another batch may change


@dataclass
class Load:
    """What clients saw: seconds a request, and how many answers were wrong or lost."""

    seconds: list[float] = field(default_factory=list)
    wrong: int = 0
    lost: int = 0
    refused: int = 0  # bad inputs that got their error


def run(root: Path) -> list[Row]:
    """Print the table, and give its rows: seconds of each request."""
    rows = []
    print(f"{'':18} {'clients':>7} {'requests/s':>10} {'median ms':>9} {'p99 ms':>7} {'wrong':>5} {'lost':>5}")
    for name in MODELS:
        inputs, expected = examples(name)
        with server(name) as (port, _):
            for clients, seconds in ((1, SECONDS / 6), (CLIENTS, SECONDS)):
                load = measure(port, inputs, expected, clients, seconds)
                ranked = sorted(load.seconds)
                median, late = statistics.median(ranked), ranked[int(0.99 * len(ranked))]
                rate = len(ranked) / seconds
                numbers = f"{rate:10.0f} {1e3 * median:9.1f} {1e3 * late:7.1f} {load.wrong:5} {load.lost:5}"
                print(f"{name:18} {clients:7} {numbers}", flush=True)
                rows.append(Row(f"{name}, {clients} clients", ranked))
    return rows


def examples(name: str) -> tuple[list[Any], list[Any]]:
    """Inputs as JSON has them, and the artefact's own answers."""
    artefact = zoo.load(name)
    from zoo.weights.samples import random_inputs

    raw = [inputs[0] for inputs in random_inputs(artefact.spec.input, DISTINCT)]
    return [getattr(each, "tolist", lambda each=each: each)() for each in raw], artefact(raw)


@contextmanager
def server(name: str, *settings: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """The port of `zoo serve` in a process of its own, and the process."""
    command = [sys.executable, "-m", "zoo", "serve", f"model={name}", "port=0", *settings]
    path = os.pathsep.join(filter(None, (str(Path(zoo.__file__).parent.parent), os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path})
    assert process.stdout is not None
    try:
        address = re.match(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
        if address is None:
            raise RuntimeError("the server did not start")
        yield int(address[1]), process
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def measure(port: int, inputs: list[Any], expected: list[Any], clients: int, seconds: float) -> Load:
    """What so many clients see in so many seconds."""
    load, lock, end = Load(), threading.Lock(), time.monotonic() + seconds

    def client(number: int) -> None:
        chance, own = random.Random(number), Load()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while time.monotonic() < end:
            places = [chance.randrange(len(inputs)) for _ in range(chance.randint(1, 4))]
            bad = chance.random() < 0.1
            started = time.monotonic()
            try:
                answers = _ask(connection, [inputs[place] for place in places] + [BAD] * bad)
            except (OSError, http.client.HTTPException, ValueError):
                own.lost += 1
                connection.close()
                continue
            own.seconds.append(time.monotonic() - started)
            own.refused += bad and answers[-1] is None
            good = answers[: len(answers) - bad]
            own.wrong += not all(map(alike, good, (expected[place] for place in places)))
            own.wrong += len(good) != len(places) or (bad and answers[-1] is not None)
        connection.close()
        with lock:
            load.seconds += own.seconds
            load.wrong, load.lost = load.wrong + own.wrong, load.lost + own.lost
            load.refused += own.refused

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return load


def _ask(connection: http.client.HTTPConnection, inputs: list[Any]) -> list[Any]:
    body = json.dumps({"inputs": inputs})
    connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
    reply = connection.getresponse()
    text = reply.read()
    if reply.status != 200:
        raise ValueError(f"{reply.status}: {text[:200]!r}")
    answers: list[Any] = json.loads(text)["answers"]
    return answers


def alike(given: Any, expected: Any) -> bool:
    """Whether an answer is the expected one, up to rounding."""
    if isinstance(expected, dict):
        same = isinstance(given, dict) and given.keys() == expected.keys()
        return same and all(alike(given[name], expected[name]) for name in expected)
    if isinstance(expected, float):
        return isinstance(given, float) and math.isclose(given, expected, rel_tol=CLOSE, abs_tol=CLOSE)
    return bool(given == expected)
