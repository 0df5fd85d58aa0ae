"""Run by test_processes.py: two processes train, and print how far their weights and figures are apart at the end."""

import json
import os
import runpy
import sys
import traceback
from types import SimpleNamespace

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.strategies.launchers import subprocess_script
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from zoo.training import run as training

PHOTOS = {
    "super_resolution": ["data.stride=64", "model.blocks=1", "task.discriminator.width=8"],
    "colourisation": ["data.stride=64", "model.depth=1", "task.discriminator.width=8"],
}


class Fork:
    """A command of Lightning's as a fork of this process, which has imported what it takes; as `subprocess.Popen`."""

    def __init__(self, command: list[str], env: dict[str, str], cwd: None) -> None:
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid:
            return
        code = 1
        try:
            os.environ.clear()
            os.environ.update(env)
            rank_zero_only.rank = int(env["LOCAL_RANK"])  # which Lightning reads as it is imported
            sys.argv = command[1:]
            runpy.run_path(sys.argv[0], run_name="__main__")
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    def poll(self) -> int | None:
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if ended else None
        return self.returncode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


def main(conf: str, folder: str, model: str, task: str) -> None:
    with hydra.initialize_config_dir(conf, version_base="1.3"):
        machine = ["model.num_hidden=16", "task.particles=20", "task.steps_per_batch=3", "task.ais_temperatures=100"]
        smaller = {"gan": ["model.width=8"], "rbm": machine}
        small = ["epochs=2", "data.batch_size=128", *smaller.get(model, [])]
        small += PHOTOS.get(task, [])
        if task == "text_to_image":
            small += ["data.train_size=512", "data.val_size=40", "data.test_size=50", "task.discriminator.width=8"]
        if task == "sentiment":  # the second process has nothing to validate and to test
            small += ["data.train_size=256", "data.val_size=1", "data.test_size=1", "model.hidden_size=8"]
        where = [f"folder={folder}", "trainer=ddp", "trainer.accelerator=cpu"]
        overrides = [f"model={model}", f"task={task}", *where, *small]
        cfg = hydra.compose("train", overrides, return_hydra_config=True)
    HydraConfig.instance().cfg = None  # so that Lightning starts the second process as it would any script
    cfg.choices = {"model": model, "task": task, "data": cfg.hydra.runtime.choices.data, "overrides": []}

    apart = {}
    fit = getattr(training.L.Trainer.fit, "inner", training.L.Trainer.fit)  # where this is a fork

    def fit_and_compare(trainer: training.L.Trainer, learner: training.Task, *args: object, **kwargs: object) -> None:
        fit(trainer, learner, *args, **kwargs)
        mine = torch.cat([parameter.detach().flatten() for parameter in learner.parameters()])
        both = trainer.strategy.all_gather(mine)
        apart["weights"] = (both[0] - both[1]).abs().max().item()
        kept = torch.load(f"{folder}/last.ckpt", weights_only=True)["progress"]
        losses = {name: total / kept["batches"] for name, total in kept["sums"].items()}
        figures = trainer.callback_metrics
        apart["losses"] = max((loss - figures[f"train/{name}"]).abs().item() for name, loss in losses.items())
        loader = learner.trainer.datamodule.test_dataloader()
        seen = 0 if loader.batches.stands_in else sum(map(len, loader.batches))
        apart["tested"] = int(trainer.strategy.reduce(torch.tensor(seen), reduce_op="sum"))

    fit_and_compare.inner = fit
    training.L.Trainer.fit = fit_and_compare
    subprocess_script.subprocess = SimpleNamespace(Popen=Fork)
    metrics = training.train(cfg).metrics
    if rank_zero_only.rank == 0:
        print("\n" + json.dumps({**apart, "connected": torch.distributed.is_initialized(), **metrics}))


if __name__ == "__main__":
    main(*sys.argv[1:])
