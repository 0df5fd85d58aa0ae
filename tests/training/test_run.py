"""Whole runs, as scripts/train.py makes them: what they leave, and that they can be interrupted and repeated."""

from __future__ import annotations

import csv
import os
import shutil
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

import zoo
from zoo import private
from zoo.data.images import Digits
from zoo.hardware import precision
from zoo.tasks.task import Task
from zoo.training.run import Given, train

Run = Callable[..., Path]

SHORT = {
    "cnn": ["epochs=3", "model.dropout=0.1", "task.ema=0.9", "task.max_grad_norm=1"],
    "mlp": ["data=digits", "epochs=3", "model.ensemble_size=2", "task.max_grad_norm=1"],
    "gru": ["data=digits", "task=classification", "epochs=3", "model.num_layers=2", "model.hidden_size=32"],
    "lstm": ["data=digits", "task=classification", "epochs=3", "model.recurrent_dropout=0.1", "model.hidden_size=32"],
    "rbm": [
        "epochs=3",
        "model.num_hidden=16",
        "task.particles=20",
        "task.ais_temperatures=100",
        "task.max_grad_norm=9",
        "task.steps_per_batch=2",
    ],
    "rnn": ["data=digits", "task=classification", "epochs=3", "model.hidden_size=32"],
    "gan": [
        "epochs=3",
        "model.width=8",
        "model.depth=1",
        "task.discriminator.width=8",
        "task.discriminator.depth=1",
        "task.max_grad_norm=1",
    ],
}
DRAWN = "cnn"
FEW = {"gan": ["++trainer.limit_train_batches=3"]}  # convolutions in bf16 are slow where a CPU has none
SHIFTED = ["data.augment={_target_: zoo.data.images.RandomShift, pixels: 1}"]


@pytest.fixture
def run(compose: Callable[..., DictConfig], tmp_path: Path, no_plots: None) -> Run:
    """Train with some overrides, and draw nothing; gives the run's folder."""

    def run(name: str, *overrides: str, test: bool = True) -> Path:
        train(compose("train", "trainer=cpu", f"folder='{tmp_path / name}'", *overrides), Given(test=test))
        return tmp_path / name

    return run


@pytest.fixture
def fit(run: Run) -> Run:
    """The same for a network that is not tested."""
    return partial(run, test=False)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for runs that several tests look at."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def whole(compose: Callable[..., DictConfig], kept: Path, model: str, request: pytest.FixtureRequest) -> Path:
    """The folder of a run of this model in float32, with its plots; one for all tests, who ask for it before `run`.

    Those of one model are drawn.
    """
    if not (kept / model).exists():
        if model != DRAWN:
            request.getfixturevalue("blank_plots")
        settings = [f"model={model}", *SHORT[model], *FEW.get(model, []), "trainer=cpu", "trainer.precision=32-true"]
        train(compose("train", *settings, f"folder={kept / model}"))
    return kept / model


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return zoo.load(folder / "model.safetensors").network.state_dict()


