"""Topics: the exact loss against enumeration of documents, recovery of known subjects, and perplexities."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from omegaconf import DictConfig

import zoo
from zoo import models
from zoo.data.documents import Newsletters
from zoo.data.images import Digits
from zoo.errors import SpecError
from zoo.models.rbm import TopicRBM, log_partition, log_partitions
from zoo.optim.options import TrainingOptions
from zoo.spec import Counts, Spec, Topics
from zoo.tasks.rbm import DivergenceOptions, TopicModelling
from zoo.training import report
from zoo.training.report import Evaluation
from zoo.training.reports.baseline_models import lda_perplexity
from zoo.training.reports.rbm import estimated_perplexity
from zoo.training.run import train

ADAM = partial(torch.optim.Adam, lr=0.02)
SMALL = Spec(Counts(("a", "b", "c"), 4), Topics(("a", "b", "c")))


def modelling(spec: Spec = SMALL, topics: int = 3, optimizer: Any = ADAM, **options: Any) -> TopicModelling:
    torch.manual_seed(0)
    return TopicModelling(spec, partial(models.build, "rbm", num_hidden=topics), optimizer, **options)


def sparse() -> DivergenceOptions:
    return DivergenceOptions(centering=False, sparsity=0.2, binarize="none")


def test_the_loss_is_the_surprise_of_a_word() -> None:
    """By the probabilities of all documents of each length; its gradient is that of the likelihood."""
    task = modelling()
    documents = torch.tensor([[2, 0, 1], [1, 1, 0]])
    for words in (2, 3):
        sequences = torch.tensor(list(product(range(3), repeat=words)))
        counts = torch.nn.functional.one_hot(sequences, 3).sum(dim=1).float()
        log_z = torch.logsumexp(-task.network.free_energy(counts).double(), dim=0).item()
        with torch.autocast("cpu", torch.bfloat16):  # a loss that takes float32 all the same
            found = log_partitions(task.network, torch.tensor([words]))[0].item()
        assert found == pytest.approx(log_z, abs=1e-5)
    loss = task.training_step((documents,), 0)
    lengths = documents.sum(dim=1)
    log_z = torch.tensor([log_partition(task.network, words=words) for words in lengths.tolist()])
    surprises = (task.network.free_energy(documents.float()).detach() + log_z) / lengths
    assert loss.item() == pytest.approx(surprises.mean().item(), abs=1e-5)
    loss.backward()
    assert all(parameter.grad.any() for parameter in task.network.parameters())


@pytest.fixture(scope="module")
def letters() -> Newsletters:
    data = Newsletters(train_size=1_600, val_size=200, test_size=200)
    data.setup()
    return data


def truth(data: Newsletters) -> tuple[list[torch.Tensor], torch.Tensor]:
    """The probabilities of words under each choice of subjects, as the docs state them, and of each choice."""
    places = {word: place for place, word in enumerate(data.spec.input.vocabulary)}

    def shares(words: str) -> torch.Tensor:
        found = torch.zeros(len(places), dtype=torch.double)
        for rank, word in enumerate(words.split(), start=1):
            if word in places:
                found[places[word]] = 1 / (rank + 2)
        return found / found.sum()

    usual, subjects = shares(data.usual), [shares(words) for words in data.subjects.values()]
    singles = [usual / 3 + one * 2 / 3 for one in subjects]
    pairs = [usual / 3 + (one + other) / 3 for n, one in enumerate(subjects) for other in subjects[:n]]
    weights = [0.5 / len(singles)] * len(singles) + [0.5 / len(pairs)] * len(pairs)
    return [*singles, *pairs], torch.tensor(weights, dtype=torch.double)


def test_the_gradient_is_centred_at_the_shares_of_words(
    trainer: Callable[..., L.Trainer], letters: Newsletters
) -> None:
    task = modelling(letters.spec, topics=13, divergence=DivergenceOptions(centering=True))
    task.configure_optimizers = lambda: torch.optim.SGD(task.parameters(), lr=0.0)  # type: ignore[method-assign]
    trainer(max_epochs=1, limit_train_batches=5, limit_val_batches=0).fit(task, letters)
    counts = letters.splits["train"].columns[0].float()
    shares = counts.sum(dim=0) / counts.sum()
    torch.testing.assert_close(task.statistics_mean, shares, atol=1e-3, rtol=0)


def test_it_finds_the_subjects_and_nears_the_true_perplexity(
    trainer: Callable[..., L.Trainer], letters: Newsletters
) -> None:
    task = modelling(letters.spec, 12, TrainingOptions(ADAM, "cosine", ema=0.99), divergence=sparse())
    L.seed_everything(0, verbose=False)
    fitted = trainer(max_epochs=25, limit_val_batches=0)
    fitted.fit(task, letters)
    found = fitted.test(task, letters, verbose=False)[0]["test/perplexity"]
    words, weights = truth(letters)
    counts = letters.splits["test"].columns[0].double()
    logs = torch.stack([counts @ (shares + 1e-300).log() for shares in words], dim=1) + weights.log()
    best = math.exp(-(logs.logsumexp(dim=1).sum() / counts.sum()).item())
    alone = letters.splits["train"].columns[0].sum(dim=0).double()
    unigram = math.exp(-(counts.sum(dim=0) @ (alone / alone.sum() + 1e-9).log() / counts.sum()).item())
    assert best < found < best + 0.15 * (unigram - best)

    lists = [set(text.split()) for text in letters.subjects.values()]
    tops = [set(letters.spec.output.words(row)) for row in task.trained_network.top_words().tolist()]
    recovered = [any(len(subject & top) >= 8 for top in tops) for subject in lists]
    assert sum(recovered) >= 6
    answers = letters.spec.output.decode(task.trained_network.generate(counts[:1].float()))
    assert set(answers[0][0]) == {"topic", "probability", "words"}


def test_lda_is_judged_by_its_likelihood() -> None:
    """With one topic a document's probability is that of its words; more topics tell more of it."""
    generator = torch.Generator().manual_seed(0)
    train = torch.randint(0, 4, (60, 6), generator=generator)
    train[:30, :3], train[30:, 3:] = 0, 0
    test = train[25:35].float()
    words = train.sum(dim=0) + 1.0  # a prior of 1 / topics for each word
    expected = math.exp(-(test.sum(dim=0) @ (words / words.sum()).log() / test.sum()).item())
    assert lda_perplexity(train, test, 1) == pytest.approx(expected, rel=1e-3)
    assert lda_perplexity(train, test, 2) < 0.75 * expected


