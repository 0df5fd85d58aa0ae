"""The server of an artefact: what goes in comes out as the artefact itself answers."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import PIL.Image
import pytest
from omegaconf import OmegaConf
from starlette.testclient import TestClient

from zoo.serve.app import model_app
from zoo.serve.request_limits import Limits
from zoo.weights.artefact import Artefact
from zoo.weights.samples import random_inputs

from .conftest import SPECS

Make = Callable[[str], Artefact]
ROW = {"age": 31, "city": "Rome", "member": True, "since": "2021-03-04"}
TABLE = "name,age,city,member,since\nann,31,Rome,yes,2021-03-04\nbob,x,Bonn,no,2022-01-01\ncat,,Oslo,no,2020-02-02\n"


def client(artefact: Artefact, **limits: Any) -> TestClient:
    return TestClient(model_app("it", artefact, Limits(**limits)))


def png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def as_json(raw: tuple[Any, ...], takes: tuple[str, ...]) -> Any:
    """Raw input as JSON has it."""
    plain = [part.tolist() if isinstance(part, np.ndarray) else part for part in raw]
    return dict(zip(takes, plain)) if len(takes) > 1 else plain[0]


def pixels(address: str) -> np.ndarray:
    kind, _, data = address.partition(";base64,")
    assert kind == "data:image/png"
    return np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(data))))


def alike(given: Any, expected: Any) -> bool:
    """Whether an answer as JSON is the artefact's own, up to the rounding of a larger batch."""
    if isinstance(expected, PIL.Image.Image):
        return np.abs(pixels(given).astype(int) - np.asarray(expected).astype(int)).max() <= 1
    if isinstance(expected, dict):
        return given.keys() == expected.keys() and all(alike(given[name], expected[name]) for name in expected)
    if isinstance(expected, list):
        return len(given) == len(expected) and all(map(alike, given, expected))
    return bool(given == pytest.approx(expected, rel=1e-4)) if isinstance(expected, float) else given == expected


@pytest.mark.parametrize("kind", SPECS)
def test_json_of_each_kind_is_answered_as_the_artefact_answers_and_fits_the_schema(artefact: Make, kind: str) -> None:
    it = artefact(kind)
    inputs = random_inputs(it.spec.input, 3)
    body = {"inputs": json.loads(json.dumps([as_json(raw, it.spec.input.takes) for raw in inputs], default=str))}
    server = client(it)
    reply = server.post("/predict", json=body)
    assert reply.status_code == 200, reply.text
    answers = reply.json()
    assert answers["errors"] == []
    for raw, given in zip(inputs, answers["answers"], strict=True):
        assert alike(given, it(*raw))
    described = server.get("/openapi.json").json()["paths"]["/predict"]["post"]
    jsonschema.validate(body, described["requestBody"]["content"]["application/json"]["schema"])
    jsonschema.validate(answers, described["responses"]["200"]["content"]["application/json"]["schema"])


def test_files_are_answered_and_an_image_comes_back_as_a_file(artefact: Make) -> None:
    it = artefact("masked")
    image, mask = np.arange(64, dtype=np.uint8).reshape(8, 8), np.zeros((8, 8), np.uint8)
    mask[2:4] = 255
    files = [("image", ("a.png", png(image))), ("mask", ("m.png", png(mask)))]
    expected = it(image, mask)
    server = client(it)
    assert alike(server.post("/predict", files=files).json()["answers"][0], expected)
    file = server.post("/predict", files=files, headers={"Accept": "image/png"})
    assert file.headers["content-type"] == "image/png"
    np.testing.assert_array_equal(np.asarray(PIL.Image.open(io.BytesIO(file.content))), np.asarray(expected))
    encoded = [base64.b64encode(data).decode() for data in (png(image), png(mask))]
    for image_text in (encoded[0], f"data:image/png;base64,{encoded[0]}"):
        reply = server.post("/predict", json={"inputs": [{"image": image_text, "mask": encoded[1]}]})
        assert alike(reply.json()["answers"][0], expected)