def figures(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_what_a_network_was_built_with_is_kept_in_full(fit: Run) -> None:
    """So that an artefact can still be read by a version with other defaults."""
    file = fit("once", "model=cnn", "epochs=1") / "model.safetensors"
    assert zoo.load(file).options == {"widths": [16, 32, 64], "blocks": 0, "dropout": 0.0}


@pytest.mark.parametrize("model", zoo.list_models())
def test_a_run_leaves_all_that_the_design_lists(whole: Path, model: str) -> None:
    left = {file.name for file in whole.iterdir()}
    assert {
        "metrics.csv",
        "tensorboard",
        "last.ckpt",
        "best.ckpt",
        "model.safetensors",
        "card.md",
        "curves.png",
    } <= left
    artefact = zoo.load(whole / "model.safetensors")
    card = (whole / "card.md").read_text(encoding="utf-8")
    for name, value in artefact.metrics.items():
        assert f"| {name} | {value:.4g} |" in card
    for picture in ("curves.png", {"gan": "restored.png", "rbm": "filters.png"}.get(model, "confusion_matrix.png")):
        assert picture in card
        assert (whole / picture).stat().st_size >= (1000 if model == DRAWN else 0)
    assert f"model={model}" in artefact.recipe["command"]


@pytest.mark.parametrize("model", ["cnn"])
def test_the_figures_of_an_artefact_are_those_of_its_network(whole: Path, digits: Digits) -> None:
    artefact = zoo.load(whole / "model.safetensors")
    images, labels = digits.splits["test"].columns
    answers = artefact([image[0].numpy() for image in images])
    right = sum(answer["label"] == str(int(label)) for answer, label in zip(answers, labels))
    assert artefact.metrics["test/accuracy"] == pytest.approx(right / len(labels))


WAYS = {  # when a checkpoint is kept, in 6 batches an epoch
    "at the last batch of an epoch": "every_n_train_steps: 6",
    "at the end of an epoch": "every_n_epochs: 1",
    "in the middle of an epoch": "every_n_train_steps: 8",
}


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")  # the second run keeps no such checkpoint
@pytest.mark.filterwarnings("ignore:Using ModelCheckpoint with manual optimization")  # what it keeps is what we want
@pytest.mark.filterwarnings("ignore:The dirpath has changed")
@pytest.mark.parametrize("model", zoo.list_models())
def test_a_resumed_run_equals_the_uninterrupted_one_bit_for_bit(fit: Run, model: str) -> None:
    """The first run also keeps checkpoints on its way, from each of which another goes on.

    Whether steps are by hand decides at an epoch's end, which all others share; in its middle each has its own state.
    """
    ways = [way for way in WAYS if model in ("cnn", "gan") or "middle" in way]
    keep = "{{_target_: lightning.pytorch.callbacks.ModelCheckpoint, {}, save_top_k: -1, filename: '{{step}}', "
    keep += "auto_insert_metric_name: false, dirpath: '${{folder}}/{}'}}"
    overrides = [f"model={model}", *SHORT[model], *SHIFTED, "data.batch_size=200", "epochs=2"]
    kept = [f"+callbacks.way{place}={keep.format(WAYS[way], way)}" for place, way in enumerate(ways)]
    whole = fit("whole", *overrides, *kept)
    expected = weights(whole)
    for way in ways:
        checkpoint = min((whole / way).iterdir(), key=lambda file: int(file.stem))
        folder = whole.parent / way
        (whole / way).rename(folder)
        shutil.copy(whole / "metrics.csv", folder)  # of which all up to there stays, and no more
        resumed = fit(way, *overrides, f"resume='{folder / checkpoint.name}'")
        found = weights(resumed)
        assert all(torch.equal(expected[name], found[name]) for name in expected), way
        assert figures(resumed) == figures(whole), way


@pytest.mark.filterwarnings("ignore:.*deprecated")  # within torch's compiler
def test_a_compiled_network_has_the_same_names_and_weights(
    fit: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By the compiler's first part, which finds graphs and makes no kernels, so that each bit is the same."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    short = ["model=mlp", "data=digits", "epochs=1", "task.ema=0.9", *SHIFTED]
    plain, before = fit("plain", *short), private.graphs_compiled()
    compiled = fit("compiled", *short, "compile=true")
    assert private.graphs_compiled() > before + 1  # that of the trial
    expected, found = weights(plain), weights(compiled)
    assert list(found) == list(expected)
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())
    of_plain, of_compiled = (torch.load(each / "last.ckpt", weights_only=True) for each in (plain, compiled))
    assert list(of_compiled["state_dict"]) == list(of_plain["state_dict"])
    assert "nothing was compiled" not in caplog.text


def test_a_machine_that_cannot_compile_is_told_of_before_training(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(model: object, inputs: object) -> object:
        raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found: (None, 'g++')")

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=fail))
    with pytest.raises(zoo.ConfigError, match=r"^compile=true: torch cannot compile on this machine: .*g\+\+"):
        run("refused", "compile=true")
    assert not (tmp_path / "refused").exists()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")  # of the compiler
def test_kernels_of_the_compiler_train_the_same_network(run: Run) -> None:
    short = ["model=mlp", "data=digits", "epochs=1", "model.hidden_sizes=[32]", "model.dropout=0"]
    expected, found = (weights(run(f"{on}", *short, f"compile={on}")) for on in ("false", "true"))
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=1e-4)


