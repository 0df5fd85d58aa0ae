"""The server of the page, and the files of which the page consists."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import PIL.Image
import pytest
from omegaconf import DictConfig, OmegaConf
from starlette.testclient import TestClient

import zoo
from zoo.serve import doors
from zoo.serve.demo import PAGE, DemoApp, Model
from zoo.serve.request_limits import Limits
from zoo.spec import Input, Output
from zoo.weights.artefact import Artefact


def client(*models: Model) -> TestClient:
    return TestClient(DemoApp(models, Limits()))


@pytest.fixture(scope="module")
def published() -> TestClient:
    return client(*doors._models(None))


def image_of(address: str) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


def test_every_published_weight_is_on_the_page(published: TestClient) -> None:
    models = published.get("/models").json()["models"]
    assert [model["name"] for model in models] == [weights.name for weights in zoo.list_weights()]
    for model in models:
        about = published.get(f"/models/{model['name']}/about").json()
        assert f"{about['input']['word']} → {about['output']['word']}" == about["what"] == model["what"]
        assert about["metrics"]


def test_each_kind_of_a_spec_has_its_panel() -> None:
    for file, kinds in (("inputs", Input), ("outputs", Output)):
        listed = re.search(rf"export const {file} = {{(.*?)}};", (PAGE / f"{file}.js").read_text("utf-8"), re.DOTALL)
        assert listed is not None
        assert {kind.__name__ for kind in get_args(kinds)} <= set(re.findall(r"(\w+):", listed[1]))


def test_the_page_is_whole_and_takes_nothing_from_elsewhere(published: TestClient) -> None:
    page = published.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    texts = {file.name: file.read_text("utf-8") for file in PAGE.iterdir()}
    for name, text in texts.items():
        assert set(re.findall(r"https?://[^\s\"'`)]+", text)) <= {"http://www.w3.org/2000/svg"}, name
        for other in re.findall(r"(?:from \"\.|src=\"|href=\")/([\w.]+)\"", text):
            assert other in texts
            assert published.get(f"/{other}").status_code == 200
    assert published.get("/app.js").headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("path", ["/../doors.py", "/%2e%2e/doors.py", "//etc/passwd", "/doors.py", "/models/../app.py"])
def test_no_other_file_is_served(published: TestClient, path: str) -> None:
    assert published.get(path).status_code == 404


def test_a_dream_goes_on_from_its_state(published: TestClient) -> None:
    first = published.post("/models/rbm.mnist/dream", json={"image": None, "steps": 3}).json()
    assert [image_of(frame).shape for frame in first["frames"]] == [(28, 28)] * 3
    assert set(np.unique(image_of(first["state"]))) <= {0, 255}
    second = published.post("/models/rbm.mnist/dream", json={"image": first["state"], "steps": 1}).json()
    # the chain moves slowly: the next image is nearer to the last one than to its negative
    last, following = image_of(first["frames"][-1]).astype(float), image_of(second["frames"][0]).astype(float)
    assert np.abs(last - following).mean() < np.abs(255 - last - following).mean()


@pytest.mark.parametrize(
    "asked", [{"steps": 0}, {"steps": 1000}, {"steps": True}, {}, [], {"steps": 1, "image": "/etc"}]
)
def test_a_dream_of_another_form_is_one_line(published: TestClient, asked: Any) -> None:
    reply = published.post("/models/rbm.mnist/dream", json=asked)
    assert reply.status_code == 422
    assert "error" in reply.json()


def test_only_some_dream(published: TestClient) -> None:
    assert published.post("/models/cnn.digits/dream", json={"steps": 1}).status_code == 404


def test_words_that_count_are_those_without_which_the_answer_changes(published: TestClient) -> None:
    model = zoo.load("lstm.rt_polarity")

    def log_odds(text: str) -> float:
        p = model(text)["probabilities"]["positive"]
        return float(np.log(p / (1 - p)))

    asked = {"text": "A warm and funny film, dull only once"}
    found = published.post("/models/lstm.rt_polarity/influence", json=asked).json()
    assert found["label"] == "positive"
    assert [word for word, _ in found["words"]] == ["a", "warm", "and", "funny", "film", ",", "dull", "only", "once"]
    changes = dict(found["words"])
    for word in ("warm", "dull"):
        expected = log_odds(asked["text"]) - log_odds(asked["text"].replace(f"{word} ", ""))
        assert changes[word] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("asked", [{"text": ""}, {"text": 3}, {}, [], {"text": "qxz vbn"}])
def test_a_text_without_words_that_count_is_one_line(published: TestClient, asked: Any) -> None:
    reply = published.post("/models/lstm.rt_polarity/influence", json=asked)
    assert reply.status_code == 422
    assert "error" in reply.json()
    assert published.post("/models/cnn.digits/influence", json={"text": "a film"}).status_code == 422


@pytest.mark.parametrize(
    "name", ["cnn.digits", "lstm.captioning_shapes", "lstm.tagging_moving_digits", "gan.super_resolution_x2"]
)
def test_a_sample_is_answered(published: TestClient, name: str) -> None:
    sample = published.get(f"/models/{name}/sample", params={"number": 5}).json()["sample"]
    reply = published.post(f"/models/{name}/predict", json={"inputs": [sample]})
    assert reply.status_code == 200, reply.text


def test_without_data_at_hand_there_is_no_sample(published: TestClient) -> None:
    assert published.get("/models/cnn.mnist/about").json()["samples"] is False
    assert published.get("/models/cnn.mnist/sample").status_code == 404


def test_the_numbers_of_a_file_of_a_series(artefact: Callable[[str], Artefact]) -> None:
    model = Model("it", "nowhere")
    model.__dict__["artefact"] = artefact("series")
    server = client(model)
    given = server.post("/models/it/numbers", content=b"day,load\n1,3\n2,4.5\n3,5\n").json()
    assert given == {"load": [3, 4.5, 5]}
    reply = server.post("/models/it/numbers", content=b"day,lod\n1,3\n")
    assert reply.status_code == 422
    assert "load" in reply.json()["error"]


def test_models_that_are_named(tmp_path: Path, artefact: Callable[[str], Artefact]) -> None:
    run = tmp_path / "a run" / "model.safetensors"
    zoo.save(artefact("text"), run)
    zoo.save(artefact("image"), tmp_path / "mine.safetensors")
    chosen = OmegaConf.create(["cnn.digits", str(run), str(tmp_path / "mine.safetensors")])
    assert [model.name for model in doors._models(chosen)] == ["cnn.digits", "a run", "mine"]
    assert doors._models("cnn.digits")[0].data
    server = client(*doors._models(chosen))
    assert server.get("/models/a%20run/about").json()["what"] == "text → classes"
    with pytest.raises(zoo.ConfigError, match="one name"):
        doors._models(OmegaConf.create([str(run), str(run)]))
    with pytest.raises(zoo.ConfigError, match=r"cnn\.digits"):
        doors._models("cnn.digit")


def test_settings_that_are_impossible_are_one_line(compose: Callable[..., DictConfig]) -> None:
    cfg = compose("use/serve", "model=cnn.digits", "limits.seconds=0")
    with pytest.raises(zoo.ConfigError, match="seconds"):
        doors.serve(cfg)
    for port in ("http", "70000", "-1"):
        with pytest.raises(zoo.ConfigError, match="port"):
            doors.serve(compose("use/serve", "model=cnn.digits", f"port={port}"))


def test_a_port_that_is_taken_is_one_line(compose: Callable[..., DictConfig]) -> None:
    taken = doors._socket("127.0.0.1", 0)
    try:
        with pytest.raises(zoo.ConfigError, match="another port"):
            doors.serve(compose("use/serve", "model=cnn.digits", f"port={taken.getsockname()[1]}"))
    finally:
        taken.close()
