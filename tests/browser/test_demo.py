"""The page in a browser, from the first stroke to the answer."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

import zoo
from zoo.serve import doors
from zoo.serve.demo import DemoApp
from zoo.serve.guard import Guard
from zoo.serve.request_limits import Limits

from .conftest import serving

pytestmark = pytest.mark.browser

SEVEN = [(0.25, 0.22), (0.75, 0.22), (0.45, 0.82)]
ANSWER = "#answer > :not(.soft)"


@pytest.fixture
def visit(page: Any) -> Callable[[str], Any]:
    """Gives the page of a model."""

    def visit(name: str) -> Any:
        page.locator(".cards a", has=page.get_by_text(name, exact=True)).click()
        page.wait_for_selector(".panels")
        return page

    return visit


def draw(page: Any, canvas: Any, points: list[tuple[float, float]]) -> None:
    box = canvas.bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=5)
    page.mouse.up()


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def answer(page: Any) -> str:
    page.wait_for_selector(ANSWER, timeout=60_000)
    return str(page.locator("#answer").inner_text())


def error(page: Any) -> str:
    page.wait_for_selector("#error:not([hidden])", timeout=60_000)
    line = str(page.locator("#error").inner_text())
    assert "\n" not in line
    return line


def image_of(address: str) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


def png(folder: Path, array: np.ndarray) -> Path:
    PIL.Image.fromarray(array).save(folder / "picture.png")
    return folder / "picture.png"


@pytest.mark.parametrize("name", ["cnn.mnist", "mlp.mnist", "cnn.digits"])
def test_a_digit_that_is_drawn_is_read(visit: Callable[[str], Any], name: str) -> None:
    page = visit(name)
    draw(page, page.get_by_label("Draw here"), SEVEN)
    assert answer(page).splitlines()[0] == "7"


def test_the_strokes_of_a_pen_are_read(visit: Callable[[str], Any]) -> None:
    page = visit("lstm.pendigits")
    draw(page, page.get_by_label("Write here"), SEVEN)
    assert answer(page).splitlines()[0] == "7"


def test_a_number_is_written_by_hand(visit: Callable[[str], Any]) -> None:
    page = visit("lstm.handwriting")
    page.get_by_label("text").fill("202620")
    press(page, "Answer")
    picture = page.get_by_alt_text("written by the network")
    picture.wait_for()
    written = image_of(picture.get_attribute("src"))
    assert written.shape[1] > 2 * written.shape[0]
    assert written.max() == 255
    assert 0 < (written < 128).mean() < 0.3  # strokes on paper


def test_a_date_is_translated(visit: Callable[[str], Any]) -> None:
    page = visit("lstm.dates")
    page.get_by_label("text").fill("den 3. Oktober 1990")
    press(page, "Answer")
    assert "1990-10-03" in answer(page)


@pytest.mark.parametrize(("name", "said"), [("cnn.mnist", False), ("rbm.classification_mnist", True)])
def test_a_dropped_digit_on_white_paper_is_read(
    visit: Callable[[str], Any], tmp_path: Path, name: str, said: bool
) -> None:
    """A network whose spec frames drawings inverts it itself; for others the page does, and says so."""
    page = visit(name)
    paper = np.full((56, 56), 255, np.uint8)
    paper[12:44, 26:31] = 0  # a one
    page.locator("input[type=file]").set_input_files(png(tmp_path, paper))
    assert answer(page).splitlines()[0] == "1"
    assert ("Light and dark are exchanged" in page.locator("main").inner_text()) == said
    page.get_by_alt_text("what the network gets").wait_for()
    seen = image_of(page.get_by_alt_text("what the network gets").get_attribute("src"))
    assert seen.shape == (28, 28)
    assert seen.mean() < 128  # light on dark


def test_a_hole_that_is_painted_is_filled(visit: Callable[[str], Any]) -> None:
    page = visit("gan.inpainting_mnist")
    draw(page, page.get_by_label("Draw here"), SEVEN)
    hole = page.get_by_label("Paint the hole here")
    draw(page, hole, [(0.3, 0.5), (0.7, 0.5)])
    with page.expect_request("**/predict") as asked:
        press(page, "Fill the hole")
    answer(page)
    given = asked.value.post_data_json["inputs"][0]
    known, mask = image_of(given["image"])[:, :, 0], image_of(given["mask"])[:, :, 0]
    filled = image_of(page.locator("#answer img").get_attribute("src"))
    assert known.shape == mask.shape == filled.shape == (28, 28)
    expected = zoo.load("gan.inpainting_mnist")(known, mask)
    np.testing.assert_allclose(filled.astype(int), np.asarray(expected).astype(int), atol=1)
    assert 10 < (mask > 127).sum() < 300
    press(page, "No hole")
    press(page, "Fill the hole")
    assert "the mask hides nothing" in error(page)


def test_a_photograph_is_classified(visit: Callable[[str], Any], tmp_path: Path) -> None:
    page = visit("cnn.cifar10")
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    page.locator("input[type=file]").set_input_files(png(tmp_path, pixels))
    assert answer(page).splitlines()[0] == zoo.load("cnn.cifar10")(pixels)["label"]


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [("lstm.handwriting", "12a", "'a'"), ("lstm.handwriting", " ", ""), ("lstm.dates", " ", "")],
)
def test_a_text_that_is_not_for_the_network_is_one_line(
    visit: Callable[[str], Any], name: str, text: str, word: str
) -> None:
    page = visit(name)
    page.get_by_label("text").fill(text)
    press(page, "Answer")
    assert word in error(page)


def test_a_photograph_is_enlarged_and_compared(visit: Callable[[str], Any], tmp_path: Path) -> None:
    page = visit("gan.super_resolution_x2")
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    page.locator("input[type=file]").set_input_files(png(tmp_path, pixels))
    answer(page)
    assert image_of(page.locator(".slider > img").get_attribute("src")).shape == (80, 120, 3)
    page.get_by_label("compare").fill("20")
    assert page.locator(".slider .top").evaluate("it => it.style.width") == "20%"
    press(page, "Try a sample")
    page.get_by_text("Shrunk to").wait_for()


def test_a_grey_photograph_is_coloured_by_points(visit: Callable[[str], Any], tmp_path: Path) -> None:
    page = visit("colours")
    grey = np.random.default_rng(0).integers(90, 160, (40, 60), dtype=np.uint8)
    page.locator("input[type=file]").set_input_files(png(tmp_path, grey))
    answer(page)
    canvas = page.get_by_label("click where you know the colour")
    page.get_by_label("colour of the next point").fill("#cc2211")
    box = canvas.bounding_box()
    with page.expect_response("**/predict") as replied:
        canvas.click(position={"x": box["width"] * 0.25, "y": box["height"] * 0.5})
    ((x, y, colour),) = replied.value.request.post_data_json["options"]["hints"]
    assert (x, y, colour) == (pytest.approx(15, abs=1), pytest.approx(20, abs=1), "#cc2211")
    image = PIL.Image.fromarray(image_of(replied.value.json()["answers"][0]))
    np.testing.assert_allclose(np.asarray(image.convert("L")).astype(int), grey.astype(int), atol=1)
    red, _, blue = image.getpixel((x // 2 * 2, y // 2 * 2))
    assert red > blue + 20
    with page.expect_request("**/predict") as asked:
        press(page, "Undo")
    assert asked.value.post_data_json["options"]["hints"] == []


def test_words_that_count(visit: Callable[[str], Any]) -> None:
    page = visit("lstm.rt_polarity")
    text = "a warm and funny film, dull only once"
    page.get_by_label("text").fill(text)
    press(page, "Answer")
    model = zoo.load("lstm.rt_polarity")
    assert answer(page).splitlines()[0] == model(text)["label"] == "positive"
    press(page, "Show them")
    page.wait_for_selector(".words span")
    words = page.locator(".words span").evaluate_all(
        "all => all.map(it => [it.firstChild.data, Number(it.dataset.change)])"
    )
    assert [word for word, _ in words] == ["a", "warm", "and", "funny", "film", ",", "dull", "only", "once"]

    def logit(text: str) -> float:
        p = model(text)["probabilities"]["positive"]
        return float(np.log(p / (1 - p)))

    for word, change in words[:4]:
        assert change == pytest.approx(logit(text) - logit(text.replace(f"{word} ", "", 1)), abs=0.01)


def test_a_caption_gives_pictures_and_an_unknown_word_a_line(visit: Callable[[str], Any]) -> None:
    page = visit("gan.text_to_image_shapes")
    press(page, "Make pictures")
    answer(page)
    pictures = page.locator("#answer img").evaluate_all("all => all.map(it => it.src)")
    assert len(pictures) == len(set(pictures)) == 4
    page.get_by_label("text").fill("a small red elephant")
    press(page, "Make pictures")
    assert "unknown word 'elephant'" in error(page)


def test_a_class_gives_pictures(visit: Callable[[str], Any]) -> None:
    page = visit("gan.generation_mnist")
    press(page, "7")
    answer(page)
    pictures = page.locator("#answer img").evaluate_all("all => all.map(it => it.src)")
    assert [zoo.load("cnn.mnist")(image_of(picture))["label"] for picture in pictures].count("7") >= 3


@pytest.mark.parametrize(("name", "text"), [("cnn.ocr", "Call me Ishmael."), ("cnn.ocr", "Total 1,250.00")])
def test_a_line_that_is_typed_is_set_and_read(visit: Callable[[str], Any], name: str, text: str) -> None:
    page = visit(name)
    page.get_by_label("a line to be set").fill(text)
    press(page, "Set and read it")
    assert answer(page).splitlines()[0] == text


def test_digits_that_are_written_side_by_side_are_read(visit: Callable[[str], Any]) -> None:
    page = visit("cnn.ocr_mnist")
    canvas = page.get_by_label("Write here")
    for number in range(3):
        draw(page, canvas, [(0.1 + 0.22 * number + 0.14 * x, y) for x, y in SEVEN])
    page.locator("#answer").get_by_text("777", exact=True).wait_for()


def test_a_form_and_a_csv_file(visit: Callable[[str], Any], tmp_path: Path) -> None:
    from sklearn.datasets import load_breast_cancer

    page = visit("mlp.breast_cancer")
    rows = load_breast_cancer(as_frame=True).data.iloc[:4]
    for name, value in rows.iloc[0].items():
        page.get_by_label(name, exact=True).fill(str(value))
    press(page, "Answer")
    model = zoo.load("mlp.breast_cancer")
    expected = model(rows)
    assert answer(page).splitlines()[0] == expected[0]["label"]
    table = rows.astype(object)
    table.iloc[2, 3] = "abc"
    table.to_csv(tmp_path / "cells.csv", index=False)
    page.locator("input[type=file]").set_input_files(tmp_path / "cells.csv")
    with page.expect_download() as download:
        page.get_by_text("Save cells_answers.csv").click()
    found = list(csv.DictReader(Path(download.value.path()).read_text("utf-8").splitlines()))
    assert [row["answer.label"] for row in found] == [
        expected[0]["label"],
        expected[1]["label"],
        "",
        expected[3]["label"],
    ]
    assert "row 3" in found[2]["error"]


def test_films_are_rated(visit: Callable[[str], Any]) -> None:
    page = visit("films")
    page.get_by_label("title").fill("braz")  # a part of it
    press(page, "Rate")
    answer(page)
    shown = page.locator("#answer li").all_inner_texts()
    assert sorted(line.split()[0] for line in shown) == ["Alien", "Casino", "Duel"]
    page.get_by_label("title").fill("Nosferatu")
    press(page, "Rate")
    assert "Nosferatu" in error(page)


def test_a_forecast_is_plotted(visit: Callable[[str], Any], tmp_path: Path) -> None:
    page = visit("load")
    (tmp_path / "load.csv").write_text("day,load\n" + "".join(f"{day},{day % 7}\n" for day in range(30)), "utf-8")
    page.locator("input[type=file]").set_input_files(tmp_path / "load.csv")
    page.wait_for_selector("polyline.forecast")
    assert len(page.locator("polyline.forecast").get_attribute("points").split()) == 1 + 6
    assert page.get_by_label("load", exact=True).input_value().split()[:3] == ["0", "1", "2"]
    page.get_by_label("load", exact=True).fill("1 2 three")
    press(page, "Answer")
    assert "no number" in error(page)


def test_a_dream_goes_step_by_step(visit: Callable[[str], Any]) -> None:
    page = visit("rbm.mnist")
    press(page, "One step")
    page.get_by_text("step 1", exact=True).wait_for()
    first = page.get_by_alt_text("the dream").get_attribute("src")
    press(page, "One step")
    page.get_by_text("step 2", exact=True).wait_for()
    assert page.get_by_alt_text("the dream").get_attribute("src") != first


@pytest.mark.parametrize("name", ["lstm.captioning_shapes", "lstm.tagging_moving_digits", "cnn.digits"])
def test_a_sample_is_answered(visit: Callable[[str], Any], name: str) -> None:
    page = visit(name)
    press(page, "Try a sample")
    assert answer(page)


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("cnn.mnist", b"no picture", "no image"),
        ("cnn.mnist", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "no image"),
        ("cnn.cifar10", b"no picture", "no image"),
        ("cnn.ocr", b"%PDF-1.7", "cannot read"),
        ("lstm.tagging_moving_digits", b"GIF89a" + b"\0" * 50, "cannot read"),
        ("mlp.breast_cancer", b"a,b\n1,2\n", "mean radius"),
        ("mlp.breast_cancer", b"\xff\xfe\0\0", ""),
        ("mlp.breast_cancer", b"x" * 17 * 2**20, "16 MiB"),
    ],
)
def test_a_bad_upload_is_one_line(
    visit: Callable[[str], Any], tmp_path: Path, name: str, content: bytes, word: str
) -> None:
    page = visit(name)
    (tmp_path / "upload").write_bytes(content)
    page.locator("input[type=file]").last.set_input_files(tmp_path / "upload")
    assert word in error(page)
    assert str(tmp_path) not in error(page)


def test_no_page_is_wider_than_a_telephone(page: Any, origin: str) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    for weights in zoo.list_weights():
        page.goto(f"{origin}/#{weights.name}")
        page.locator("h1").get_by_text(f"{weights.name}:").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, weights.name


def test_a_server_that_is_gone_is_one_line(visit: Callable[[str], Any]) -> None:
    page = visit("lstm.reviews")
    page.route("**/predict", lambda route: route.abort())
    press(page, "Answer")
    assert "the server does not answer" in error(page)


def test_a_token_comes_with_the_address_of_the_page(chromium: Any) -> None:
    token = "a-token-of-some-length"
    demo = DemoApp(doors._models("cnn.digits"), Limits())
    with serving(Guard(demo, token, demo.is_open, loopback=True)) as origin:
        page = chromium.new_page()
        page.goto(f"{origin}/#token={token}")
        page.get_by_role("button", name="Try a sample").click()  # of several models there would be a list first
        assert answer(page)
        stranger = chromium.new_context().new_page()
        stranger.goto(origin)
        assert error(stranger) == "no token, or a wrong one"