def test_a_run_of_no_epochs_says_that_nothing_was_trained(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    folder = run("none", "model=mlp", "data=digits", "epochs=0")
    assert "epochs=0: nothing is trained; the network is kept as it began" in (folder / "card.md").read_text()
    assert any(record.levelname == "WARNING" and "epochs=0" in record.message for record in caplog.records)
    start = folder / "model.safetensors"
    again = run("again", "model=mlp", "data=digits", "epochs=0", f"init_from={start}")
    assert "as it began, from" in (again / "card.md").read_text()
    assert all(torch.equal(tensor, weights(again)[name]) for name, tensor in weights(folder).items())


def test_the_seed_decides_everything(fit: Run) -> None:
    first, again, other = (
        weights(fit(name, *SHORT["cnn"], *SHIFTED, "epochs=1", f"seed={seed}"))
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])


def test_early_stopping_ends_a_run_that_no_longer_improves(fit: Run) -> None:
    overrides = [
        "model=mlp",  # without running statistics, which would still move
        "data=digits",
        "callbacks=early_stopping",
        "callbacks.early_stopping.patience=1",
        "task.optimizer.lr=1e-30",
        "epochs=9",
    ]
    folder = fit("stopped", *overrides)
    validations = [row for row in figures(folder) if row["val/accuracy"]]
    assert len(validations) == 2
    kept = {name: torch.load(folder / f"{name}.ckpt", weights_only=True)["epoch"] for name in ("best", "last")}
    assert kept == {"best": 0, "last": 1}


def test_where_no_metric_chooses_the_last_epoch_is_kept(fit: Run) -> None:
    folder = fit("unchosen", "model=cnn", "epochs=2", "model.widths=[4,8]", "callbacks.checkpoint.monitor=null")
    kept = {name: torch.load(folder / f"{name}.ckpt", weights_only=True)["epoch"] for name in ("best", "last")}
    assert kept == {"best": 1, "last": 1}


@pytest.mark.parametrize("model", zoo.list_models())
def test_mixed_precision_trains_as_float32_does(whole: Path, run: Run, model: str) -> None:
    metric = {"gan": "test/l1", "rbm": "test/log_likelihood"}.get(model, "test/accuracy")
    mixed = run("mixed", f"model={model}", *SHORT[model], *FEW.get(model, []), "trainer.precision=bf16-mixed")
    value, expected = (zoo.load(folder / "model.safetensors").metrics[metric] for folder in (mixed, whole))
    assert value == pytest.approx(expected, rel=0.05)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("model", zoo.list_models())
@pytest.mark.parametrize("mixed", ["bf16-mixed", "16-mixed"])
def test_mixed_precision_on_a_gpu(run: Run, model: str, mixed: str) -> None:
    folder = run("gpu", f"model={model}", *SHORT[model], "trainer=gpu", f"trainer.precision={mixed}")
    assert all(tensor.isfinite().all() for tensor in weights(folder).values())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("task", ["captioning", "language_modelling"])
def test_a_card_is_written_after_training_on_a_gpu(run: Run, task: str) -> None:
    """By then the network is on the CPU again, and what was kept of the test is looked at by it."""
    assert (run("gpu", "model=lstm", f"task={task}", "epochs=1", "trainer=gpu") / "card.md").is_file()


def test_precision_follows_the_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    assert precision("auto", "cpu") == "bf16-mixed"
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    assert precision("auto", "cpu") == "32-true"
    for bf16, expected in ((True, "bf16-mixed"), (False, "16-mixed")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, bf16=bf16: bf16)
        assert precision("mixed", "gpu") == expected
    assert precision("32-true", "gpu") == "32-true"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model=gan", "task=classification"], "gan goes from masked image"),
        (
            ["model=cnn", "task=tagging"],
            "cnn goes from image, text, strokes or series to classes, labels or values",
        ),
        (["model=mlp", "task=hybrid"], "contrastive divergence trains RBMs, model=rbm, and no Classifier"),
        (["model.dropout=2"], "model: dropout must be at least 0 and below 1, got 2"),
        (["task.optimizer.lr=-1"], "task: Invalid learning rate: -1"),
        (["task.schedule=cosin"], "task: unknown schedule 'cosin'; did you mean 'cosine'?"),
        (["data.batch_size=0"], "data: batch_size must be a whole number of at least 1, got 0"),
        (["trainer.max_epochs=-3"], "trainer: `max_epochs` must be a non-negative integer or -1. You passed in -3."),
        (["epochs=-1"], "epochs must be a whole number of at least 0, got -1"),
        (["epochs=2", "batches=3"], "give epochs or batches, not both"),
        (["batches=many"], "batches must be a whole number of at least 1, got many"),
        (["epochs=1.5"], "trainer.max_epochs must be a whole number or null, got 1.5"),
        (["data.split_seed=null"], "data.split_seed must be a whole number, got null"),
        (["model=mlp", "data=wine", "data.split_seed=-1"], "data: split_seed must be a whole number from 0 to"),
        (
            ["data=csv", "data.path=a.csv", "data.target=2020"],
            "data.target must be text or a list of text or null, got 2020; what looks like",
        ),
        (["+data.augment.pixels=1"], "data.augment must be something with a _target_ or null, got {'pixels': 1}"),
        (["task.optimizer.lr=[1]"], "task.optimizer.lr must be a number or something with a _target_, got [1]"),
        (["compile=2"], "compile is true or false, got 2"),
        (["seed=-1"], "seed must be a whole number from 0 to 4294967295, got -1"),
        (["+model.foo=1"], "model: build() got an unexpected keyword argument 'foo'"),
        (
            ["trainer.precision=64-true"],
            "trainer: unknown precision '64-true'; did you mean '32-true'? choices: 16-mixed",
        ),
        (["resume=nowhere.ckpt"], "resume: nowhere.ckpt"),
    ],
)
def test_what_cannot_work_is_refused_before_training(
    run: Run, tmp_path: Path, overrides: list[str], message: str
) -> None:
    with pytest.raises(zoo.ZooError) as error:
        run("refused", *overrides)
    assert str(error.value).startswith(message)
    assert not (tmp_path / "refused").exists()


