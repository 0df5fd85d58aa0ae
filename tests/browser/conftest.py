"""A browser without a window, and the page on a server of this process."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from omegaconf import OmegaConf
from starlette.types import ASGIApp

import zoo
from zoo.serve import doors
from zoo.serve.demo import DemoApp
from zoo.serve.request_limits import Limits
from zoo.spec import Forecast, Image, Ratings, Recommendations, Series, Spec
from zoo.weights.artefact import Artefact

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TITLES = ("Alien", "Brazil", "Casino", "Duel")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="the extra browser is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of the page, with published weights, and networks that are not trained."""
    folder = tmp_path_factory.mktemp("models")
    series = Spec(Series(("load",), (5.0,), (2.0,)), Forecast(("load",), (5.0,), (2.0,), 6))
    ratings = Spec(Ratings(TITLES, (1, 2, 3)), Recommendations(TITLES, (1, 2, 3)))
    half = (0.5,)
    colours = Spec(Image(1, None, None, half, half), Image(3, None, None, 3 * half, 3 * half))
    for name, model, spec in (("load", "lstm", series), ("films", "rbm", ratings), ("colours", "gan", colours)):
        zoo.save(Artefact(model, {}, spec, zoo.models.build(model, spec)), folder / f"{name}.safetensors")
    mine = OmegaConf.create([str(folder / f"{name}.safetensors") for name in ("load", "films", "colours")])
    with serving(DemoApp([*doors._models(None), *doors._models(mine)], Limits())) as address:
        yield address


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """The address of a server in a thread of this process."""
    listening = doors._socket("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(30)
    listening.close()


@pytest.fixture
def page(chromium: Any, origin: str, tmp_path: Path) -> Iterator[Any]:
    """An open page. What it says in the browser's console, and what it takes from elsewhere, are failures."""
    page = chromium.new_page(viewport={"width": 1100, "height": 900})
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if "Failed to load" not in message.text else None)
    page.on("request", lambda request: faults.append(request.url) if not own(request.url, origin) else None)
    page.goto(origin)
    page.wait_for_selector(".cards a")
    yield page
    page.close()
    assert faults == []


def own(url: str, origin: str) -> bool:
    return url.startswith((f"{origin}/", "data:", f"blob:{origin}/"))
