"""The server of one artefact: POST /predict, GET /health and GET /openapi.json."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

import zoo
from zoo.errors import ZooError, one_line
from zoo.serve import replies, schemas
from zoo.serve.batches import Batcher, Busy
from zoo.serve.request_limits import Limits
from zoo.serve.requests import Asked, Pixels, Refusal, from_files, from_json
from zoo.spec import Table
from zoo.weights.artefact import Artefact

T = TypeVar("T")
RETRY = {"Retry-After": "1"}  # seconds


def model_app(name: str, artefact: Artefact, limits: Limits | None = None, compute: Executor | None = None) -> FastAPI:
    """The ASGI application that answers for an artefact.

    Args:
        name: of the artefact, for people.
        artefact: that answers.
        limits: of a request.
        compute: an executor of one thread, where the answers of several applications are computed one after another.
    """
    limits = limits or Limits()
    server = _Server(artefact, limits, compute or ThreadPoolExecutor(1, "compute"))
    app = FastAPI(
        title=f"zoo serve {name}",
        version=zoo.__version__,
        description=f"{artefact.model}: {artefact.spec}",
        docs_url=None,  # these pages load their scripts from elsewhere
        redoc_url=None,
    )
    add_error_handlers(app)

    @app.get("/health", summary="Whether the server answers", response_model=None)
    async def health() -> dict[str, Any]:
        return {"status": "ok", "model": name, "waiting": len(server.batcher)}

    app.add_api_route(
        "/predict",
        server.predict,
        methods=["POST"],
        summary=f"Answer inputs: {artefact.spec}",
        response_model=None,
        responses=schemas.responses(artefact.spec),
        openapi_extra={"requestBody": schemas.request_body(artefact.spec)},
    )
    return app


def add_error_handlers(app: FastAPI) -> None:
    """Have an application say what is wrong in one line, as {"error": …}."""

    async def refused(request: Request, error: Any) -> Response:
        return JSONResponse({"error": one_line(str(error))}, error.status, RETRY if error.status == 503 else None)

    async def other(request: Request, error: Any) -> Response:
        return JSONResponse({"error": one_line(str(error.detail))}, error.status_code)

    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(HTTPException, other)


class _Server:
    """What answers the requests for one artefact."""

    def __init__(self, artefact: Artefact, limits: Limits, compute: Executor) -> None:
        self.artefact = artefact
        self.limits = limits
        self.batcher = Batcher(artefact, limits, compute)
        self.readers = ThreadPoolExecutor(2, "read")  # decode images, while others are computed

    async def predict(self, request: Request) -> Response:
        if request.headers.get("sec-fetch-site") == "cross-site":  # a page from elsewhere, in the browser of a user
            raise Refusal(403, "requests from pages of other sites are not answered")
        asked = await self._asked(request)
        if not asked.inputs:
            raise Refusal(422, "there are no inputs; give at least one")
        if len(asked.inputs) > self.limits.inputs:
            raise Refusal(413, f"a request has up to {self.limits.inputs:,} inputs, not {len(asked.inputs):,}")
        answers = list(asked.inputs)  # errors stay in their places
        places = [place for place, each in enumerate(asked.inputs) if not isinstance(each, Exception)]
        sound: Any = [asked.inputs[place] for place in places]
        try:
            found = await within(self.limits.seconds, self.batcher.answer(sound, asked.options), 504, "be answered")
        except Busy:
            raise Refusal(503, "too many requests wait; try again in a moment") from None
        for place, answer in zip(places, found):
            answers[place] = answer
        return await self._in_thread(self._reply, request.headers.get("accept", ""), answers, asked)

    async def _asked(self, request: Request) -> Asked:
        """What a request asks, once all of it has arrived within limits of size and time."""
        kind, pixels = self.artefact.spec.input, Pixels(self.limits.pixels)
        content = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            if content == "application/json":
                return await self._in_thread(from_json, kind, await body_of(request, self.limits), pixels)
            if content == "multipart/form-data":
                fields = await within(self.limits.seconds, self._fields(limited(request, self.limits)), 408, "arrive")
                return await self._in_thread(from_files, kind, fields, pixels)
        except ZooError as error:
            raise Refusal(422, str(error)) from error
        raise Refusal(415, "send JSON (application/json), or files as a form (multipart/form-data)")

    async def _fields(self, request: Request) -> dict[str, list[bytes | str]]:
        """The fields of a form: the bytes of files, and text."""
        most = self.limits.inputs * len(self.artefact.spec.input.takes) + 1
        form: FormData
        async with request.form(max_files=most, max_fields=most, max_part_size=self.limits.bytes) as form:
            fields: dict[str, list[bytes | str]] = {}
            for name, value in form.multi_items():
                fields.setdefault(name, []).append(value if isinstance(value, str) else await value.read())
        return fields

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.readers, function, *arguments)

    def _reply(self, accept: str, answers: list[Any], asked: Asked) -> Response:
        """The answers in the form that the client accepts: JSON, unless it asks for CSV or, of one input, an image."""
        good = [answer for answer in answers if not isinstance(answer, Exception)]
        status = 200 if good else 422
        if "text/csv" in accept:
            return Response(replies.as_csv(answers, asked.table), status, media_type="text/csv; charset=utf-8")
        if "image/png" in accept and len(answers) == len(good) == 1 and hasattr(good[0], "save"):
            return Response(replies.png(good[0]), media_type="image/png")
        body = replies.as_json(answers, rows=isinstance(self.artefact.spec.input, Table))
        return JSONResponse(body if good else {"error": body["errors"][0]["error"], **body}, status)


async def within(seconds: float, work: Awaitable[T], status: int, what: str) -> T:
    """What the work gives.

    Raises:
        Refusal: it takes longer.
    """
    try:
        return await asyncio.wait_for(work, seconds)
    except asyncio.TimeoutError:
        raise Refusal(status, f"the request took longer than {seconds:g} s to {what}") from None


async def body_of(request: Request, limits: Limits) -> bytes:
    """The body of a request, once all of it has arrived within limits of size and time.

    Raises:
        Refusal: it is too large, or too slow.
    """
    return await within(limits.seconds, limited(request, limits).body(), 408, "arrive")


async def json_of(request: Request, limits: Limits) -> Any:
    """The JSON of a request.

    Raises:
        Refusal: as for `body_of`, or it is no JSON.
    """
    try:
        return json.loads(await body_of(request, limits))
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "the body is not JSON") from error


def limited(request: Request, limits: Limits) -> Request:
    """The request, whose body is refused before all of it is there where it is too large."""
    message = f"a request has up to {limits.megabytes:g} MiB"
    if int(request.headers.get("content-length") or 0) > limits.bytes:
        raise Refusal(413, message)
    size = 0

    async def receive() -> Any:
        nonlocal size
        event = await request.receive()
        size += len(event.get("body", b""))
        if size > limits.bytes:
            raise Refusal(413, message)
        if event["type"] == "http.disconnect":
            raise Refusal(400, "the request ended early")
        return event

    return Request(request.scope, receive)
