"""The command `zoo serve` as a process of its own: under load, and as it is told to end."""

from __future__ import annotations

import http.client
import json
import threading
import time
from contextlib import closing

import pytest

from zoo.benchmarks.serving import examples, measure, server

pytestmark = pytest.mark.slow


def test_two_hundred_clients_get_their_own_answers() -> None:
    """Shorter than `zoo benchmark suite=serving`, which takes a minute for each of three models."""
    inputs, expected = examples("mlp.breast_cancer")
    with server("mlp.breast_cancer") as (port, process):
        load = measure(port, inputs, expected, clients=200, seconds=6)
        assert process.poll() is None
    assert (load.wrong, load.lost) == (0, 0)
    assert load.refused > 0
    assert len(load.seconds) >= 200


def test_sigterm_lets_what_is_at_work_be_finished() -> None:
    inputs, _ = examples("lstm.rt_polarity")
    many = json.dumps({"inputs": inputs * 8})
    statuses = []

    def ask(port: int) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            connection.request("POST", "/predict", many, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            statuses.append((reply.status, len(json.loads(reply.read())["answers"])))

    with server("lstm.rt_polarity") as (port, process):
        client = threading.Thread(target=ask, args=(port,))
        client.start()
        deadline = time.monotonic() + 60
        while waiting(port) == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.terminate()
        client.join(60)
        assert statuses == [(200, len(inputs) * 8)]
        assert process.wait(60) in (0, -15)
    with pytest.raises(OSError, match="refused"):
        ask(port)


def waiting(port: int) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", "/health")
        return int(json.loads(connection.getresponse().read())["waiting"])