def test_more_topics_are_learned_by_contrastive_divergence(
    trainer: Callable[..., L.Trainer], letters: Newsletters
) -> None:
    """The estimate of the perplexity is checked against the exact one."""
    task = modelling(
        letters.spec, 13, TrainingOptions(ADAM, "cosine"), divergence=sparse(), ais_runs=20, ais_temperatures=100
    )
    assert not task.exact
    assert task.monitor == "val/reconstruction"
    fitted = trainer(max_epochs=6, limit_val_batches=0)
    fitted.fit(task, letters)
    exact = fitted.test(task, letters, verbose=False)[0]["test/perplexity"]
    alone = letters.splits["train"].columns[0].sum(dim=0).double()
    counts = letters.splits["test"].columns[0].double()
    unigram = math.exp(-(counts.sum(dim=0) @ (alone / alone.sum() + 1e-9).log() / counts.sum()).item())
    assert exact < 0.8 * unigram
    evaluation = Evaluation(task, letters.splits, 64)
    assert report.split_metrics(task, evaluation) == {}  # the test has it
    estimate = estimated_perplexity(task, evaluation, documents=8)
    few = counts[:8].float()
    lengths = few.sum(dim=1)
    log_z = log_partitions(task.network, lengths)
    expected = ((task.network.free_energy(few) + log_z).sum() / lengths.sum()).exp().item()
    assert estimate == pytest.approx(expected, rel=0.05)


@pytest.mark.usefixtures("blank_plots")
def test_a_run_tells_its_topics(compose: Callable[..., DictConfig], tmp_path: Path) -> None:
    sizes = ["data.train_size=200", "data.val_size=30", "data.test_size=30"]
    overrides = ["model=rbm", "task=topics", *sizes, "epochs=2", "model.num_hidden=4", f"folder={tmp_path}"]
    metrics = train(compose("train", *overrides)).metrics
    assert {"test/perplexity", "baseline/perplexity_lda"} <= {*metrics}
    assert (tmp_path / "topics.png").exists()
    assert "| topic | share of the training documents | words |" in (tmp_path / "card.md").read_text(encoding="utf-8")
    model = zoo.load(tmp_path / "model.safetensors")
    assert isinstance(model.network, TopicRBM)
    answer = model("The planet, the moon and the telescope", threshold=0.0)
    assert len(answer) == 4
    assert all(len(topic["words"]) == 10 for topic in answer)
    with pytest.raises(SpecError, match="the text is empty"):
        model("")


def test_what_cannot_be_is_refused(digits: Digits) -> None:
    with pytest.raises(SpecError, match="topics are learned from word counts"):
        modelling(digits.spec)
    with pytest.raises(ValueError, match="ais_runs"):
        modelling(ais_runs=1)
    with pytest.raises(ValueError, match="exact is for up to 16 topics, not 17"):
        modelling(topics=17, exact=True)
    with pytest.raises(ValueError, match="no particles"):
        modelling(divergence=DivergenceOptions(particles=5))
