"""The page to try networks on: one page for all, which asks the server of each (`zoo.serve.app`)."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from zoo.errors import ZooError
from zoo.metrics.meanings import meaning
from zoo.serve import steps
from zoo.serve.app import add_error_handlers, body_of, json_of, model_app
from zoo.serve.request_limits import Limits
from zoo.serve.requests import Refusal
from zoo.weights.artefact import Artefact
from zoo.weights.catalogue import Weights, load

T = TypeVar("T")

PAGE = Path(__file__).with_name("page")
MAX_LISTED = 100  # words of a vocabulary that the page shows
# The page loads nothing from elsewhere, and says so to the browser
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Model:
    """A model of the page, which is loaded when it is first asked for.

    Args:
        name: on the page.
        source: as `zoo.load` takes it.
        record: of a published weight.
    """

    def __init__(self, name: str, source: str, record: Weights | None = None) -> None:
        self.name = name
        self.data = record.data if record else ""
        self._source = source
        self._record = record

    @cached_property
    def artefact(self) -> Artefact:
        """It is loaded at the first use."""
        return load(self._source)

    @cached_property
    def what(self) -> str:
        """Its spec in words; of a published weight, without loading it."""
        return str(self._record.spec if self._record else self.artefact.spec)

    def about(self) -> dict[str, Any]:
        """What the page needs to know to choose its panels."""
        artefact = self.artefact
        spec, network = artefact.spec, artefact.network
        return {
            "name": self.name,
            "model": artefact.model,
            "data": self.data,
            "what": str(spec),
            "metrics": {name.removeprefix("test/"): value for name, value in _of_test(artefact).items()},
            "meanings": {name.removeprefix("test/"): meaning(name) for name in _of_test(artefact)},
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "input": _described(spec.input),
            "output": _described(spec.output),
            "threshold": artefact.calibration.threshold,
            "seeds": "seed" in getattr(network, "per_example", ()),
            "dreams": steps.dreams(artefact),
            "samples": steps.has_samples(artefact),
        }


def _of_test(artefact: Artefact) -> dict[str, float]:
    return {name: value for name, value in artefact.metrics.items() if name.startswith("test/")}


def _described(kind: Any) -> dict[str, Any]:
    """A side of a spec for the page, without long vocabularies."""
    fields = asdict(kind)
    if len(fields.get("vocabulary", ())) > MAX_LISTED:
        del fields["vocabulary"]
    if "columns" in fields:
        fields["examples"] = {column.name: column.example() for column in kind.columns}
    return {"kind": type(kind).__name__, "word": kind.word, **fields}


class DemoApp:
    """The ASGI application of the page.

    Args:
        models: of the page, at least one; their names differ.
        limits: of a request.
    """

    def __init__(self, models: Sequence[Model], limits: Limits) -> None:
        self._files = {f"/{file.name}": file.read_bytes() for file in PAGE.iterdir() if file.is_file()}
        self._files["/"] = self._files["/index.html"]
        self._models = models
        self._app = FastAPI(title="zoo demo", docs_url=None, redoc_url=None, openapi_url=None)
        add_error_handlers(self._app)
        self._app.add_api_route("/models", self._listed, methods=["GET"], response_model=None)
        compute = ThreadPoolExecutor(1, "compute")
        for model in models:
            self._app.mount(f"/models/{model.name}", _Lazy(model, limits, compute))
        self._app.add_api_route("/{path:path}", self._file, methods=["GET", "HEAD"], response_model=None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def is_open(self, path: str) -> bool:
        """Whether a path is part of the page itself, which says nothing of the models."""
        return path in self._files

    async def _listed(self) -> Response:
        models = [{"name": each.name, "data": each.data, "what": each.what} for each in self._models]
        return JSONResponse({"models": models})

    async def _file(self, request: Request) -> Response:
        path = request.url.path
        if path not in self._files:
            raise HTTPException(404, "there is no such page")
        kind = mimetypes.guess_type(path)[0] if path != "/" else "text/html"
        return Response(self._files[path], media_type=kind, headers=HEADERS)


class _Lazy:
    """The application of a model, which is made at its first request."""

    def __init__(self, model: Model, limits: Limits, compute: Executor) -> None:
        self._model = model
        self._limits = limits
        self._compute = compute
        self._app: ASGIApp | None = None
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._lock:
            if self._app is None:
                artefact = await self._in_thread(lambda: self._model.artefact)
                self._app = self._made(artefact)
        await self._app(scope, receive, send)

    def _made(self, artefact: Artefact) -> FastAPI:
        """The server of the artefact, and what the page asks besides."""
        app = model_app(self._model.name, artefact, self._limits, self._compute)

        async def about() -> Response:
            return JSONResponse(await self._in_thread(self._model.about))

        async def dream(request: Request) -> Response:
            if not steps.dreams(artefact):
                raise Refusal(404, "this model does not dream")
            return await self._reply(steps.dream, artefact, await json_of(request, self._limits))

        async def seen(request: Request) -> Response:
            return await self._reply(steps.seen, artefact, await json_of(request, self._limits))

        async def influence(request: Request) -> Response:
            return await self._reply(steps.influence, artefact, await json_of(request, self._limits))

        async def sample(number: int = 0) -> Response:
            return JSONResponse({"sample": await self._in_thread(steps.sample, artefact, number)})

        async def numbers(request: Request) -> Response:
            return await self._reply(steps.numbers, artefact, await body_of(request, self._limits))

        for name, function, method in (
            ("about", about, "GET"),
            ("sample", sample, "GET"),
            ("dream", dream, "POST"),
            ("seen", seen, "POST"),
            ("influence", influence, "POST"),
            ("numbers", numbers, "POST"),
        ):
            app.add_api_route(f"/{name}", function, methods=[method], response_model=None, include_in_schema=False)
        return app

    async def _reply(self, function: Callable[..., Any], *arguments: Any) -> Response:
        try:
            return JSONResponse(await self._in_thread(function, *arguments))
        except ZooError as error:
            raise Refusal(422, str(error)) from error

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._compute, function, *arguments)
