"""SeededBatchSampler: what is served, in which order, to which process, and from where on after a break."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples, Joined, Ragged
from zoo.data.core.loader import ResumableLoader, SeededBatchSampler
from zoo.errors import DataError
from zoo.spec import Classes, Image, Spec

COUNT = 23
ON_CPU = SimpleNamespace(root_device=torch.device("cpu"))


class Numbers(DataModule):
    """One pixel for each example, which is its number; training has 23 of them, validation 7, test 1."""

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        def split(first: int, count: int) -> Examples:
            numbers = torch.arange(first, first + count)
            return Examples(numbers.to(torch.uint8).view(-1, 1, 1, 1), numbers % 2)

        splits = {"train": split(0, COUNT), "val": split(100, 7), "test": split(200, 1)}
        return Spec(Image(1, 1, 1, (0.5,), (0.5,)), Classes(("even", "odd"))), splits


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> Numbers:
    monkeypatch.setenv("PL_GLOBAL_SEED", "5")
    data = Numbers(batch_size=4)
    data.setup("fit")
    return data


def served(loader: ResumableLoader) -> list[list[int]]:
    """The numbers of each batch."""
    return [batch[0].flatten().tolist() for batch in loader]


def flat(batches: list[list[int]]) -> list[int]:
    return [number for batch in batches for number in batch]


# Examples


@pytest.mark.parametrize("rows", [[0], [3, 1, 3], [], list(range(5))], ids=str)
def test_a_batch_is_its_examples_stacked(rows: list[int]) -> None:
    examples = Examples(torch.arange(40, dtype=torch.uint8).view(5, 2, 4), torch.arange(5), torch.rand(5, 3))
    batch = examples.__getitems__(torch.tensor(rows, dtype=torch.int64))
    assert len(batch) == 3
    for column, tensor in enumerate(batch):
        assert tensor.dtype == examples.columns[column].dtype
        assert tensor.shape == (len(rows), *examples.columns[column].shape[1:])
        if rows:
            assert torch.equal(tensor, torch.stack([examples[row][column] for row in rows]))


def test_a_batch_may_be_written_to() -> None:
    examples = Examples(torch.zeros(3, 2))
    examples.__getitems__([0, 1, 2])[0].fill_(1)
    assert not examples.columns[0].any()


def test_examples_are_as_long_as_the_longest_of_their_ragged_columns() -> None:
    short, long = Ragged(torch.zeros(9), torch.tensor([4, 3, 2])), Ragged(torch.zeros(9), torch.tensor([1, 5, 3]))
    lengths = Examples(torch.zeros(3), short, long).lengths
    assert lengths is not None
    assert lengths.tolist() == [4, 5, 3]
    assert Examples(torch.zeros(3)).lengths is None


def test_examples_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"differ in length: \[3, 2\]"):
        Examples(torch.zeros(3), torch.zeros(2))


@pytest.mark.parametrize("shape", [(), (3,)], ids=str)
@pytest.mark.parametrize("rows", [[4, 0], [2], [1, 1, 3], [0, 1, 2, 3, 4]], ids=str)
def test_examples_of_unequal_length_are_padded_with_zeros(rows: list[int], shape: tuple[int, ...]) -> None:
    sequences = [1 + torch.rand(length, *shape) for length in (2, 0, 5, 1, 3)]
    padded, lengths = Examples(Ragged.of(sequences)).__getitems__(rows)[0]
    assert lengths.tolist() == [len(sequences[row]) for row in rows]
    expected = pad_sequence([sequences[row] for row in rows], batch_first=True)
    assert torch.equal(padded, expected)
    assert torch.equal(Ragged.of(sequences)[2], sequences[2])


def test_lengths_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ValueError, match="lengths add up to 4, and there are 5 values"):
        Ragged(torch.arange(5), torch.tensor([3, 1]))


@pytest.mark.parametrize("shape", [(), (3,)], ids=str)
@pytest.mark.parametrize("rows", [[4, 0], [2], [1], [1, 1, 3], [0, 1, 2, 3, 4], []], ids=str)
def test_pieces_that_are_joined_are_as_if_they_had_been_one(rows: list[int], shape: tuple[int, ...]) -> None:
    pieces = [1 + torch.rand(length, *shape) for length in (2, 0, 5, 1)]
    chosen = [[3], [1], [0, 1, 2, 1, 0], [1, 3, 3, 2, 1], [2, 0]]
    joined = Joined(Ragged.of(pieces), Ragged.of([torch.tensor(numbers).int() for numbers in chosen]))
    whole = Ragged.of([torch.cat([pieces[number] for number in numbers]) for numbers in chosen])
    assert torch.equal(Examples(torch.arange(5), joined).lengths, whole.lengths)
    found, expected = (Examples(column).__getitems__(torch.tensor(rows).long())[0] for column in (joined, whole))
    assert all(map(torch.equal, found, expected))
    assert all(torch.equal(joined[row], whole[row]) for row in rows)


def test_pieces_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="chosen are pieces 1 to 2, and there are 2"):
        Joined(Ragged.of([torch.ones(3), torch.ones(1)]), Ragged.of([torch.tensor([1, 2])]))


# Order


def test_like_lengths_come_together_and_nothing_is_lost() -> None:
    """At most a window of batches is sorted at once, so that epochs differ; the batches come in random order."""
    lengths = torch.randint(1, 100, (640,), generator=torch.Generator().manual_seed(0))
    batches = SeededBatchSampler(640, 10, shuffle=True, lengths=lengths)
    first = list(batches)
    assert sorted(torch.cat(first).tolist()) == list(range(640))
    spread = [int(lengths[batch].max() - lengths[batch].min()) for batch in first]
    assert sum(spread) / len(spread) < 10  # of 99; a random batch would have about 80
    means = [float(lengths[batch].float().mean()) for batch in first]
    assert means != sorted(means)
    assert torch.equal(torch.cat(first), torch.cat(list(batches)))
    batches.start = 3
    assert torch.equal(torch.cat(list(batches)), torch.cat(first[3:]))
    batches.set_epoch(1)
    assert not torch.equal(torch.cat(list(batches)), torch.cat(first))


def test_processes_share_examples_of_unequal_length() -> None:
    lengths = torch.arange(1, 42)
    shares = [list(SeededBatchSampler(41, 4, shuffle=True, rank=rank, processes=2, lengths=lengths)) for rank in (0, 1)]
    assert [len(batch) for share in shares for batch in share] == [4] * 10
    assert len(set(torch.cat([batch for share in shares for batch in share]).tolist())) == 40


def test_training_serves_full_batches_of_different_examples(data: Numbers) -> None:
    loader = data.train_dataloader()
    batches = served(loader)
    assert [len(batch) for batch in batches] == [4] * 5  # 3 of the 23 are left out ...
    assert len(loader) == 5
    assert len(set(flat(batches))) == 20
    left_out = set()
    for epoch in range(60):
        loader.batches.set_epoch(epoch)
        left_out |= set(range(COUNT)) - set(flat(served(loader)))
    assert len(left_out) == COUNT  # ... but not for ever


def test_inputs_and_targets_stay_together(data: Numbers) -> None:
    for x, labels in data.train_dataloader():
        assert x.dtype == torch.uint8
        assert torch.equal(x.flatten() % 2, labels)


def test_order_depends_on_seed_and_epoch_alone(data: Numbers, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = data.train_dataloader()
    first = served(loader)
    torch.manual_seed(1)
    torch.rand(3)
    assert served(loader) == first
    assert served(data.train_dataloader()) == first
    loader.batch_sampler.sampler.set_epoch(1)  # as Lightning calls it
    second = served(loader)
    assert second != first
    loader.batches.set_epoch(0)
    assert served(loader) == first
    monkeypatch.setenv("PL_GLOBAL_SEED", "50")
    assert served(data.train_dataloader()) not in (first, second)


def test_serving_does_not_shift_the_random_numbers_of_a_resumed_epoch(data: Numbers) -> None:
    """Whether an epoch is begun or resumed, the global generator is moved alike."""
    states = []
    for skip in (0, 3):
        torch.manual_seed(0)
        loader = data.train_dataloader()
        loader.load_state_dict({"served": skip})
        served(loader)
        states.append(torch.get_rng_state())
    assert torch.equal(*states)


def test_validation_and_test_serve_each_example_once_in_order(data: Numbers) -> None:
    assert served(data.val_dataloader()) == [[100, 101, 102, 103], [104, 105, 106]]
    assert served(data.test_dataloader()) == [[200]]
    assert served(data.val_dataloader()) == served(data.val_dataloader())


def test_fewer_examples_than_a_batch_are_one_batch() -> None:
    data = Numbers(batch_size=64)
    data.setup()
    assert sorted(flat(served(data.train_dataloader()))) == list(range(COUNT))
    assert len(data.train_dataloader()) == len(data.val_dataloader()) == 1


def test_lightning_s_own_progress_needs_no_default_collation(data: Numbers) -> None:
    batch = next(iter(data.train_dataloader()))
    assert isinstance(batch, tuple)
    assert [type(part) for part in batch] == [Tensor, Tensor]


# Resuming


@pytest.mark.parametrize("done", range(6))
def test_a_resumed_epoch_is_the_tail_of_the_whole_one(data: Numbers, done: int) -> None:
    whole, loader = served(data.train_dataloader()), data.train_dataloader()
    batches = iter(loader)
    for _ in range(done):
        next(batches)
    state = loader.state_dict()

    resumed = data.train_dataloader()
    resumed.load_state_dict(state)
    assert len(resumed) == len(whole)  # the epoch is as long as ever
    assert served(resumed) == whole[done % len(whole) :]  # after its last batch, the next epoch begins at its first
    assert served(resumed) == whole  # as does the epoch after the resumed one


def test_the_state_of_a_resumed_epoch_counts_all_of_its_batches(data: Numbers) -> None:
    loader = data.train_dataloader()
    loader.load_state_dict({"served": 2})
    batches = iter(loader)
    next(batches)
    assert loader.state_dict() == {"served": 3}


def test_an_epoch_that_is_given_up_leaves_the_next_one_whole(data: Numbers) -> None:
    loader = data.train_dataloader()
    whole = served(loader)
    next(iter(loader))
    assert served(loader) == whole


# Several processes


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
@pytest.mark.parametrize(("examples", "batch_size"), [(23, 4), (24, 4), (1, 4), (7, 1)])
def test_in_order_each_example_comes_once_on_one_process(processes: int, examples: int, batch_size: int) -> None:
    shares = []
    for rank in range(processes):
        batches = SeededBatchSampler(examples, batch_size, shuffle=False, rank=rank, processes=processes)
        rows = [row.tolist() for row in batches]
        assert len(rows) == len(batches) > 0  # or it would take no part in what all do together
        assert batches.stands_in == (rank >= examples)
        if batches.stands_in:
            assert rows == [[0]]
        else:
            shares += flat(rows)
    assert Counter(shares) == Counter(range(examples))


@pytest.mark.parametrize("processes", [2, 3])
def test_shuffled_the_processes_share_the_epoch_in_equal_parts(processes: int) -> None:
    shares: list[list[int]] = []
    for rank in range(processes):
        batches = SeededBatchSampler(COUNT, 4, shuffle=True, rank=rank, processes=processes, seed=5)
        rows = [row.tolist() for row in batches]
        assert len(rows) == len(batches)
        assert {len(row) for row in rows} == {4}
        shares.append(flat(rows))
    assert len({len(share) for share in shares}) == 1
    assert len(set(flat(shares))) == len(flat(shares))  # none of them twice


def test_the_processes_share_in_equal_parts_what_is_less_than_a_batch() -> None:
    shares = [list(SeededBatchSampler(5, 64, shuffle=True, rank=rank, processes=2)) for rank in range(2)]
    assert [[len(rows) for rows in share] for share in shares] == [[2], [2]]


def test_the_data_module_knows_its_process(data: Numbers) -> None:
    validated = []
    for rank in range(2):
        data.trainer = SimpleNamespace(global_rank=rank, world_size=2, strategy=ON_CPU)  # type: ignore[assignment]
        validated.append(flat(served(data.val_dataloader())))
    assert validated == [[100, 102, 104, 106], [101, 103, 105]]


def test_fewer_examples_than_processes_are_refused_at_once(data: Numbers) -> None:
    processes = len(data.splits["train"]) + 1
    for rank in (0, processes - 1):
        data.trainer = SimpleNamespace(global_rank=rank, world_size=processes, strategy=ON_CPU)  # type: ignore[assignment]
        with pytest.raises(DataError, match=f"fewer than the {processes} processes"):
            data.train_dataloader()
        assert len(data.val_dataloader()) == 1  # whatever there is to validate on


# Augmentation and options


def test_augmentation_changes_inputs_and_only_in_training(data: Numbers) -> None:
    data.augment = lambda x: 255 - x
    batch = torch.tensor([1, 2], dtype=torch.uint8), torch.tensor([1, 0])
    data.trainer = SimpleNamespace(training=True)  # type: ignore[assignment]
    x, labels = data.on_after_batch_transfer(batch, 0)
    assert x.tolist() == [254, 253]
    assert labels is batch[1]
    data.trainer = SimpleNamespace(training=False)  # type: ignore[assignment]
    assert data.on_after_batch_transfer(batch, 0) is batch


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, True, "4", None])
def test_a_batch_size_that_cannot_be_is_refused(batch_size: Any) -> None:
    with pytest.raises(ValueError, match="batch_size must be a whole number of at least 1"):
        Numbers(batch_size)


def test_setup_loads_once(data: Numbers) -> None:
    splits = data.splits
    data.setup("test")
    assert data.splits is splits


def test_no_seed_has_the_epochs_of_another() -> None:
    orders = set()
    for seed in range(5):
        for epoch in range(5):
            batches = SeededBatchSampler(100, 100, shuffle=True, seed=seed)
            batches.set_epoch(epoch)
            orders.add(tuple(next(iter(batches)).tolist()))
    assert len(orders) == 25


def test_the_place_in_an_epoch_survives_being_saved_before_the_first_batch(data: Numbers) -> None:
    loader = data.train_dataloader()
    loader.load_state_dict({"served": 2})
    assert loader.state_dict() == {"served": 2}


def test_a_pinned_batch_holds_tuples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a GPU, earlier versions of torch make lists of them."""
    ragged = Ragged.of([torch.arange(2), torch.arange(3)])
    loader = ResumableLoader(Examples(ragged, ragged), SeededBatchSampler(2, 2, shuffle=False))
    monkeypatch.setattr(loader, "collate_fn", lambda batch: [list(column) for column in batch])
    (batch,) = loader
    assert [type(part) for part in (batch, *batch)] == [tuple] * 3
