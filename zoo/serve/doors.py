"""The commands `zoo serve` and `zoo demo`."""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from typing import Any

import uvicorn
from omegaconf import DictConfig, ListConfig
from starlette.types import ASGIApp

from zoo.errors import ConfigError
from zoo.serve.app import model_app
from zoo.serve.demo import DemoApp, Model
from zoo.serve.guard import LOOPBACK, TOKEN, Guard, token_from_environment
from zoo.serve.request_limits import Limits
from zoo.weights.catalogue import list_weights, load

CONNECTIONS = 512  # at once; each may hold a body
GRACE = 60  # seconds that requests at work have once the server is told to end


def serve(cfg: DictConfig) -> None:
    """Answer for one artefact over HTTP, as `conf/use/serve.yaml` describes, until SIGTERM or Ctrl-C.

    Raises:
        ConfigError: a setting is impossible, or the port is taken.
        ArtefactError: the model cannot be loaded.
    """
    limits = _limits(cfg)
    artefact = load(cfg.model)
    app = model_app(str(cfg.model), artefact, limits)
    guarded = Guard(app, token_from_environment(), lambda path: path == "/health", loopback=_loopback(cfg))
    _run(guarded, cfg, f"{cfg.model}: {artefact.spec}")


def demo(cfg: DictConfig) -> None:
    """Show a page to try models on, as `conf/use/demo.yaml` describes, until SIGTERM or Ctrl-C.

    Raises:
        ConfigError: a setting is impossible, a name occurs twice, or the port is taken.
        ArtefactError: a model that was named cannot be loaded.
    """
    app = DemoApp(_models(cfg.model), _limits(cfg))
    token = token_from_environment()
    guarded = Guard(app, token, app.is_open, loopback=_loopback(cfg))
    _run(guarded, cfg, "open this page" if token is None else f"open this page, with #token=… ({TOKEN}) behind it")


def _models(chosen: Any) -> list[Model]:
    """The models of the page: those that are named, or all published weights that are here."""
    if chosen is None:
        return [Model(each.name, each.name, each) for each in list_weights() if each.url is None]
    sources = [str(each) for each in (chosen if isinstance(chosen, ListConfig) else [chosen])]
    published = {weights.name: weights for weights in list_weights()}
    models = [Model(_name(source), source, published.get(source)) for source in sources]
    if len({model.name for model in models}) < len(models):
        raise ConfigError(f"two models would have one name on the page: {', '.join(model.name for model in models)}")
    for model in models:
        model.artefact  # noqa: B018  # a wrong name is an error now
    return models


def _name(source: str) -> str:
    """A model's name on the page: that of a weight, or of the run's folder where a file is called model.safetensors."""
    path = Path(source)
    if path.suffix != ".safetensors":
        return path.name
    return path.stem if path.stem != "model" else path.resolve().parent.name


def _limits(cfg: DictConfig) -> Limits:
    try:
        return Limits(**cfg.limits)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"limits: {error}") from error


def _loopback(cfg: DictConfig) -> bool:
    return cfg.host in LOOPBACK


def _run(app: ASGIApp, cfg: DictConfig, what: str) -> None:
    """Listen until a signal ends it; requests at work are then finished."""
    listening = _socket(str(cfg.host), cfg.port)
    port = listening.getsockname()[1]
    logging.basicConfig(level=logging.WARNING)
    if not _loopback(cfg) and token_from_environment() is None:
        print(f"whoever reaches {cfg.host}:{port} may ask; set {TOKEN} for a token, and put TLS before it", flush=True)
    shown = f"[{cfg.host}]" if ":" in str(cfg.host) else cfg.host
    print(f"http://{shown}:{port}  {what}  (Ctrl-C ends it)", flush=True)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=GRACE,
        server_header=False,
        lifespan="off",
    )
    uvicorn.Server(config).run(sockets=[listening])


def _socket(host: str, port: Any) -> socket.socket:
    if type(port) is not int or not 0 <= port < 2**16:
        raise ConfigError(f"port is a whole number from 0 to 65535 (0 for any that is free), got {port}")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; choose another port=…"
        ) from error
