"""Who may ask: a token, and names of this server that a browser may use."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from zoo.errors import ConfigError

TOKEN = "ZOO_TOKEN"  # name of the environment variable
LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
MIN_TOKEN = 16  # characters; a shorter one can be guessed


class Guard:
    """An ASGI application before another one, which lets through only those who may.

    Args:
        app: the other one.
        token: that a request must bear, as `Authorization: Bearer …`; None for no token.
        is_open: whether a path needs none.
        loopback: whether the server is for this machine alone. Then a request must name it so, which the page of a
            stranger that is led here by a name of its own does not (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, token: str | None, is_open: Callable[[str], bool], *, loopback: bool) -> None:
        self._app = app
        self._token = token
        self._is_open = is_open
        self._loopback = loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (refusal := self._refusal(scope)) is not None:
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        if self._loopback and _without_port(headers.get("host", "")) not in LOOPBACK:
            return JSONResponse({"error": "this server is for this machine alone: ask it by 127.0.0.1"}, 421)
        if self._token is None or self._is_open(scope["path"]):
            return None
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token.encode()):
            return None
        return JSONResponse({"error": "no token, or a wrong one"}, 401, {"WWW-Authenticate": "Bearer"})


def token_from_environment() -> str | None:
    """The token that requests must bear.

    Raises:
        ConfigError: it is too short, or has characters that a header cannot have.
    """
    token = os.environ.get(TOKEN)
    if token is not None and (len(token) < MIN_TOKEN or not token.isascii() or " " in token or not token.isprintable()):
        raise ConfigError(f"{TOKEN} has at least {MIN_TOKEN} characters of ASCII, without spaces; or unset it")
    return token


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() and (":" not in name or name.startswith("[")) else host
