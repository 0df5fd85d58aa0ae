"""What goes in and what comes out: raw input to tensors, tensors to answers, specs to JSON and back."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from zoo.errors import SpecError
from zoo.spec import Classes, Image, MaskedImage, Spec, read_image
from zoo.spec.image import MAX_SIDE

GREY = Image(1, 4, 6, (0.5,), (0.25,))
COLOUR = Image(3, 4, 6, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
MASKED = MaskedImage(1, 4, 6, (0.5,), (0.5,))
DIGITS = Classes(tuple("0123456789"))

RAMP = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10  # a grey image of GREY's size
RGB = np.stack([RAMP, RAMP[::-1], 255 - RAMP], axis=2)  # a colour image of COLOUR's size


def pixels(raw: Any) -> np.ndarray:
    return np.asarray(read_image(raw))


def saved(image: PIL.Image.Image, kind: str = "png", **options: Any) -> PIL.Image.Image:
    """The image as it comes back from a file of that kind."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return PIL.Image.open(file)


# Specs


@pytest.mark.parametrize(
    "spec", [Spec(GREY, DIGITS), Spec(COLOUR, Classes(("a", "é", "日本"))), Spec(MASKED, GREY)], ids=str
)
def test_json_round_trip(spec: Spec) -> None:
    again = Spec.from_json(json.loads(json.dumps(spec.to_json(), allow_nan=False)))
    assert again == spec
    assert type(again.input) is type(spec.input)
    assert hash(again) == hash(spec)  # lists have become tuples again


def test_json_is_plain_and_readable() -> None:
    assert json.loads(json.dumps(Spec(GREY, Classes(("no", "yes"))).to_json())) == {
        "input": {
            "kind": "Image",
            "channels": 1,
            "height": 4,
            "width": 6,
            "mean": [0.5],
            "std": [0.25],
            "fit": "stretch",
            "ink": None,
        },
        "output": {"kind": "Classes", "names": ["no", "yes"]},
    }


IMAGE = {"kind": "Image", "channels": 1, "height": 4, "width": 6, "mean": [0.5], "std": [0.25]}
CLASSES = {"kind": "Classes", "names": ["no", "yes"]}


