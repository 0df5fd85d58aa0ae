"""Artefacts from the web, into a cache on this machine: whole and as promised, or not at all."""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from zoo import __version__
from zoo.errors import ArtefactError
from zoo.weights import artefact

MAX_BYTES = 2 * 2**30
SECONDS = 30  # without a word from the server
CHUNK = 2**20
SCHEMES = ("http", "https")
ABANDONED = 24 * 60 * 60  # seconds after which what a killed download left is removed


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
    cached = cache() / f"{sha256 or hashlib.sha256(url.encode(errors='surrogatepass')).hexdigest()}.safetensors"
    try:
        if cached.is_file() and sha256 in (None, _sha256(cached)):
            return cached
        cached.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(cached.parent)
        handle, name = tempfile.mkstemp(dir=cached.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                found = _receive(url, file, max_bytes)
                file.flush()
                os.fsync(file.fileno())
            if sha256 is not None and found != sha256:
                raise ArtefactError(f"its sha256 is {found}, and not {sha256}")
            artefact.check(name)
            os.replace(name, cached)  # another process sees no file, or a whole one
        except BaseException:
            os.unlink(name)
            raise
    except ArtefactError as error:
        raise ArtefactError(f"{url}: {error}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:  # urllib's own errors are of the first kind
        raise ArtefactError(f"{url} cannot be downloaded: {_reason(error)}") from error
    return cached


def cache() -> Path:
    """The folder of what was downloaded."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("ZOO_CACHE") or Path(base, "zoo"))


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to http and https alone, and never from https to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        try:
            _check_scheme(newurl)
            if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
                raise ArtefactError(f"it redirects from https to {newurl}")
        except ArtefactError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _receive(url: str, file: IO[bytes], max_bytes: int) -> str:
    """Write what an address gives into a file, as long as it is not too much; gives its sha256."""
    digest, received = hashlib.sha256(), 0
    request = urllib.request.Request(url, headers={"User-Agent": f"zoo/{__version__}"})
    with _opener().open(request, timeout=SECONDS) as response:
        promised = response.headers.get("Content-Length")
        if promised is not None and int(promised) > max_bytes:
            raise ArtefactError(f"it has {promised} bytes; {max_bytes} is the limit")
        while chunk := response.read(CHUNK):
            received += len(chunk)
            if received > max_bytes:
                raise ArtefactError(f"it has more than {max_bytes} bytes, which is the limit")
            digest.update(chunk)
            file.write(chunk)
    if promised is not None and received != int(promised):
        raise ArtefactError(f"cut off after {received} of {promised} bytes")
    return digest.hexdigest()


def _opener() -> urllib.request.OpenerDirector:
    """One that knows http and https, and neither files nor ftp."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        _Redirects,
    ):
        opener.add_handler(handler())
    return opener


def _check_scheme(url: str) -> None:
    try:
        scheme = urlsplit(url).scheme.lower()
    except ValueError as error:
        raise ArtefactError(f"{url}: {error}") from error
    if scheme not in SCHEMES:
        raise ArtefactError(f"{url}: weights come by http, https or hf, not by {scheme or 'no scheme'}")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _remove_abandoned(folder: Path) -> None:
    for part in folder.glob(".*.part"):
        with suppress(FileNotFoundError):  # another process has just finished it
            if time.time() - part.stat().st_mtime > ABANDONED:
                part.unlink()


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return f"the server answers {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
