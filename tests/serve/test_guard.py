"""Who may ask: tokens, and the names by which this machine is asked."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from zoo.errors import ConfigError
from zoo.serve.guard import TOKEN, Guard, token_from_environment

SECRET = "a-token-of-some-length"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(f"in at {Request(scope).url.path}")(scope, receive, send)


def asked(path: str, *, token: str | None = None, loopback: bool = False, **headers: str) -> int:
    guard = Guard(app, token, lambda path: path == "/health", loopback=loopback)
    return TestClient(guard).get(path, headers=headers).status_code


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (f"Bearer {SECRET}", 200),
        (f"bearer {SECRET}", 200),
        (f"Bearer {SECRET}x", 401),
        (f"Bearer {SECRET[:-1]}", 401),
        (f"Basic {SECRET}", 401),
        (SECRET, 401),
        ("Bearer ", 401),
        ("", 401),
    ],
)
def test_a_token_is_needed_wherever_there_is_one(given: str, status: int) -> None:
    assert asked("/predict", token=SECRET, Authorization=given) == status
    assert asked("/openapi.json", token=SECRET, Authorization=given) == status
    assert asked("/health", token=SECRET, Authorization=given) == 200
    assert asked("/predict", Authorization=given) == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "localhost:1", "[::1]:8000", "[::1]"])
def test_this_machine_is_asked_by_its_own_name(host: str) -> None:
    assert asked("/predict", loopback=True, Host=host) == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil:80", ""]
)
def test_a_strangers_name_for_this_machine_is_refused(host: str) -> None:
    assert asked("/predict", loopback=True, Host=host) == 421
    assert asked("/predict", Host=host) == 200


@pytest.mark.parametrize("token", ["", "short", "x" * 15, "with a space in the middle", "ä" * 20, "x" * 20 + "\n"])
def test_a_token_that_is_none_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv(TOKEN, token)
    with pytest.raises(ConfigError, match=TOKEN):
        token_from_environment()


def test_the_token_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    assert token_from_environment() is None
    monkeypatch.setenv(TOKEN, SECRET)
    assert token_from_environment() == SECRET
