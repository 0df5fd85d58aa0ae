"""What the page asks of a model besides answers: a dream, a sample of its data, the numbers of a file."""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from zoo.metrics.attribution import score_of, word_influence
from zoo.models.rbm import RBM, FreeEnergyRBM
from zoo.serve.replies import plain
from zoo.serve.requests import Pixels, Refusal, raw_input, table_from
from zoo.spec import Classes, Image, Series, SmallImage, Text, Values, Video
from zoo.spec.text import tokenise
from zoo.weights.artefact import Artefact

MAX_STEPS = 100  # of a dream, in a request
MAX_PIXELS = 16 * 10**6
MOST_WORDS = 300  # of a text whose influence is shown
# Data of the package itself, or of scikit-learn: nothing is downloaded, and the recipe's settings are not followed
SAMPLED = {
    "zoo.data.images.Digits": "Digits",
    "zoo.data.sequences.MovingDigits": "MovingDigits",
    "zoo.data.shapes.Shapes": "Shapes",
}
NUM_SAMPLES = 200


def dreams(artefact: Artefact) -> bool:
    """Whether it is an RBM of images, without labels."""
    return type(artefact.network) in (RBM, FreeEnergyRBM) and type(artefact.spec.input) is Image


@torch.inference_mode()
def dream(artefact: Artefact, asked: Any) -> dict[str, Any]:
    """Steps of the Gibbs chain of an RBM from an image, or from noise.

    Args:
        artefact: for which `dreams` holds.
        asked: {"image": … or null, "steps": 1 to 100}.

    Returns:
        The probabilities of the pixels after each step as images, and the sample that the chain goes on from.

    Raises:
        Refusal: it is something else.
        SpecError: the image is none.
    """
    steps = asked.get("steps") if isinstance(asked, dict) else None
    if type(steps) is not int or not 1 <= steps <= MAX_STEPS:
        raise Refusal(422, f'a dream is asked for by {{"image": ..., "steps": 1 to {MAX_STEPS}}}')
    network: Any = artefact.network
    image = artefact.spec.input
    assert isinstance(image, Image)
    shape = (1, image.channels, *image.size)
    if asked.get("image") is None:
        v = torch.rand(shape).round().flatten(1)
    else:
        raw = raw_input(image, asked["image"], Pixels(MAX_PIXELS))
        v = network.vector(image.prepare(image.encode(*raw)[None]))
    frames = []
    for _ in range(steps):
        h = network.sample_hidden(v)
        frames.append(_picture(image, network.visible.mean(h @ network.weight.t(), v).view(shape)))
        v = network.sample_visible(h, v)
    return {"frames": frames, "state": _picture(image, v.view(shape))}


def _picture(image: Image, v: Tensor) -> str:
    return str(plain(image.decode(v)[0]))


def seen(artefact: Artefact, asked: Any) -> dict[str, str]:
    """An image as the network is given it: of its size, and framed where it learned from framed drawings.

    Args:
        artefact: that takes an image.
        asked: {"image": …}.

    Raises:
        Refusal: it takes something else, or no image is given.
        SpecError: the image is none.
    """
    kind = artefact.spec.input
    if type(kind) is not Image or not isinstance(asked, dict) or set(asked) != {"image"}:
        raise Refusal(422, 'a model for images is asked by {"image": ...}')
    (raw,) = raw_input(kind, asked["image"], Pixels(MAX_PIXELS))
    return {"image": str(plain(_image(kind.encode(raw))))}


