"""A run that takes a tenth of a second, of which checkpoints are kept as zoo keeps them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, TensorDataset

from zoo.optim.options import TrainingOptions
from zoo.training.checkpoint_io import RunCheckpoints
from zoo.training.metrics_file import MetricsFile, RowsBeforeCheckpoints

SCORES = (3.0, 1.0, 2.0, 4.0)  # of the epochs: the second is the best


class Task(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        self.options = TrainingOptions(partial(torch.optim.AdamW, lr=0.01))
        self.save_hyperparameters({"seed": 1})

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        loss = self.network(batch[0]).square().mean()
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val/loss", SCORES[self.current_epoch % len(SCORES)])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["progress"] = {"sums": {"loss": torch.tensor(1.0)}, "batches": 1, "epoch": 0, "averaged": 0}

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.01, fused=True)
        steps = 2 * self.trainer.max_epochs
        schedule = OneCycleLR(optimizer, 0.01, total_steps=steps + 1)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Loader(DataLoader[Any]):
    """One that knows how many batches it has served."""

    served = skip = 0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        self.served, self.skip = self.skip, 0
        for batch in list(super().__iter__())[self.served :]:
            self.served += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        return {"served": self.served}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.skip = state["served"] % len(self)


class Data(L.LightningDataModule):
    def train_dataloader(self) -> Loader:
        generator = torch.Generator().manual_seed(0)
        return Loader(TensorDataset(torch.randn(8, 3, generator=generator)), batch_size=4)

    val_dataloader = train_dataloader


def _make(folder: Path, epochs: int = 4, **more: Any) -> tuple[L.Trainer, Task, Data]:
    best = ModelCheckpoint(folder, "best", monitor="val/loss", mode="min", enable_version_counter=False)
    last = ModelCheckpoint(folder, "last", monitor="step", mode="max", enable_version_counter=False)
    stop = EarlyStopping("val/loss", patience=9)
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        callbacks=[best, last, stop, RowsBeforeCheckpoints(), *more.pop("callbacks", [])],
        logger=MetricsFile(str(folder)),
        plugins=[RunCheckpoints(folder, best)],
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        **more,
    )
    return trainer, Task(), Data()


@pytest.fixture(scope="session")
def make() -> Callable[..., tuple[L.Trainer, Task, Data]]:
    """Gives trainer, task and data of such a run in a folder."""
    return _make
