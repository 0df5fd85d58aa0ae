"""Private parts of others that the zoo touches: each test fails once its part may go, or no longer works."""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from hydra import initialize
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from lightning.pytorch.callbacks import ModelCheckpoint
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import MeanMetric, R2Score
from torchmetrics.classification import BinaryAUROC

from zoo import private

QUIET: dict[str, Any] = dict.fromkeys(
    ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
)


class Line(L.LightningModule):
    """The smallest of modules; it may ask Lightning for the length of the run."""

    def __init__(self, asks: bool = False) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)
        self.asks = asks
        self.numbers: list[int] = []
        self.batches = 0

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        self.numbers.append(private.batches_so_far(self.trainer))
        return self.layer(batch[0]).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        self.batches = private.batches_per_epoch(self.trainer)
        if self.asks:
            assert self.trainer.estimated_stepping_batches > 0
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Resumable(DataLoader[Any]):
    """A loader that is told its place when a run resumes."""

    told = False

    def state_dict(self) -> dict[str, int]:
        return {"place": 1}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.told = True


def loader(kind: type[DataLoader[Any]] = DataLoader) -> DataLoader[Any]:
    return kind(TensorDataset(torch.randn(12, 2)), batch_size=2)


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.parametrize(("limit", "batches"), [(1.0, 6), (0.5, 3), (4, 4), (99, 6)])
def test_batches_are_counted_as_lightning_counts_them(limit: float, batches: int) -> None:
    module = Line()
    trainer = L.Trainer(accelerator="cpu", max_epochs=2, limit_train_batches=limit, **QUIET)
    trainer.fit(module, loader())
    assert module.batches == trainer.num_training_batches == batches
    assert module.numbers == list(range(2 * batches))


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")
@pytest.mark.parametrize("asks", [False, True])
def test_asking_lightning_for_the_length_of_a_run_loses_the_place(tmp_path: Any, asks: bool) -> None:
    """Once it no longer does, `batches_per_epoch` may go."""
    keep = ModelCheckpoint(tmp_path, "last", every_n_train_steps=3)
    options = {**QUIET, "enable_checkpointing": True, "callbacks": [keep]}
    L.Trainer(accelerator="cpu", max_epochs=2, max_steps=3, **options).fit(Line(), loader(Resumable))
    resumed = loader(Resumable)
    again = L.Trainer(accelerator="cpu", max_epochs=2, **QUIET)
    again.fit(Line(asks), resumed, ckpt_path=tmp_path / "last.ckpt", weights_only=True)
    assert resumed.told is not asks


def test_the_length_of_a_run_has_no_other_door() -> None:
    assert L.Trainer.max_epochs.fset is None
    trainer = L.Trainer(accelerator="cpu", max_epochs=1, **QUIET)
    private.set_epochs(trainer, 7)
    assert trainer.max_epochs == 7


def test_lightning_still_sets_its_current_hook_on_the_module() -> None:
    assert private.CURRENT_HOOK in vars(Line())


def test_optimizers_are_made_in_fit_alone() -> None:
    module = Line()
    trainer = L.Trainer(accelerator="cpu", max_epochs=1, **QUIET)
    assert trainer.strategy.optimizers == []
    data = L.LightningDataModule.from_datasets(TensorDataset(torch.randn(12, 2)), batch_size=2)
    private.attach(trainer, module, data)
    optimizers, schedulers = private.optimizers_of(module)
    assert [type(optimizer) for optimizer in optimizers] == [torch.optim.SGD]
    assert schedulers == []


@pytest.mark.parametrize("numbers", [False, True])
def test_a_checkpoint_s_callback_does_not_tell_how_it_names_files(numbers: bool) -> None:
    callback = ModelCheckpoint(enable_version_counter=numbers)
    assert private.numbers_its_files(callback) is numbers
    assert not hasattr(callback, "enable_version_counter")


class Rows(L.pytorch.loggers.CSVLogger):
    """Tells of each row as it is logged."""

    def __init__(self, folder: Any, told: list[str]) -> None:
        super().__init__(folder)
        self.told = told

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.told.append(f"row {step}")


