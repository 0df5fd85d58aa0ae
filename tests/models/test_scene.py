"""A scene of objects: whose words are whose, where their frames lie, and which hides which."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from zoo.models.gan.conditions import WORD, Read
from zoo.models.gan.scene import TOLD, Scene, framed_at, overlaid, told_of_objects


def shares_of(sentence: str, first: str, second: str, sure: float) -> Tensor:
    """Log-probabilities (1, T, 2) by which each word is an object's own, or (of the others) no object's."""
    rest = (1 - sure) / 2
    own = [[sure if word in words.split() else rest for words in (first, second)] for word in sentence.split()]
    return torch.tensor([own]).log()


@pytest.mark.parametrize(
    ("sentence", "first", "second"),
    [
        ("a small red circle above a large blue square", "small red circle", "large blue square"),
        ("small red circle above large blue square", "small red circle", "large blue square"),
        ("a red circle above a square", "red circle", "square"),
        ("circle above square", "circle", "square"),
    ],
)
def test_an_object_is_told_its_own_words(sentence: str, first: str, second: str) -> None:
    words = sentence.split()
    told = told_of_objects(shares_of(sentence, first, second, 0.8), torch.tensor([len(words)]), sure=True)[0]
    for own, row in zip((first, second), told.tolist()):
        assert [word for word, part in zip(words, row) if part] == own.split()
        assert all(part in (0, pytest.approx(TOLD)) for part in row)


def test_in_training_each_row_counts_as_much_as_all_its_words_are_likely_to_be_own() -> None:
    """As added up row by row; padding after a text has no part."""
    torch.manual_seed(0)
    own, lengths = torch.randn(2, 7, 3).log_softmax(dim=2)[:, :, :2], (7, 4)
    told = told_of_objects(own, torch.tensor(lengths), sure=False)
    for example, length in enumerate(lengths):
        for k in range(2):
            rows = [range(first, first + 3) for first in range(length - 2)]
            likely = torch.tensor([float(own[example, row, k].sum().exp()) for row in rows])
            expected = torch.zeros(7)
            for row, part in zip(rows, likely / likely.sum()):
                expected[row] += part * own[example, row, k].exp()
            torch.testing.assert_close(told[example, k], expected)


def test_padding_changes_nothing_of_what_objects_are_told() -> None:
    torch.manual_seed(0)
    scene = Scene(3, 2, 8, 5, (8, 8), (16, 16))
    words, padded = torch.randn(1, 2, WORD), torch.randn(1, 9, WORD)
    padded[:, :2] = words
    for mode in (True, False):
        alone, beside = (
            scene.train(mode).attend(Read(torch.zeros(1, 4), given, torch.tensor([2]))) for given in (words, padded)
        )
        torch.testing.assert_close(alone, beside)


def test_objects_are_placed_by_the_angles_of_some_of_the_noise_alone() -> None:
    torch.manual_seed(0)
    scene = Scene(3, 2, 8, 5, (8, 8), (16, 16))
    noise, features = torch.randn(6, 8), torch.randn(6, 5)
    places = scene.places(noise, features)
    assert places.shape == (12, 2)
    longer = torch.cat([3 * noise[:, :2], 0.1 * noise[:, 2:4], torch.randn(6, 4)], dim=1)
    torch.testing.assert_close(scene.places(longer, features), places)
    turned = torch.cat([-noise[:, :2], noise[:, 2:]], dim=1)
    assert (scene.places(turned, features) - places).abs().amax(dim=1).min() > 1e-4


def test_a_frame_lies_where_it_is_put() -> None:
    """As torch's own bilinear sampling has it, outside of the whole too."""
    pictures, centres = torch.rand(50, 3, 6, 8), torch.rand(50, 2) * 2 - 1
    scale = torch.tensor([16 / 8, 20 / 6])  # of the whole, across and down, to the frame
    moves = torch.cat([torch.diag(scale).expand(50, 2, 2), -(centres.flip(1) * scale)[:, :, None]], dim=2)
    where = functional.affine_grid(moves, [50, 3, 20, 16], align_corners=False)
    expected = functional.grid_sample(pictures, where, align_corners=False)
    torch.testing.assert_close(framed_at(pictures, centres, (6, 8), (20, 16)), expected, rtol=1e-4, atol=1e-4)


def test_what_is_nearer_hides_what_is_behind() -> None:
    """One layer is whole in two pixels of three, the other half seen through in one of them."""
    ground = torch.tensor([[-1.0, 0.0, 1.0]])
    opacities = torch.tensor([[[1.0, 1.0, 0.0]], [[0.0, 0.5, 0.0]]])  # K, H, W
    colours = torch.tensor([[0.2, 0.4, 0.6], [-0.4, 0.8, 0.0]])[:, :, None, None]
    layers = torch.cat([colours * opacities[:, None], opacities[:, None]], dim=1)[None]
    first, mixed = torch.tensor([0.2, 0.4, 0.6]), torch.tensor([-0.1, 0.6, 0.3])
    for nearness, expected in (((0, 50), mixed), ((50, 0), first), ((7, 7), (first + mixed) / 2)):
        image = overlaid(ground, layers, torch.tensor([nearness]).float(), 2)[0, :, 0]  # C, W
        torch.testing.assert_close(image, torch.stack([first, expected, ground[0]], dim=1))
