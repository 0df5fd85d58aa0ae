"""torch.hub, and repositories of the Hugging Face hub, whose part is played by a server here."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig

import zoo
from zoo.errors import ArtefactError, ConfigError, install
from zoo.inference.publish import publish
from zoo.weights import hub
from zoo.weights.catalogue import find

WHOLE = find("cnn.digits").file.read_bytes()
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """As much of the hub as is needed: repositories as dicts of files, which can be read and written."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}  # by owner/name/revision/file
        self.made: list[dict[str, Any]] = []


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self.do_GET(body=False)

    def do_GET(self, body: bool = True) -> None:
        data = self.server.files.get(self.path.strip("/").replace("/resolve/", "/"))
        self.send_response(404 if data is None else 200)
        if data is None:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("X-Repo-Commit", hashlib.sha1(self.path.encode()).hexdigest())
        self.send_header("ETag", f'"{hashlib.sha256(data or b"").hexdigest()}"')
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        if body:
            self.wfile.write(data or b"")

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Authorization") != "Bearer let me in":
            self.answer(401, {"error": "Invalid credentials"})
        elif self.path == "/api/validate-yaml":
            self.answer(200, {"errors": [], "warnings": []})
        elif self.path == "/api/repos/create":
            self.server.made.append(json.loads(sent))
            self.answer(200, {"url": "http://127.0.0.1/owner/name"})
        elif "/preupload/" in self.path:
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(sent)["files"]
            ]
            self.answer(200, {"files": files})
        elif "/commit/" in self.path:
            repo, _, revision = self.path.removeprefix("/api/models/").partition("/commit/")
            for line in map(json.loads, sent.splitlines()):
                if line["key"] == "file":
                    file = line["value"]
                    self.server.files[f"{repo}/{revision}/{file['path']}"] = base64.b64decode(file["content"])
            self.answer(200, {"commitUrl": "http://127.0.0.1/owner/name/commit/1", "commitOid": COMMIT})
        else:
            self.answer(404, {"error": self.path})

    def answer(self, status: int, what: dict[str, Any]) -> None:
        data = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    constants = pytest.importorskip("huggingface_hub.constants")
    with Hub() as server:
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setenv("HF_TOKEN", "let me in")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_repository_loads(server: Hub) -> None:
    server.files["owner/name/main/model.safetensors"] = WHOLE
    server.files["owner/name/v1.0/model.safetensors"] = find("mlp.breast_cancer").file.read_bytes()
    assert zoo.load("hf://owner/name").spec == find("cnn.digits").spec
    assert zoo.load("hf://owner/name@v1.0").model == "mlp"
    with pytest.raises(ArtefactError, match="its sha256 is"):
        zoo.load("hf://owner/name", sha256="0" * 64)


def test_what_is_damaged_there_is_refused(server: Hub) -> None:
    server.files["owner/name/main/model.safetensors"] = WHOLE[:-1] + b"?"
    with pytest.raises(ArtefactError, match="do not match its sha256"):
        zoo.load("hf://owner/name")


def test_more_than_the_limit_is_not_received(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["owner/name/main/model.safetensors"] = WHOLE
    monkeypatch.setattr(hub, "MAX_BYTES", 1000)
    with pytest.raises(ArtefactError, match="1000 is the limit"):
        zoo.load("hf://owner/name")


def test_no_such_repository(server: Hub) -> None:
    with pytest.raises(ArtefactError, match="hf://owner/other: ") as caught:
        zoo.load("hf://owner/other")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "hf://",
        "hf://name",
        "hf://owner/name/../x",
        "hf://owner/name@",
        "hf://a b/c",
        "hf://owner/name@../other",
        "hf://owner/name@a/../b",
        "hf://../x",
    ],
)
def test_what_is_no_repository_s_address(address: str) -> None:
    pytest.importorskip("huggingface_hub")
    with pytest.raises(ArtefactError, match="is not of the form hf://owner/name"):
        zoo.load(address)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ArtefactError, match=re.escape(install("hub"))):
        zoo.load("hf://owner/name")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run, as far as it is uploaded."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(WHOLE)
    (folder / "card.md").write_text('# A card\n\n    zoo.load("model.safetensors")\n', encoding="utf-8")
    (folder / "confusion_matrix.png").write_bytes(b"a picture")
    return folder


def test_a_run_goes_up_and_comes_down(
    server: Hub, run: Path, compose: Callable[..., DictConfig], caplog: pytest.LogCaptureFixture
) -> None:
    publish(compose("use/publish", f"run={run}", "to=hf://owner/name", "licence=Apache-2.0", "private=true"))
    assert [(made["organization"], made["name"], made["visibility"]) for made in server.made] == [
        ("owner", "name", "private")
    ]
    assert set(server.files) == {
        f"owner/name/main/{name}" for name in ("README.md", "model.safetensors", "confusion_matrix.png")
    }
    card = server.files["owner/name/main/README.md"].decode()
    assert card.startswith("---\nlibrary_name: zoo\nlicense: apache-2.0\n---\n\n# A card")
    assert 'zoo.load("hf://owner/name")' in card
    assert zoo.load("hf://owner/name").metrics == find("cnn.digits").metrics


def test_without_leave_nothing_goes_up(server: Hub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "guess")
    with pytest.raises(ArtefactError, match=r"hf://owner/name: .*401"):
        hub.push(run, "hf://owner/name", licence="MIT")
    assert server.files == {}


def test_what_is_damaged_does_not_go_up(server: Hub, run: Path) -> None:
    (run / "model.safetensors").write_bytes(WHOLE[:-1] + b"?")
    with pytest.raises(ArtefactError, match="do not match its sha256"):
        hub.push(run, "hf://owner/name", licence="MIT")
    assert server.files == {}
    assert server.made == []


def test_a_name_or_an_address_is_needed(run: Path, compose: Callable[..., DictConfig]) -> None:
    with pytest.raises(ConfigError, match=r"name=<model>\.<tag>, or to=hf://owner/name"):
        publish(compose("use/publish", f"run={run}", "licence=MIT"))


# torch.hub


def test_torch_hub_finds_what_there_is(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "_get_cache_or_reload", lambda *args, **kwargs: str(root))  # as if downloaded
    assert {"load", "create_model", "list_weights"} <= set(torch.hub.list("owner/zoo", trust_repo=True))
    artefact = torch.hub.load(str(root), "load", "cnn.digits", source="local", trust_repo=True)
    assert artefact.metrics == find("cnn.digits").metrics
    network = torch.hub.load(str(root), "create_model", "cnn", source="local", trust_repo=True, weights="digits")
    assert network(torch.zeros(1, 1, 8, 8)).shape == (1, 10)
