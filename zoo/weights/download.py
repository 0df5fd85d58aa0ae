"""Artefacts from the web, into a cache on this machine: whole and as promised, or not at all."""

from __future__ import annotations

import hashlib
import http.client
import io
import socket
import time
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from zoo import __version__
from zoo.errors import ArtefactError
from zoo.files import cache_folder, is_regular, one_line, remove_abandoned, replacing
from zoo.progress import busy
from zoo.weights import artefact

MAX_BYTES = 2 * 2**30
SECONDS = 20  # until the first byte of the file, redirects and all
SLOWEST = 50_000  # bytes a second on average from then on
CHUNK = 2**20
SCHEMES = ("http", "https")


def download(url: str, *, sha256: str | None = None, max_bytes: int = MAX_BYTES) -> Path:
    """The file at an address, downloaded unless the cache has it; the cache is $ZOO_CACHE, or ~/.cache/zoo.

    Nothing enters the cache but an artefact that is whole, by its own digest and by `sha256`. Processes that download
    the same at once do not disturb each other. Give `sha256` wherever it is known: without it a file that the server
    has replaced is not noticed, once it is cached.

    Args:
        url: of http or https; it may redirect, but not from https to http.
        sha256: of the whole file.
        max_bytes: that it may have.

    Raises:
        ArtefactError: another scheme, no answer, a file that is too large, cut off or not what was promised, or a
            cache that cannot be written.
    """
    _check_scheme(url)
    sha256 = sha256 and sha256.lower()
    cached = cache_folder() / f"{sha256 or hashlib.sha256(url.encode(errors='surrogatepass')).hexdigest()}.safetensors"
    try:
        if is_regular(cached) and _is_whole(cached, sha256):
            return cached
        cached.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(cached.parent)
        with replacing(cached) as file:  # another process sees no file, or a whole one
            with busy(f"downloading {_shown(url)}"):
                found = _receive(url, file, max_bytes)
            file.flush()
            if sha256 is not None and found != sha256:
                raise ArtefactError(f"its sha256 is {found}, and not {sha256}")
            artefact.check(file.name)
    except ArtefactError as error:
        raise ArtefactError(one_line(f"{_shown(url)}: {error}")) from error
    except (OSError, http.client.HTTPException, ValueError) as error:  # urllib's own errors are of the first kind
        raise ArtefactError(one_line(f"{_shown(url)} cannot be downloaded: {_reason(error)}")) from error
    return cached


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to http and https alone, and never from https to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        fp.close()  # or urllib would read all of what nobody wants
        _check_scheme(newurl)
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise ArtefactError(f"it redirects from https to {_shown(newurl)}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Budget:
    """The seconds that a download may take: some to begin with, and more for each byte of the file that has come.

    So a large file may take its time, and a server that sends a byte now and then, be it of a header, a redirect or a
    trailer, may not.
    """

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise ArtefactError("timed out: it takes longer than it may")
        return left

    def earn(self, count: int) -> None:
        self._until += count / SLOWEST


class _WithinBudget(io.RawIOBase):
    """What a socket receives, as long as there is time."""

    def __init__(self, sock: socket.socket, received: Any, budget: _Budget) -> None:
        self._sock, self._received, self._budget = sock, received, budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._budget.left())
        count: int | None = self._received.readinto(buffer)
        return count

    def close(self) -> None:
        self._received.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """One that reads all of it, headers and trailers too, within the budget."""

    def __init__(self, budget: _Budget, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp: Any = io.BufferedReader(_WithinBudget(sock, self.fp.detach(), budget))


class _Connections(urllib.request.AbstractHTTPHandler):
    """Of urllib's handlers of http and https: connections whose answers come within the budget."""

    def __init__(self, budget: _Budget) -> None:
        super().__init__()
        self.budget = budget

    def do_open(self, http_class: Any, req: urllib.request.Request, **options: Any) -> http.client.HTTPResponse:
        def connect(host: str, timeout: float, **more: Any) -> Any:
            connection = http_class(host, timeout=self.budget.left(), **more)
            connection.response_class = partial(_Response, self.budget)
            return connection

        return super().do_open(connect, req, **options)  # type: ignore[arg-type]


class _Http(_Connections, urllib.request.HTTPHandler):
    pass


class _Https(_Connections, urllib.request.HTTPSHandler):
    pass


def _receive(url: str, file: IO[bytes], max_bytes: int) -> str:
    """Write what an address gives into a file, as long as it is not too much; gives its sha256."""
    digest, received, budget = hashlib.sha256(), 0, _Budget(SECONDS)
    request = urllib.request.Request(url, headers={"User-Agent": f"zoo/{__version__}"})
    with _opener(budget).open(request) as response:
        promised = response.headers.get("Content-Length")
        if promised is not None and int(promised) > max_bytes:
            raise ArtefactError(f"it has {int(promised)} bytes; {max_bytes} is the limit")
        while chunk := response.read1(CHUNK):
            received += len(chunk)
            if received > max_bytes:
                raise ArtefactError(f"it has more than {max_bytes} bytes, which is the limit")
            budget.earn(len(chunk))
            digest.update(chunk)
            file.write(chunk)
    if promised is not None and received != int(promised):
        raise ArtefactError(f"cut off after {received} of {promised} bytes")
    return digest.hexdigest()


def _opener(budget: _Budget) -> urllib.request.OpenerDirector:
    """One that knows http and https, and neither files nor ftp."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        _Http(budget),
        _Https(budget),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener


def _check_scheme(url: str) -> None:
    try:
        scheme = urlsplit(url).scheme.lower()
    except ValueError as error:
        raise ArtefactError(one_line(f"{_shown(url)}: {error}")) from error
    if scheme not in SCHEMES:
        other = one_line(scheme, 20) or "no scheme"
        raise ArtefactError(one_line(f"{_shown(url)}: weights come by http, https or hf, not by {other}"))


def _is_whole(path: Path, sha256: str | None) -> bool:
    """Whether a file of the cache is still as it came: by the digest that is known, or by its own."""
    if sha256 is not None:
        return hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    try:
        artefact.check(path)
    except ArtefactError:
        return False
    return True


def _shown(url: str) -> str:
    return one_line(url, 120)


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return f"the server answers {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