def influence(artefact: Artefact, asked: Any) -> dict[str, Any]:
    """By how much each word of a text speaks for the answer; see `zoo.metrics.attribution`.

    Args:
        artefact: that takes a text of words and answers with classes or values.
        asked: {"text": …}.

    Returns:
        `label`, the class or the first value; `unit`, what the numbers are of; and `words`, pairs of a word as the
        network reads it and its influence, of the first 300 words.

    Raises:
        Refusal: it takes or answers something else, or no text is given.
        SpecError: the text has no word, or too few that the network knows.
    """
    text, wanted = artefact.spec.input, artefact.spec.output
    suits = isinstance(text, Text) and text.level == "words" and isinstance(wanted, Classes | Values)
    if not suits or not isinstance(asked, dict) or set(asked) != {"text"} or not isinstance(asked["text"], str):
        raise Refusal(422, 'a model that classifies texts is asked by {"text": ...}')
    assert isinstance(text, Text)
    assert isinstance(wanted, Classes | Values)
    network = artefact.network
    codes = text.encode(*text.answerable(asked["text"])).to(next(network.parameters()).device)
    place = 0
    if isinstance(wanted, Classes):
        with torch.inference_mode():
            probabilities = wanted.probabilities(
                network(codes[None], torch.tensor([len(codes)]).to(codes.device)).float(), artefact.calibration
            )
        place = int(wanted.choose(probabilities, artefact.calibration))
    found = word_influence(network, codes, score_of(wanted, artefact.calibration, place), most=MOST_WORDS)
    words = tokenise(asked["text"], text.level)[:MOST_WORDS]
    unit = "the log-odds are" if isinstance(wanted, Classes) else "the value is"
    return {"label": wanted.names[place], "unit": unit, "words": list(zip(words, found.tolist()))}


def has_samples(artefact: Artefact) -> bool:
    return isinstance(artefact.spec.input, SmallImage) or _target(artefact) in SAMPLED


def sample(artefact: Artefact, number: int) -> str:
    """An example of the test split of its data as a data address; of photographs, one of scikit-learn's.

    Raises:
        Refusal: there is none.
    """
    if isinstance(artefact.spec.input, SmallImage):
        return _photo(("flower.jpg", "china.jpg")[number % 2])
    if (target := _target(artefact)) not in SAMPLED:
        raise Refusal(404, "there is no sample of this model's data; give one of yours")
    columns = _test_split(SAMPLED[target])
    example = columns[number % len(columns)]
    if isinstance(artefact.spec.input, Video):
        return _animated(example)
    return str(plain(_image(example)))


def _target(artefact: Artefact) -> str:
    config = artefact.recipe.get("config", {})
    data = config.get("data") if isinstance(config, dict) else None
    return str(data.get("_target_")) if isinstance(data, dict) else ""


@lru_cache(maxsize=len(SAMPLED))
def _test_split(name: str) -> Any:
    from zoo import data

    module: Any = getattr(data, name)
    small = {"train_size": 2, "val_size": 2, "test_size": NUM_SAMPLES} if name != "Digits" else {}
    loaded = module(**small)
    loaded.setup("test")
    return loaded.splits["test"].columns[0]


def _image(pixels: Tensor) -> Any:
    """An image from uint8 (C, H, W)."""
    import PIL.Image

    array = pixels.permute(1, 2, 0).numpy()
    return PIL.Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def _animated(frames: Tensor) -> str:
    """A GIF of frames (T, C, H, W)."""
    first, *others = [_image(frame) for frame in frames]
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=others, duration=250, loop=0)
    return f"data:image/gif;base64,{base64.b64encode(file.getvalue()).decode()}"


@lru_cache(maxsize=2)
def _photo(name: str) -> str:
    import PIL.Image
    from sklearn.datasets import load_sample_image

    photo = PIL.Image.fromarray(load_sample_image(name))
    return str(plain(photo.crop((160, 60, 480, 300))))


def numbers(artefact: Artefact, data: bytes) -> dict[str, list[float]]:
    """The numbers of an uploaded CSV file by name, as the network is given them.

    Raises:
        Refusal: the network takes no series.
        ZooError: the file is no such table.
    """
    kind = artefact.spec.input
    if not isinstance(kind, Series):
        raise Refusal(404, "this model takes no series")
    steps = kind.encode(table_from(kind, data))  # T, F
    return dict(zip(kind.names, steps.double().t().tolist()))