class Keep(ModelCheckpoint):
    """Tells of each checkpoint as it is saved, and of the row that is to come, and of the steps it holds."""

    told: list[str]

    def on_save_checkpoint(self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        row = private.row_to_come(trainer)
        steps = checkpoint["loops"]["fit_loop"]["epoch_loop.state_dict"][private.STEPS]
        self.told.append(f"checkpoint of {steps}, then row {None if row is None else row[1]}")
        assert private.batches_of_epoch(trainer) == 6


class Logged(Line):
    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        self.log("loss", loss, on_step=False, on_epoch=True)
        return loss


@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*is smaller than the logging interval")
def test_lightning_saves_a_checkpoint_before_it_logs_the_epoch(tmp_path: Any) -> None:
    """Once the row comes first, `row_to_come` may go."""
    keep = Keep(tmp_path / "kept", save_on_train_epoch_end=True)
    keep.told = []
    options = {**QUIET, "enable_checkpointing": True, "callbacks": [keep], "logger": Rows(tmp_path, keep.told)}
    L.Trainer(accelerator="cpu", max_epochs=1, **options).fit(Logged(), loader())
    assert keep.told == ["checkpoint of 6, then row 5", "row 5"]


FAULTS = """
import resource, torch
from zoo import private

def faults():
    blocks = [torch.ones(2_000_000) for _ in range(20)]
    del blocks
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [torch.ones(2_000_000) for _ in range(20)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = faults()
private.keep_freed_memory()
print(faults(), given_back)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_glibc_gives_freed_memory_back(tmp_path: Path, forks: Any) -> None:
    """20 tensors of 8 MB are some 40,000 pages, where they come anew each time."""
    (tmp_path / "faults.py").write_text(FAULTS, encoding="utf-8")
    measured = forks.run(tmp_path / "faults.py", cwd=tmp_path)
    kept, given_back = map(int, measured.stdout.split())
    assert kept < given_back / 10


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_glibc_keeps_gaps_between_blocks_until_it_is_asked() -> None:
    blocks = [bytearray(60_000) for _ in range(4000)]
    blocks = blocks[::8]  # what lies between them is free
    kept = _resident()
    with private.freed_memory_given_back():
        assert _resident() > kept - 50 * 2**20
        larger = [bytearray(100_000) for _ in range(2000)]
        larger = larger[::8]
        assert _resident() < kept + 50 * 2**20
    assert _resident() < kept - 50 * 2**20
    assert len(blocks) == 500 == 2 * len(larger)


def _resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks what there is not")
def test_adam_asks_for_gpus_in_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    count = torch.cuda.device_count
    monkeypatch.setattr(torch.cuda, "is_available", lambda: asked.append(1) or count() > 0)
    parameter = nn.Parameter(torch.ones(2))
    parameter.grad = torch.ones(2)
    adam = torch.optim.Adam([parameter])
    for _ in range(3):
        adam.step()
    assert len(asked) >= 3


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: out of memory",  # of a card that is full as a run starts
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes",
    ],
)
def test_a_memory_that_is_too_small_is_known_by_its_words(words: str) -> None:
    assert private.is_out_of_memory(RuntimeError(words))
    assert not private.is_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))


def test_a_batch_of_one_is_known_by_torch_s_words() -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # which is the point
        nn.BatchNorm1d(3)(torch.ones(1, 3))
    assert private.is_batch_too_small(caught.value)


def test_hydra_puts_its_resolvers_in_the_place_of_others() -> None:
    """Were it not so, or had OmegaConf a public list of them, they would not have to be kept."""
    with private.resolvers_kept():
        OmegaConf.register_new_resolver("now", lambda pattern: "mine", replace=True)
        with private.resolvers_kept(), initialize(version_base="1.3"):
            assert OmegaConf.create({"when": "${now:%Y}"}).when != "mine"
        assert OmegaConf.create({"when": "${now:%Y}"}).when == "mine"
    assert not hasattr(OmegaConf, "resolvers")


def test_hydra_acts_on_a_config_as_soon_as_it_is_composed() -> None:
    """Were there a public hook before callbacks are built and logging is set, `compose_by` could go."""
    source = inspect.getsource(Hydra.run)
    assert source.index("compose_config") < source.index("Callbacks(cfg)") < source.index("on_run_start")
    assert "load_configuration" in vars(ConfigLoaderImpl)


def test_tensorboard_still_imports_tensorflow_where_it_is_not_kept_out(tmp_path: Path, forks: Any) -> None:
    """Here a module of that name says so."""
    (tmp_path / "tensorflow.py").write_text("print('imported')", encoding="utf-8")
    for before, said in (("private.keep_tensorflow_out()", ""), ("sys.path.insert(0, '.')", "imported")):
        program = tmp_path / "program.py"
        program.write_text(
            f"import sys; from zoo import private; {before}; from tensorboard.compat import tf; tf.__version__"
        )
        assert forks.run(program, cwd=tmp_path).stdout.strip() == said


def test_a_network_is_compiled_within_alone() -> None:
    """Until torch has a way back from `compile`."""
    network = nn.Linear(2, 1)
    plain = network._compiled_call_impl
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "compile", lambda call: lambda *args: "compiled")
        with private.compiled(network):
            assert network(torch.ones(2)) == "compiled"
            assert isinstance(network.eval()(torch.ones(2)), torch.Tensor)
            assert list(network.state_dict()) == ["weight", "bias"]
    assert network._compiled_call_impl is plain is None
    assert not hasattr(network, "uncompile")


def test_a_metric_is_emptied_and_keeps_its_types() -> None:
    """Until torchmetrics gathers what one process has not seen in the types of the others."""
    curve, mean, explained = BinaryAUROC(), MeanMetric(), R2Score(multioutput="raw_values")
    curve.update(torch.tensor([0.2, 0.7]), torch.tensor([0, 1]))
    mean.update(torch.tensor([1.0, 2.0]))
    explained.update(torch.eye(2), torch.ones(2, 2))
    for metric in (curve, mean, explained):
        private.empty_states(metric)
    assert explained.sum_error.tolist() == [0, 0]
    assert [(part.shape, part.dtype) for part in (*curve.preds, *curve.target)] == [
        (torch.Size([0]), torch.float32),
        (torch.Size([0]), torch.long),
    ]
    mean.update(torch.tensor(7.0))
    assert mean.compute() == 7
    unseen: list[torch.dtype] = []

    def gather(tensor: Tensor, group: Any) -> list[Tensor]:
        unseen.append(tensor.dtype)
        return [tensor]

    BinaryAUROC()._sync_dist(gather)
    assert torch.long not in unseen
