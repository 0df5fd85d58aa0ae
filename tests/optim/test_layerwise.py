"""Fine-tuning: what is frozen stays, lower layers learn slower, and a run starts from what it was told to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig
from torch import Tensor, nn

import zoo
from zoo.data.images import Digits
from zoo.models import CNN, CRNN, MLP, build
from zoo.optim.layerwise import layer_lr_scales, layers
from zoo.spec import Classes, Labels, Sentence, SourceText, Spec, TargetText, Text, TextLine, Tokens, Transcript
from zoo.spec.text import FIRST
from zoo.tasks.supervised import Classification
from zoo.training.run import Given, train
from zoo.weights.transfer import interpolate, start_from

Run = Callable[..., zoo.Artefact]


@pytest.fixture
def run(compose: Callable[..., DictConfig], tmp_path: Path, no_plots: None) -> Run:
    """Train with some overrides, from cnn.digits; gives the artefact, tested where that is asked for."""

    def run(*overrides: str, test: bool = False) -> zoo.Artefact:
        given = ("init_from=cnn.digits", "trainer=cpu", "epochs=1", f"folder={tmp_path / 'run'}", *overrides)
        cfg = compose("train", *given)
        cfg.choices = {**cfg.choices, "overrides": list(given)}
        train(cfg, Given(test=test))
        return zoo.load(tmp_path / "run" / "model.safetensors")

    return run


def test_layers_are_the_parts_in_order() -> None:
    cnn = CNN(widths=(8, 16), blocks=1)
    assert layers(cnn) == [*cnn.stages, cnn.classifier]
    mlp = MLP(4, 2, hidden_sizes=(3, 3))
    assert layers(mlp) == [mlp.layers[0], mlp.layers[3], mlp.output]  # activations and dropout hold nothing
    wrapped = nn.Sequential(nn.Sequential(cnn))
    assert layers(wrapped) == layers(cnn)
    assert layers(nn.ReLU()) == []


def test_each_layer_learns_slower_than_the_next() -> None:
    mlp = MLP(4, 2, hidden_sizes=(3, 3), ensemble_size=2)
    shares = layer_lr_scales(mlp, 0.5)
    assert set(shares) == set(mlp.parameters())
    assert [shares[mlp.output.bias], shares[mlp.layers[3].weight], shares[mlp.layers[0].bias]] == [1, 0.5, 0.25]
    assert shares[mlp.scales] == 0.25  # the network's own, beside its parts, is as deep as the deepest
    assert set(layer_lr_scales(mlp, 1.0).values()) == {1}


def test_learning_rates_follow_the_layers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With plain gradient descent the steps of one batch have those scales."""
    from zoo.tasks import task as tasks

    groups: list[dict[str, Any]] = []
    scheduler = tasks.scheduler

    def spy(name: str, optimizer: torch.optim.Optimizer, steps: int) -> Any:
        groups.extend({**group} for group in optimizer.param_groups)
        return scheduler(name, optimizer, steps)

    monkeypatch.setattr(tasks, "scheduler", spy)
    run("layer_decay=0.5", "task.optimizer.lr=0.008")
    assert [group["lr"] for group in groups if group["weight_decay"] > 0] == [0.008, 0.004, 0.002, 0.001]
    assert [group["lr"] for group in groups if group["weight_decay"] == 0] == [0.008, 0.004, 0.002, 0.001]
    assert sum(p.numel() for group in groups for p in group["params"]) == zoo.list_weights("cnn.digits")[0].parameters


@pytest.mark.parametrize("ema", ["null", "0.9"])
def test_what_is_frozen_stays_bit_for_bit(run: Run, ema: str) -> None:
    """The running statistics too, which would move with every batch that is seen."""
    before = zoo.load("cnn.digits").network.state_dict()
    after = run("freeze=[stages]", f"task.ema={ema}").network.state_dict()
    for name, tensor in before.items():
        assert torch.equal(after[name], tensor) == name.startswith("stages"), name


def test_a_frozen_cell_passes_gradients_on() -> None:
    """Which cuDNN refuses in evaluation mode; recurrent dropout is off all the same."""
    spec = Spec(Text(("bad",), "words"), Classes(("no", "yes")))
    network = partial(build, "lstm", embedding_dim=4, hidden_size=3, recurrent_dropout=0.5)
    task = Classification(spec, network, partial(torch.optim.SGD, lr=0.1))
    task.finetune(["readers.0.stack"], 1.0)
    (layer,) = task.network.readers[0].stack.forwards
    assert layer.rnn.training
    assert not layer.training
    assert not any(parameter.requires_grad for parameter in layer.parameters())


