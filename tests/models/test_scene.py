"""A scene of objects: whose words are whose, where their frames lie, and which hides which."""

from __future__ import annotations

import torch
from torch.nn import functional

from zoo.models.gan.conditions import WORD, Read
from zoo.models.gan.scene import TOLD, Scene, framed_at, overlaid, own_words


def test_a_word_is_of_the_object_that_it_tells_most_of_and_an_object_has_three_in_a_row() -> None:
    shares = torch.tensor(
        [
            [[0.2, 0.1], [0.6, 0.3], [0.5, 0.2], [0.7, 0.1], [0.6, 0.1], [0.1, 0.8], [0.0, 0.0], [0.0, 0.0]],
            [[0.1, 0.9], [0.9, 0.1], [0.1, 0.6], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]],
        ]
    )
    own = own_words(shares).int()
    assert own[0].T.tolist() == [[0, 0, 1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 1, 0, 0]]  # the last two are padding
    assert own[1].T.tolist() == [[0, 1, 0, 0, 0, 0, 0, 0], [1, 0, 1, 0, 0, 0, 0, 0]]


def test_what_an_object_is_told_is_shared_in_training_and_its_own_after_it() -> None:
    torch.manual_seed(0)
    scene = Scene(3, 2, 5, (8, 8), (16, 16))
    words = torch.randn(2, 7, WORD)
    read = Read(torch.zeros(2, 4), words, torch.tensor([7, 4]))
    shares = scene.of_object(scene.parser(words, read.lengths)).softmax(dim=2)[:, :, :2]
    shares = torch.stack([shares[0], shares[1] * (torch.arange(7) < 4)[:, None]])
    torch.testing.assert_close(scene.attend(read), torch.einsum("btk,bts->bks", shares, words))
    own = own_words(shares)
    assert own.sum(dim=2).max() == 1
    assert own.sum(dim=1).max() <= 3
    expected = torch.stack([torch.stack([words[b, own[b, :, k]].sum(dim=0) for k in range(2)]) for b in range(2)])
    torch.testing.assert_close(scene.eval().attend(read), TOLD * expected)


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