@pytest.mark.parametrize(
    "data", [None, [], "spec", 3, {}, {"input": IMAGE}, {"input": IMAGE, "output": CLASSES, "x": 1}]
)
def test_from_json_refuses_what_is_no_spec(data: object) -> None:
    with pytest.raises(SpecError, match="an input and an output"):
        Spec.from_json(data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": None}, "names its kind"),
        ({"kind": ["Image"]}, "names its kind"),
        ({"kind": "Imagee"}, "did you mean 'Image'"),
        ({"kind": "Spec"}, "unknown kind"),
        ({"kind": "__class__"}, "unknown kind"),
        ({"kind": "Classes"}, "Classes has names"),
        ({"extra": 1}, "has channels, fit, height, ink, mean, std, width, not"),
        ({"channels": 2}, "1 or 3 channels"),
        ({"channels": True}, "1 or 3 channels"),
        ({"channels": 1.0}, "1 or 3 channels"),
        ({"channels": "1"}, "1 or 3 channels"),
        ({"height": 0}, "height and width"),
        ({"height": -1}, "height and width"),
        ({"height": True}, "height and width"),
        ({"height": 4.0}, "height and width"),
        ({"width": None}, "height and width"),
        ({"width": MAX_SIDE + 1}, "height and width"),
        ({"width": 10**400}, "height and width"),
        ({"mean": 0.5}, "mean is a list"),
        ({"mean": "0"}, "mean is a list"),
        ({"mean": ["0"]}, "mean is a list"),
        ({"mean": [[0.5]]}, "mean is a list"),
        ({"mean": [True]}, "mean is a list"),
        ({"mean": [math.nan]}, "mean is a list"),
        ({"mean": [10**400]}, "mean is a list"),
        ({"std": [-(10**400)]}, "std is a list"),
        ({"mean": []}, "one number a channel"),
        ({"mean": [0.5, 0.5]}, "one number a channel"),
        ({"std": [0.0]}, "above 0"),
        ({"std": [-1.0]}, "above 0"),
        ({"std": [math.inf]}, "std is a list"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_from_json_refuses_a_hostile_image(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Spec.from_json({"input": {**IMAGE, **change}, "output": CLASSES})


@pytest.mark.parametrize("name", sorted(IMAGE))
def test_from_json_refuses_a_missing_key(name: str) -> None:
    image = {key: value for key, value in IMAGE.items() if key != name}
    with pytest.raises(SpecError):
        Spec.from_json({"input": image, "output": CLASSES})


@pytest.mark.parametrize(
    "names", [None, "yes", ["yes"], [], ["a", "a"], ["a", 1], [["a"], ["b"]], {"a": 1, "b": 2}], ids=repr
)
def test_from_json_refuses_hostile_classes(names: object) -> None:
    with pytest.raises(SpecError, match="class"):
        Spec.from_json({"input": IMAGE, "output": {"kind": "Classes", "names": names}})


@pytest.mark.parametrize(
    ("given", "answer"), [(CLASSES, CLASSES), (IMAGE, {**IMAGE, "kind": "MaskedImage"})], ids=["classes in", "mask out"]
)
def test_from_json_refuses_a_kind_on_the_wrong_side(given: dict[str, Any], answer: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=r"an input is|an output is"):
        Spec.from_json({"input": given, "output": answer})


def test_a_spec_reads_as_from_to() -> None:
    assert str(Spec(MASKED, GREY)) == "masked image → image"


# Images in


@pytest.mark.parametrize(
    "raw",
    [
        RAMP,
        RAMP[:, :, None],
        RAMP / np.float64(255),
        (RAMP / 255).astype(np.float32),
        RAMP.astype(np.uint16) * 257,
        np.asfortranarray(RAMP),
        np.ascontiguousarray(RAMP[:, ::-1])[:, ::-1],
        torch.from_numpy(RAMP),
        torch.from_numpy(RAMP / 255).requires_grad_(),
        (torch.from_numpy(RAMP) / 255)[:, :, None],
        PIL.Image.fromarray(RAMP),
        PIL.Image.fromarray(np.stack([RAMP] * 3, axis=2)),
    ],
    ids=["uint8", "HxWx1", "float64", "float32", "uint16", "fortran", "negative stride", "tensor", "with gradient",
         "tensor HxWx1", "PIL grey", "PIL RGB"],
)  # fmt: skip
def test_each_form_of_a_grey_image_gives_the_same_tensor(raw: Any) -> None:
    encoded = GREY.encode(raw)
    assert encoded.dtype == torch.uint8
    assert encoded.shape == (1, 4, 6)
    assert encoded.is_contiguous()
    assert np.array_equal(encoded[0], RAMP)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_tensors_of_any_float_type_are_images(dtype: torch.dtype) -> None:
    image = torch.tensor([[0.0, 1.0], [0.5, 0.25]], dtype=dtype)
    assert pixels(image).tolist() == [[0, 255], [128, 64]]


def test_true_is_white() -> None:
    assert pixels(np.array([[True, False], [False, True]])).tolist() == [[255, 0], [0, 255]]


def test_colour_keeps_its_channels_in_order() -> None:
    encoded = COLOUR.encode(RGB)
    assert encoded.shape == (3, 4, 6)
    assert encoded.is_contiguous()
    assert np.array_equal(encoded, RGB.transpose(2, 0, 1))


def test_an_encoded_image_shares_no_memory_with_the_raw_one() -> None:
    raw = RAMP.copy()
    GREY.encode(raw).fill_(7)
    assert np.array_equal(raw, RAMP)


def test_grey_is_repeated_for_a_colour_network_and_colour_weighed_for_a_grey_one() -> None:
    assert np.array_equal(COLOUR.encode(RAMP), np.stack([RAMP] * 3))
    red, green, blue = RGB.astype(float).transpose(2, 0, 1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R 601
    assert np.abs(GREY.encode(RGB)[0].numpy() - luma).max() <= 1


def test_an_image_of_another_size_is_resized() -> None:
    flat = np.full((31, 17), 90, np.uint8)
    assert GREY.encode(flat).unique().tolist() == [90]
    halves = np.zeros((8, 12), np.uint8)
    halves[:, 6:] = 255  # its right half
    encoded = GREY.encode(halves)[0]
    assert (encoded[:, :2] < 30).all()
    assert (encoded[:, 4:] > 225).all()


def test_an_image_of_one_pixel() -> None:
    assert GREY.encode(np.array([[200]], np.uint8)).unique().tolist() == [200]
    dot = Image(1, 1, 1, (0.0,), (1.0,))
    assert dot.encode(np.array([[200]], np.uint8)).tolist() == [[[200]]]


@pytest.mark.parametrize("as_path", [str, Path])
def test_files(tmp_path: Path, as_path: type) -> None:
    PIL.Image.fromarray(RAMP).save(tmp_path / "ramp.png")
    assert np.array_equal(GREY.encode(as_path(tmp_path / "ramp.png"))[0], RAMP)


def test_transparency_is_laid_on_white() -> None:
    rgba = np.zeros((1, 3, 4), np.uint8)  # black, ...
    rgba[0, :, 3] = [255, 0, 51]  # ... opaque, transparent, and a fifth of each
    expected = [[[0, 0, 0], [255, 255, 255], [204, 204, 204]]]
    assert pixels(rgba).tolist() == expected
    assert pixels(PIL.Image.fromarray(rgba)).tolist() == expected
    assert pixels(saved(PIL.Image.fromarray(rgba))).tolist() == expected


def test_a_palette_with_a_transparent_colour() -> None:
    image = PIL.Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    read = pixels(saved(image, transparency=1))
    assert read.tolist() == [[[10, 20, 30], [255, 255, 255], [70, 80, 90]]]


def test_grey_with_alpha() -> None:
    image = PIL.Image.merge("LA", [PIL.Image.new("L", (2, 1), 40), PIL.Image.fromarray(np.array([[255, 0]], np.uint8))])
    assert pixels(saved(image)).tolist() == [[[40, 40, 40], [255, 255, 255]]]


def test_16_bit_grey_is_scaled_not_clipped() -> None:
    values = np.array([[0, 257, 128 * 257, 65535]], np.uint16)
    image = saved(PIL.Image.fromarray(values))
    assert image.mode.startswith("I")  # or this would test nothing
    assert pixels(image).tolist() == [[0, 1, 128, 255]]


def test_cmyk_jpeg() -> None:
    image = saved(PIL.Image.new("RGB", (8, 8), (200, 30, 90)).convert("CMYK"), "jpeg", quality=95)
    assert image.mode == "CMYK"
    read = pixels(image)
    assert read.shape == (8, 8, 3)
    assert np.abs(read.astype(int) - [200, 30, 90]).max() <= 3


def test_black_and_white_and_float_files(tmp_path: Path) -> None:
    assert pixels(saved(PIL.Image.fromarray(np.array([[True, False]])))).tolist() == [[255, 0]]
    PIL.Image.fromarray(np.array([[0.0, 1.0]], np.float32)).save(tmp_path / "float.tiff")
    assert pixels(tmp_path / "float.tiff").tolist() == [[0, 255]]


def test_a_camera_s_rotation_is_undone(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turn it a quarter clockwise to see it upright
    PIL.Image.fromarray(RAMP).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(pixels(tmp_path / "turned.png"), np.rot90(RAMP, -1))
    PIL.Image.fromarray(RAMP).save(tmp_path / "odd.png", exif=b"no exif at all")  # whose pixels are whole
    assert np.array_equal(pixels(tmp_path / "odd.png"), RAMP)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (np.zeros(5, np.uint8), "not 5"),
        (np.zeros((), np.uint8), "H x W"),
        (np.zeros((2, 4, 6, 1), np.uint8), "not 2 x 4 x 6 x 1; for several images give a list"),
        (np.zeros((3, 40, 60), np.uint8), "H x W x C with 1, 3 or 4 channels, not 3 x 40 x 60"),
        (np.zeros((4, 6, 2), np.uint8), "not 4 x 6 x 2"),
        (np.zeros((0, 6), np.uint8), "no pixels"),
        (np.zeros((4, 0), np.float32), "no pixels"),
        (np.zeros((4, 0, 3), bool), "no pixels"),
        (np.full((4, 6), 1.01), r"0\.\.1, not 1\.01"),
        (np.full((4, 6), -0.5), r"0\.\.1, not -0\.5"),
        (np.full((4, 6), 200.0), r"0\.\.1, not 200"),
        (np.full((4, 6), np.nan), r"0\.\.1, not nan"),
        (np.full((4, 6), np.inf), r"0\.\.1, not inf"),
        (torch.full((4, 6), torch.nan), r"0\.\.1, not nan"),
        (np.zeros((4, 6), np.int64), "not int64"),
        (torch.zeros(4, 6, dtype=torch.int64), "not int64"),
        (np.zeros((4, 6), np.int8), "not int8"),
        (np.zeros((4, 6), complex), "not complex128"),
        (np.full((4, 6), "a"), "not <U1"),
        (None, "a PIL image or an array, not NoneType"),
        (b"bytes", "cannot read the file of 5 bytes as an image"),
        ([[0, 1], [1, 0]], "a PIL image or an array, not list"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_no_image_is_refused(raw: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        GREY.encode(raw)


def test_files_that_are_no_image_are_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no such image: .*absent\.png"):
        GREY.encode(tmp_path / "absent.png")
    with pytest.raises(SpecError, match="is a folder"):
        GREY.encode(tmp_path)  # a folder
    (tmp_path / "text.png").write_text("These are words.")
    with pytest.raises(SpecError, match=r"cannot read .*text\.png"):
        GREY.encode(tmp_path / "text.png")
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(SpecError, match=r"cannot read .*empty\.png"):
        GREY.encode(tmp_path / "empty.png")
    with pytest.raises(SpecError, match="no such image"):
        GREY.encode("nul\0byte.png")


@pytest.mark.filterwarnings("ignore::UserWarning")  # "Corrupt EXIF data" and the like
@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "bmp", "tiff", "webp", "ppm", "dds"])
def test_a_damaged_file_is_read_or_refused_but_never_crashes(tmp_path: Path, kind: str) -> None:
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (12, 10, 3), dtype=np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(noise).save(file, kind)
    whole, path, refused = file.getvalue(), tmp_path / f"damaged.{kind}", []
    for trial in range(60):
        damaged = bytearray(whole)
        if trial < 20:
            damaged = damaged[: len(whole) * trial // 20]
        else:
            for position in random.integers(0, min(len(damaged), 200), 3):
                damaged[position] ^= 1 << random.integers(8)
        path.write_bytes(damaged)
        try:
            assert GREY.encode(path).shape == (1, 4, 6)
        except SpecError as error:
            refused.append(str(error))
    assert len(refused) >= 2  # at least the empty and a truncated one
    assert all(path.name in message for message in refused)


def test_a_truncated_image_that_the_caller_opened() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(noise).save(file, "png")
    file.truncate(2000)
    with pytest.raises(SpecError, match="cannot read"):
        GREY.encode(PIL.Image.open(file))


# Tensors in, tensors out


@pytest.mark.parametrize("image", [GREY, COLOUR, Image(1, 1, 1, (0.1307,), (0.3081,))], ids=["grey", "colour", "MNIST"])
def test_prepare_normalises_and_restore_undoes_it(image: Image) -> None:
    batch = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1).expand(-1, image.channels, 2, 2)
    prepared = image.prepare(batch)
    mean, std = np.reshape(image.mean, (-1, 1, 1)), np.reshape(image.std, (-1, 1, 1))
    expected = (batch.numpy().astype(np.float64) / 255 - mean) / std
    assert prepared.dtype == torch.float32
    np.testing.assert_allclose(prepared.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(image.restore(prepared), batch)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_restore_takes_half_precision_and_clips(dtype: torch.dtype) -> None:
    output = torch.tensor([-9.0, -2.0, 0.0, 2.0, 9.0], dtype=dtype).view(5, 1, 1, 1)
    assert GREY.restore(output).flatten().tolist() == [0, 0, 128, 255, 255]


def test_prepared_in_inference_mode_serves_training_too() -> None:
    image = Image(1, 2, 2, (0.123,), (0.456,))  # numbers that no other test has put into the cache
    with torch.inference_mode():
        image.prepare(torch.zeros(1, 1, 2, 2, dtype=torch.uint8))
    scale = torch.ones(1, requires_grad=True)
    (image.prepare(torch.ones(1, 1, 2, 2, dtype=torch.uint8)) * scale).sum().backward()
    assert scale.grad is not None


def test_decoded_images_are_pil_images() -> None:
    for image, raw, mode in ((GREY, RAMP, "L"), (COLOUR, RGB, "RGB")):
        batch = torch.stack([image.encode(raw)] * 2)
        decoded = image.decode(image.prepare(batch))
        assert [image.mode for image in decoded] == [mode] * 2
        assert [image.size for image in decoded] == [(6, 4)] * 2
        assert np.array_equal(np.asarray(decoded[1]), raw)


# Masks


HOLE = np.zeros((4, 6), bool)
HOLE[1:3, 2:5] = True


@pytest.mark.parametrize("mask", [HOLE, HOLE.astype(float), HOLE.astype(np.uint8) * 255, PIL.Image.fromarray(HOLE)],
                         ids=["bool", "float", "uint8", "PIL"])  # fmt: skip
def test_each_form_of_a_mask_gives_the_same_tensor(mask: Any) -> None:
    encoded = MASKED.encode(RAMP, mask)
    assert encoded.shape == (2, 4, 6)
    assert encoded.dtype == torch.uint8
    assert np.array_equal(encoded[0], RAMP)
    assert np.array_equal(encoded[1], HOLE)


def test_more_than_half_bright_is_the_hole() -> None:
    mask = np.array([[0.0, 0.49, 0.51, 1.0]])
    masked = MaskedImage(1, 1, 4, (0.5,), (0.5,))
    assert masked.encode(np.zeros((1, 4), np.uint8), mask)[1].tolist() == [[0, 0, 1, 1]]


def test_the_mask_is_resized_with_its_image_and_stays_sharp() -> None:
    encoded = MASKED.encode(np.kron(RAMP, np.ones((3, 3), np.uint8)), np.kron(HOLE, np.ones((3, 3), bool)))
    assert np.array_equal(encoded[1], HOLE)


def test_what_the_hole_hides_does_not_reach_the_network() -> None:
    other = np.where(HOLE, 255 - RAMP, RAMP)
    one, two = (MASKED.prepare(MASKED.encode(raw, HOLE)[None]) for raw in (RAMP, other))
    assert torch.equal(one, two)
    assert one.dtype == torch.float32
    assert np.array_equal(one[0, 1], HOLE)
    assert not one[0, 0][torch.from_numpy(HOLE)].any()
    expected = (RAMP / 255 - 0.5) / 0.5
    np.testing.assert_allclose(one[0, 0].numpy()[~HOLE], expected[~HOLE], atol=1e-6)


def test_a_mask_that_cannot_be_is_refused() -> None:
    with pytest.raises(SpecError, match="mask is missing"):
        MASKED.encode(RAMP)
    with pytest.raises(SpecError, match="the mask is 5 x 4 pixels and the image 6 x 4"):
        MASKED.encode(RAMP, HOLE[:, :5])
    with pytest.raises(SpecError, match="covers the whole image"):
        MASKED.encode(RAMP, np.ones_like(HOLE))
    with pytest.raises(SpecError, match="an array"):
        MASKED.encode(RAMP, [HOLE])


# Classes out


def test_classes_decode_to_the_softmax_by_name() -> None:
    logits = torch.tensor([[1.0, 3.0, -2.0], [500.0, -500.0, 0.0], [0.0, 0.0, 0.0]])
    names = ("ant", "bee", "cat")
    exponents = np.exp(logits.double().numpy() - logits.numpy().max(axis=1, keepdims=True))
    expected = exponents / exponents.sum(axis=1, keepdims=True)
    answers = Classes(names).decode(logits)
    for answer, row in zip(answers, expected, strict=True):
        assert list(answer["probabilities"]) == list(names)
        np.testing.assert_allclose(list(answer["probabilities"].values()), row, atol=1e-12)
        assert answer["label"] == names[row.argmax()]
        assert answer["probability"] == answer["probabilities"][answer["label"]]
        assert sum(answer["probabilities"].values()) == pytest.approx(1)
    json.dumps(answers)  # plain Python


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_classes_decode_half_precision(dtype: torch.dtype) -> None:
    (answer,) = Classes(("no", "yes")).decode(torch.tensor([[0.0, 1.0]], dtype=dtype))
    assert answer["label"] == "yes"
    assert answer["probability"] == pytest.approx(1 / (1 + math.exp(-1)), abs=1e-12)


def test_a_mask_of_zeros_and_ones_as_numbers_is_refused_not_taken_for_empty() -> None:
    spec = MaskedImage(1, 4, 4, (0.5,), (0.5,))
    hole = np.eye(4, dtype=np.uint8)
    with pytest.raises(SpecError, match="hides nothing"):
        spec.encode(np.zeros((4, 4), np.uint8), hole)
    assert spec.encode(np.zeros((4, 4), np.uint8), hole.astype(bool))[-1].tolist() == hole.tolist()
    dot = np.zeros((40, 40), bool)
    dot[3, 3] = True
    with pytest.raises(SpecError, match="hides nothing once it is resized to 4 x 4 pixels"):
        spec.encode(np.zeros((40, 40), np.uint8), dot)
