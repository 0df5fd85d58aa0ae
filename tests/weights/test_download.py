"""Artefacts from the web, served here by a server that behaves, and by one that does not."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import zoo
from zoo.errors import ArtefactError
from zoo.weights import download as downloads
from zoo.weights.catalogue import find
from zoo.weights.download import download

WHOLE = find("mlp.breast_cancer").file.read_bytes()
SHA256 = find("mlp.breast_cancer").sha256
Answer = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    """Answers each path as it is told, and counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []

    def url(self, path: str, answer: Answer) -> str:
        self.answers[path] = answer
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.server.answers[self.path](self)  # type: ignore[attr-defined]

    def log_message(self, *args: Any) -> None:
        pass


def gives(
    data: bytes, *, promised: int | None = None, status: int = 200, wait: threading.Event | None = None
) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data) if promised is None else promised))
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2])
        if wait is not None:
            handler.wfile.flush()
            wait.wait(120)
        handler.wfile.write(data[len(data) // 2 :])

    return answer


def redirects(to: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"\0" * 2**16)
    except OSError:
        pass  # the client has gone, as it should


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def left(cache: Path) -> list[str]:
    return [path.name for path in cache.iterdir()] if cache.exists() else []


def test_an_address_loads_and_is_asked_once(server: Server, cache: Path) -> None:
    url = server.url("/m.safetensors", gives(WHOLE))
    first, second = zoo.load(url), zoo.load(url, sha256=SHA256.upper())
    assert first.spec == second.spec == find("mlp.breast_cancer").spec
    assert zoo.load(url).model == zoo.load(url, sha256=SHA256.upper()).model == "mlp"
    assert server.asked == ["/m.safetensors"] * 2  # once by address, once by content
    assert all((cache / name).read_bytes() == WHOLE for name in left(cache))


def test_a_published_weight_with_an_address_is_downloaded(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.weights import catalogue

    url = server.url("/m.safetensors", gives(WHOLE))
    record = (catalogue.PUBLISHED / "mlp.breast_cancer.json").read_text(encoding="utf-8")
    (tmp_path / "mlp.far.json").write_text(record.replace("{", f'{{"url": "{url}",', 1), encoding="utf-8")
    monkeypatch.setattr(catalogue, "PUBLISHED", tmp_path)
    assert zoo.load("mlp.far").model == "mlp"
    assert zoo.list_weights()[0].size == len(WHOLE)
    assert server.asked == ["/m.safetensors"]


def test_it_follows_to_http(server: Server) -> None:
    url = server.url("/a", redirects("/b"))
    server.url("/b", gives(WHOLE))
    assert zoo.load(url).model == "mlp"


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/m", "data:,x"])
def test_redirects_to_other_schemes_are_refused(server: Server, cache: Path, to: str) -> None:
    with pytest.raises(
        ArtefactError, match=r"Redirection to url .* is not allowed|come by http, https or hf, not by ftp"
    ):
        zoo.load(server.url("/a", redirects(to)))
    assert left(cache) == []


def test_https_does_not_become_http() -> None:
    import urllib.request

    request = urllib.request.Request("https://example.org/m")
    with pytest.raises(ArtefactError, match="redirects from https to http://example"):
        downloads._Redirects().redirect_request(request, io.BytesIO(), 302, "", {}, "http://example.org/m")


def test_a_circle_of_redirects_ends(server: Server) -> None:
    with pytest.raises(ArtefactError, match="cannot be downloaded"):
        zoo.load(server.url("/a", redirects("/a")))


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://example.org/m", "://x", "javascript://x", "http://", "http://[::1", "http://\ud800"],
)
def test_other_addresses_are_refused(url: str, cache: Path) -> None:
    with pytest.raises(ArtefactError):
        zoo.load(url)
    assert left(cache) == []


BAD: dict[str, tuple[Answer, str]] = {
    "cut off": (gives(WHOLE[:-100], promised=len(WHOLE)), "cut off after|cannot be downloaded"),
    "not found": (gives(b"nothing here", status=404), "the server answers 404"),
    "a login page": (gives(b"<html>please log in</html>" * 100), "not a safetensors file"),
    "empty": (gives(b""), "truncated"),
    "one bit wrong": (gives(WHOLE[:-1] + bytes([WHOLE[-1] ^ 1])), "do not match its sha256"),
    "promises too much": (gives(b"", promised=2**40), "is the limit"),
    "a length that is no number": (lambda handler: gives(WHOLE, promised="many")(handler), "cannot be downloaded"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_not_whole_never_enters_the_cache(server: Server, cache: Path, case: str) -> None:
    answer, message = BAD[case]
    url = server.url("/m", answer)
    with pytest.raises(ArtefactError, match=message) as caught:
        zoo.load(url)
    assert url in str(caught.value)
    assert "\n" not in str(caught.value)
    assert left(cache) == []
    server.url("/m", gives(WHOLE))
    assert zoo.load(url).model == "mlp"  # the next try is not spoilt


def test_more_than_the_limit_is_not_received(server: Server, cache: Path) -> None:
    with pytest.raises(ArtefactError, match="more than 1000000 bytes"):
        download(server.url("/m", endless), max_bytes=1_000_000)
    assert left(cache) == []


def test_another_file_than_was_promised_is_refused(server: Server, cache: Path) -> None:
    url = server.url("/m", gives(find("cnn.digits").file.read_bytes()))
    with pytest.raises(ArtefactError, match=f"its sha256 is {find('cnn.digits').sha256}, and not {SHA256}"):
        zoo.load(url, sha256=SHA256)
    assert left(cache) == []


@pytest.mark.parametrize("sha256", [SHA256, None])
@pytest.mark.parametrize("damaged", [WHOLE[:500], WHOLE[:-1] + b"?", b""])
def test_a_damaged_cache_is_mended(server: Server, cache: Path, sha256: str | None, damaged: bytes) -> None:
    url = server.url("/m", gives(WHOLE))
    cached = download(url, sha256=sha256)
    cached.write_bytes(damaged)
    assert zoo.load(url, sha256=sha256).model == "mlp"
    assert cached.read_bytes() == WHOLE


def test_the_mode_is_that_of_the_umask(server: Server) -> None:
    before = os.umask(0o077)
    try:
        cached = download(server.url("/m", gives(WHOLE)))
    finally:
        os.umask(before)
    assert cached.stat().st_mode & 0o777 == 0o600


def drips(handler: BaseHTTPRequestHandler) -> None:
    send(handler, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"a")


def drips_headers(handler: BaseHTTPRequestHandler) -> None:
    send(handler, b"HTTP/1.1 200 OK\r\nX: ", b"a")


def continues(handler: BaseHTTPRequestHandler) -> None:
    send(handler, b"", b"HTTP/1.1 100 Continue\r\n\r\n")


def redirects_for_ever(handler: BaseHTTPRequestHandler) -> None:
    send(handler, b"HTTP/1.1 302 Found\r\nLocation: /m\r\n\r\n", bytes(2**14))


def trails(handler: BaseHTTPRequestHandler) -> None:
    send(handler, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", b"X: y\r\n")


def send(handler: BaseHTTPRequestHandler, first: bytes, again: bytes) -> None:
    with suppress(OSError):  # the client has gone, as it should
        handler.wfile.write(first)
        while True:
            handler.wfile.write(again)
            time.sleep(0.01)


@pytest.mark.parametrize("answer", [drips, drips_headers, continues, redirects_for_ever, trails])
def test_a_server_that_never_ends_is_given_up(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    monkeypatch.setattr(downloads, "SECONDS", 0.2)
    began = time.monotonic()
    with pytest.raises(ArtefactError) as caught:
        zoo.load(server.url("/m", answer))
    assert time.monotonic() - began < 5
    assert len(str(caught.value)) <= 300
    assert left(cache) == []


def test_what_a_server_says_is_shown_in_one_line(server: Server) -> None:
    def coloured(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 500 \x1b[31mbad\x07\x1b[2J" + b"x" * 9000 + b"\r\nContent-Length: 0\r\n\r\n")

    with pytest.raises(ArtefactError, match="500") as caught:
        zoo.load(server.url("/" + "y" * 500, coloured))
    assert len(str(caught.value)) <= 300
    assert str(caught.value).isprintable()


def test_a_silent_server_is_given_up(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "SECONDS", 0.2)
    wait = threading.Event()
    with pytest.raises(ArtefactError, match="timed out"):
        zoo.load(server.url("/m", gives(WHOLE, wait=wait)))
    wait.set()
    assert left(cache) == []


def test_many_at_once_do_not_disturb_each_other(server: Server, cache: Path) -> None:
    url = server.url("/m", gives(WHOLE))
    with ThreadPoolExecutor(8) as pool:
        files = list(pool.map(lambda _: download(url, sha256=SHA256), range(16)))
    assert {file.read_bytes() for file in files} == {WHOLE}
    assert len(left(cache)) == 1


def test_a_process_killed_half_way_leaves_nothing_that_is_taken_for_whole(
    server: Server, cache: Path, tmp_path: Path, forks: Any
) -> None:
    wait = threading.Event()
    url = server.url("/m", gives(WHOLE, wait=wait))
    program, said = tmp_path / "program.py", tmp_path / "said"
    program.write_text(f"import zoo; zoo.load({url!r})", encoding="utf-8")
    process = forks.start(program, cwd=tmp_path, out=said, err=said)
    while not server.asked or not left(cache):
        assert process.is_alive(), said.read_text()
        time.sleep(0.01)
    process.kill()
    process.join()
    wait.set()
    parts = left(cache)
    assert [name.endswith(".part") for name in parts] == [True]
    os.utime(cache / parts[0], (0, 0))  # as if it lay there for long
    assert zoo.load(url).model == "mlp"
    assert [name.endswith(".safetensors") for name in left(cache)] == [True]  # what was abandoned is gone


def test_a_full_disk_leaves_nothing(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArtefactError, match="No space left on device"):
        zoo.load(server.url("/m", gives(WHOLE)))
    assert left(cache) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_is_really_full(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        monkeypatch.setattr(os, "fsync", lambda handle: full.write(b"x"))
        with pytest.raises(ArtefactError, match="No space left on device"):
            zoo.load(server.url("/m", gives(WHOLE)))
    assert left(cache) == []


def test_a_cache_that_cannot_be_written(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ArtefactError, match=r"Not a directory|File exists"):
        zoo.load(server.url("/m", gives(WHOLE)))


def test_the_name_in_the_cache_owes_nothing_to_the_address(server: Server, cache: Path) -> None:
    url = server.url("/../../../../escape.safetensors", gives(WHOLE))
    assert download(url).parent == cache
    assert left(cache) == [f"{hashlib.sha256(url.encode()).hexdigest()}.safetensors"]