def test_a_csv_file_comes_back_with_answers_and_the_errors_of_rows(artefact: Make) -> None:
    it = artefact("table")
    files = {"rows": ("people.csv", TABLE.encode())}
    reply = client(it).post("/predict", files=files, headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert [row["name"] for row in rows] == ["ann", "bob", "cat"]
    assert float(rows[0]["answer.price"]) == pytest.approx(it(ROW)["price"], rel=1e-4)
    assert rows[0]["error"] == rows[2]["error"] == rows[1]["answer.price"] == ""
    assert "row 2" in rows[1]["error"]
    assert "'x'" in rows[1]["error"]
    plain = client(it).post("/predict", files=files).json()
    assert plain["answers"][1] is None
    assert [error["index"] for error in plain["errors"]] == [1]


def test_one_bad_input_costs_itself_alone(artefact: Make) -> None:
    it = artefact("text")
    reply = client(it).post("/predict", json={"inputs": ["a good film", "", 7, "a bad film"]})
    assert reply.status_code == 200
    given = reply.json()
    assert [answer is None for answer in given["answers"]] == [False, True, True, False]
    assert alike(given["answers"][3], it("a bad film"))
    assert [error["index"] for error in given["errors"]] == [1, 2]
    assert all("\n" not in error["error"] for error in given["errors"])


def test_where_no_input_is_answered_the_status_says_so(artefact: Make) -> None:
    reply = client(artefact("text")).post("/predict", json={"inputs": [""]})
    assert reply.status_code == 422
    assert reply.json()["error"] == reply.json()["errors"][0]["error"]


@pytest.mark.parametrize("kind", ["image", "masked", "small", "table", "series", "ratings", "seed"])
@pytest.mark.parametrize("form", ["{}", "file://{}", "{}\u0000", '["{}"]', '{{"strokes": "{}"}}'])
def test_no_path_of_the_server_is_read(artefact: Make, tmp_path: Any, kind: str, form: str) -> None:
    """A file that would be answered, if anybody read it, is refused by name, as JSON and as a field of a form."""
    file = tmp_path / ("secret.csv" if kind in ("table", "series") else "secret.png")
    file.write_bytes(
        {"table": TABLE, "series": "load\n1\n2\n"}.get(kind, "").encode() or png(np.ones((8, 8), np.uint8))
    )
    text = form.format(file)
    value = json.loads(text) if text.startswith(("[", "{")) else text
    it = artefact(kind)
    server = client(it)
    for given in (value, dict.fromkeys(it.spec.input.takes, value)):
        reply = server.post("/predict", json={"inputs": [given]})
        assert reply.status_code == 422, reply.text
    for part in it.spec.input.takes:
        assert server.post("/predict", data={part: text}).status_code in (415, 422)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ({"content": b"[" * 100_000, "headers": {"Content-Type": "application/json"}}, 400),
        ({"json": 3}, 422),
        ({"json": {"inputs": []}}, 422),
        ({"json": {"inputs": ["a film"], "input": 1}}, 422),
        ({"json": {"inputs": ["a film"], "options": {"num_beams": 1000}}}, 422),
        ({"json": {"inputs": ["a film"], "options": {"no_such": 1}}}, 422),
        ({"content": b"a film"}, 415),
        ({"files": {"other": b"1"}}, 422),
        ({"json": {"inputs": ["a film"] * 11}}, 413),
        ({"json": {"inputs": ["a film" * 50_000]}}, 413),
        ({"json": {"inputs": ["a film"]}, "headers": {"Sec-Fetch-Site": "cross-site"}}, 403),
        ({"content": iter([b"x" * 100_000] * 3), "headers": {"Content-Type": "application/json"}}, 413),
    ],
)
def test_a_request_that_is_refused_gets_one_line(artefact: Make, request_: dict[str, Any], status: int) -> None:
    reply = client(artefact("text"), inputs=10, megabytes=0.1).post("/predict", **request_)
    assert reply.status_code == status, reply.text
    assert isinstance(reply.json()["error"], str)
    assert "\n" not in reply.json()["error"]


def test_images_have_so_many_pixels_and_no_more(artefact: Make) -> None:
    """Counted from the header, before the image is read: a small file may hold a huge image."""
    server = client(artefact("small"), megapixels=0.01)
    sizes = {40: 200, 60: 413}  # enlarged to 80 x 80 and 120 x 120
    for side, status in sizes.items():
        files = {"image": ("a.png", png(np.zeros((side, side, 3), np.uint8)))}
        assert server.post("/predict", files=files).status_code == status
        assert server.post("/predict", json={"inputs": [np.zeros((side, side)).tolist()]}).status_code == status


def test_a_seed_gives_the_same_image_in_any_batch(artefact: Make) -> None:
    server = client(artefact("seed"))
    alone = [server.post("/predict", json={"inputs": [seed]}).json()["answers"][0] for seed in (3, 4)]
    together = server.post("/predict", json={"inputs": [3, 4]}).json()["answers"]
    for one, other in zip(alone, together):
        np.testing.assert_allclose(pixels(one).astype(int), pixels(other).astype(int), atol=1)


def test_health(artefact: Make) -> None:
    assert client(artefact("text")).get("/health").json() == {"status": "ok", "model": "it", "waiting": 0}


def test_an_unknown_page_is_one_line(artefact: Make) -> None:
    server = client(artefact("text"))
    assert server.get("/nothing").json() == {"error": "Not Found"}
    assert server.get("/docs").status_code == 404  # its scripts would come from elsewhere


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_the_config_states_the_limits_that_hold_without_one(command: str, root: Path) -> None:
    assert OmegaConf.load(root / "conf" / "use" / f"{command}.yaml").limits == asdict(Limits())