def test_batches_are_steps_of_learning(compose: Callable[..., DictConfig], tmp_path: Path, no_plots: None) -> None:
    """19 batches of 64 are an epoch of digits, however many steps are taken in one go."""
    counted = []
    for more in ([], ["task.steps_per_batch=5"]):
        folder = tmp_path / str(len(counted))
        quick = ["batches=30", "model.num_hidden=16", "task.ais_temperatures=10", "task.ais_runs=5"]
        train(compose("train", "model=rbm", *quick, f"folder={folder}", *more), Given(test=False))
        counted.append(torch.load(folder / "last.ckpt", weights_only=True)["global_step"])
    assert counted == [38, 38]


def test_a_folder_that_cannot_be_is_refused_before_training(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(zoo.ConfigError, match=r"^folder: .*/file/run cannot be written to"):
        run("file/run")


def test_one_example_a_step_is_too_few_for_batch_normalisation(run: Run) -> None:
    with pytest.raises(zoo.ConfigError, match=r"^data\.batch_size=1: .* give 2 or more$"):
        run("single", "data.batch_size=1")


@pytest.mark.filterwarnings("ignore:.*nan")
def test_a_training_that_diverged_says_so(run: Run) -> None:
    with pytest.raises(zoo.ConfigError, match="the training diverged"):
        run("diverged", "model=mlp", "data=diabetes", "epochs=1", "task.optimizer.lr=1e30")


def test_a_run_that_is_terminated_fails_and_says_how_to_go_on(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stop(task: Task) -> None:
        if task.current_epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Task, "on_train_epoch_start", stop)
    with pytest.raises(SystemExit) as ended:
        run("stopped", *SHORT["cnn"])
    assert ended.value.code == 143  # as a shell gives it for SIGTERM
    assert "stopped/last.ckpt goes on" in caplog.text


@pytest.mark.parametrize("model", ["cnn"])
def test_a_checkpoint_of_another_run_is_refused(whole: Path, run: Run) -> None:
    with pytest.raises(zoo.ConfigError, match=r"was trained with seed=42, not seed=7"):
        run("refused", *SHORT["cnn"], f"resume={whole / 'last.ckpt'}", "seed=7")
    with pytest.raises(zoo.ConfigError, match=r"that run was to take \d+ steps, and this one would take"):
        run("refused", *SHORT["cnn"], f"resume={whole / 'last.ckpt'}", "epochs=9")
    with pytest.raises(zoo.ConfigError, match="has seen 3 epochs, and this one would take 2"):
        run("refused", *SHORT["cnn"], f"resume={whole / 'last.ckpt'}", "epochs=2")


def test_a_damaged_checkpoint_is_refused(run: Run, tmp_path: Path) -> None:
    damaged = tmp_path / "last.ckpt"
    damaged.write_bytes(b"PK\x03\x04 nothing more")
    with pytest.raises(zoo.ConfigError, match="damaged"):
        run("refused", f"resume={damaged}")