def test_it_starts_where_it_was_told_to(run: Run) -> None:
    """With steps of no length it ends there too, at the metrics of the published weight."""
    tuned = run("task.optimizer.lr=1e-30", "freeze=[stages.0,stages.1,stages.2]", test=True)
    assert tuned.metrics["test/accuracy"] == zoo.load("cnn.digits").metrics["test/accuracy"]
    assert tuned.recipe["command"].startswith("python scripts/train.py init_from=cnn.digits")
    assert tuned.recipe["parent_commands"] == [zoo.load("cnn.digits").recipe["command"]]


def test_its_options_are_those_of_what_it_starts_from(
    run: Run, tmp_path: Path, digits: Digits, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"widths": [8, 16], "blocks": 1}
    narrow = zoo.Artefact("cnn", options, digits.spec, build("cnn", digits.spec, **options))
    zoo.save(narrow, tmp_path / "narrow.safetensors")
    start = f"init_from={tmp_path / 'narrow.safetensors'}"
    tuned = run(start)
    assert tuned.options["widths"] == [8, 16]
    assert "init_from" not in tuned.recipe["command"].replace("init_from=cnn.digits", "")  # where it lies is private
    with caplog.at_level("INFO"):
        assert run(start, "model.blocks=0").options["blocks"] == 0
    assert "stages.1.0.weight is new" not in caplog.text


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["freeze=[stagess]"], "unknown part of the network 'stagess'; did you mean 'stages'"),
        (["freeze=[stages,classifier]"], "nothing is left"),
        (["layer_decay=0"], "layer_decay"),
        (["layer_decay=much"], "layer_decay.*much"),
        (["freeze=stages"], "freeze is a list"),
        (["interpolate=2"], "interpolate must be at least 0 and at most 1"),
        (["init_from=null", "interpolate=0.5"], "interpolate.*give init_from"),
        (["init_from=cnn.digist"], "unknown weights 'cnn.digist'"),
        (["model=mlp", "data=digits"], "init_from: cnn.digits is a cnn, not a mlp"),
        (["model=mlp", "data=wine", "init_from=mlp.breast_cancer"], "those weights are of other columns"),
        (["model=gan", "task=generation", "data=digits", "init_from=gan.inpainting_mnist"], "masked image → image"),
        (
            ["model=lstm", "task=sentiment", "data=reviews", "init_from=lstm.captioning_shapes"],
            "none of those weights",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_training(
    run: Run, tmp_path: Path, overrides: list[str], message: str
) -> None:
    with pytest.raises(zoo.ConfigError, match=message):
        run(*overrides)
    assert not (tmp_path / "run").exists()


def test_tokens_keep_their_vectors_in_another_vocabulary() -> None:
    polarity = Classes(("no", "yes"))
    old, new = (
        Spec(Text(words, "words"), polarity) for words in (("the", "film", "bad"), ("good", "film", "the", "very"))
    )
    source, network = (build("lstm", spec, embedding_dim=4, hidden_size=3) for spec in (old, new))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    lines = start_from(source.state_dict(), old, network, new)
    (name,) = (name for name in before if name.endswith("embedding.vectors.weight"))
    assert lines == [f"{name} has 4 of its 6 rows from the weights' vocabulary"]
    theirs, ours = source.state_dict()[name], network.state_dict()[name]
    assert torch.equal(ours[[0, 1, 3, 4]], theirs[[0, 1, 3, 2]])  # padding, unknown, film, the
    assert torch.equal(ours[[2, 5]], before[name][[2, 5]])  # good, very
    assert all(
        tensor.equal(source.state_dict()[other]) for other, tensor in network.state_dict().items() if other != name
    )


def test_vocabularies_in_another_order_change_no_translation() -> None:
    """Each side has its own; sizes agree."""
    sides = [
        (SourceText(tuple(source), "characters"), TargetText(tuple(target), "characters", 9))
        for source, target in (("abc", "wxyz"), ("cab", "zwyx"))
    ]
    specs = [Spec(*pair) for pair in sides]
    source, network = (build("gru", spec, hidden_size=4, embedding_dim=3).eval() for spec in specs)
    with torch.no_grad():
        source.bias.normal_()
    lines = start_from(source.state_dict(), specs[0], network, specs[1])
    assert sorted(line.split()[0] for line in lines) == ["bias", "embedding.vectors.weight", "source.vectors.weight"]

    def logits(translator: nn.Module, source: SourceText, target: TargetText) -> Tensor:
        given, told = source.encode("bca")[None], target.as_input.encode("yw")[None]
        found: Tensor = translator(given, torch.tensor([3]), told)
        return found[..., [0, 1, *(FIRST + target.vocabulary.index(letter) for letter in "wxyz")]]

    with torch.inference_mode():
        torch.testing.assert_close(logits(network, *sides[1]), logits(source, *sides[0]))


def test_a_language_model_in_another_order_goes_on_alike() -> None:
    texts = [Text(letters, "characters") for letters in (("a", "b", "c"), ("c", "a", "b"))]
    specs = [Spec(text, Tokens(text.vocabulary, "characters", 9)) for text in texts]
    source, network = (build("gru", spec, hidden_size=4, embedding_dim=3).eval() for spec in specs)
    start_from(source.state_dict(), specs[0], network, specs[1])
    with torch.inference_mode():
        before, after = (n(text.encode("bca")[None]) for n, text in zip((source, network), texts))
    torch.testing.assert_close(after[..., [0, 1, 3, 4, 2]], before)


def test_words_and_letters_of_sentences_keep_their_vectors() -> None:
    sentences = Sentence(("a", "the"), ("a", "t")), Sentence(("the", "an", "a"), ("t", "e", "a"))
    specs = [Spec(sentence, Labels(("noun", "other"))) for sentence in sentences]
    source, network = (build("gru", spec, hidden_size=4, embedding_dim=3) for spec in specs)
    start_from(source.state_dict(), specs[0], network, specs[1])
    before, after = source.state_dict(), network.state_dict()
    for name in (name for name in before if name.endswith(("words.weight", "letters.weight"))):
        assert torch.equal(after[name][[0, 1, 4, 2]], before[name])


def test_the_rows_of_characters_go_to_the_same_characters() -> None:
    """A letter with an accent starts from that without, less likely; so what was read is still read."""
    specs = [Spec(TextLine(32), Transcript(alphabet)) for alphabet in ("aeo ", "oé äea")]
    options = {"widths": [4, 8], "hidden_size": 8}
    torch.manual_seed(0)
    source, network = (build("cnn", spec, **options).eval() for spec in specs)
    lines = start_from(source.state_dict(), specs[0], network, specs[1])
    assert sum("characters" in line for line in lines) == 2  # weight and bias of the head
    x, lengths = torch.randn(2, 1, 32, 40), torch.tensor([40, 30])
    with torch.inference_mode():
        before, after = source(x, lengths), network(x, lengths)
    theirs = [specs[0].output.alphabet.index(c) + 1 for c in "o ea"]
    ours = [specs[1].output.alphabet.index(c) + 1 for c in "o ea"]
    torch.testing.assert_close(after[..., [0, *ours]], before[..., [0, *theirs]])
    plain = [specs[1].output.alphabet.index(c) + 1 for c in "éä"]
    inside = after[0]  # of the line without padding
    torch.testing.assert_close(inside[:, plain], inside[:, [ours[2], ours[3]]] - 5)


def test_an_alphabet_in_another_order_moves_the_rows_of_the_head_alone() -> None:
    """Sizes agree then, those of hidden layers too: 8 of them, and a blank and 7 characters."""
    specs = [Spec(TextLine(32), Transcript(alphabet)) for alphabet in ("abcdefg", "gfedcba")]
    source, network = (build("cnn", spec, widths=[8, 8], hidden_size=8).eval() for spec in specs)
    lines = start_from(source.state_dict(), specs[0], network, specs[1])
    assert sorted(line.split()[0] for line in lines) == ["classifier.bias", "classifier.weight"]
    x, lengths = torch.randn(2, 1, 32, 40), torch.tensor([40, 30])
    with torch.inference_mode():
        before, after = source(x, lengths), network(x, lengths)
    torch.testing.assert_close(after[..., 1:], before[..., 1:].flip(-1))
    torch.testing.assert_close(after[..., 0], before[..., 0])
    interpolate(source.state_dict(), specs[0], network, specs[1], 0.5)
    with torch.inference_mode():
        torch.testing.assert_close(network(x, lengths), after)


def test_a_result_between_start_and_end_lies_on_their_line() -> None:
    """Head rows of characters that the start did not have stay as they were learned."""
    old, new = Spec(TextLine(32), Transcript("abc")), Spec(TextLine(32), Transcript("aéb "))
    source, network = CRNN(32, 3, hidden_size=8), CRNN(32, 4, hidden_size=8)
    learned = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    before = source.state_dict()
    interpolate(before, old, network, new, 0.25)
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point():
            continue
        if name == "classifier.weight":
            ours, theirs, first = (t.unflatten(0, (2, -1)) for t in (tensor, before[name], learned[name]))
            torch.testing.assert_close(ours[:, 2], first[:, 2])  # é
            torch.testing.assert_close(ours[:, 3], 0.75 * theirs[:, 2] + 0.25 * first[:, 3])  # b
        elif name != "classifier.bias":
            torch.testing.assert_close(tensor, 0.75 * before[name] + 0.25 * learned[name])


def test_a_run_ends_between_its_start_and_what_it_learned(run: Run) -> None:
    begin, learned = zoo.load("cnn.digits").network.state_dict(), run("seed=3").network.state_dict()
    between = run("seed=3", "interpolate=0.5").network.state_dict()
    for name, tensor in between.items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, (begin[name] + learned[name]) / 2, rtol=1e-4, atol=1e-5)
