"""From a finished run to a published weight, which whoever installs the zoo has at hand."""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import re
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from zoo.errors import ConfigError
from zoo.files import user_path
from zoo.inference.evaluate import TOLERANCE, compare, measure
from zoo.inference.weight_pages import page
from zoo.training import trusted_code
from zoo.weights.artefact import Artefact, load, save
from zoo.weights.catalogue import PUBLISHED
from zoo.weights.hub import push

log = logging.getLogger(__name__)

MAX_FILE = 4 * 2**20  # bytes of one weight that ships with the package
MAX_TOGETHER = 40 * 2**20  # they travel in the wheel
LOOKS = {"curves", "border", "feature_maps", "first_filters", "gates", "layers", "mistakes", "words"}  # into any run
MAX_PLOT = 150_000
EVALUATIONS = 3  # with as many seeds, for the spread of random metrics
NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z0-9_]+")


def publish(cfg: DictConfig) -> None:
    """Put a run's network into the catalogue, or on the Hugging Face hub, as `conf/use/publish.yaml` describes.

    For the catalogue its metrics are computed again from the file that ships: in half precision, or in full where half
    precision changes them. Artefact and record go to `zoo/weights/published`, and the plot to `docs/weights`. Without
    a run, only the page of the catalogue is written.

    Raises:
        ConfigError: a name, licence or plot that is not valid, a file too large, or metrics that do not repeat.
        ArtefactError: the run's artefact is missing or damaged.
        DataError: the data on which it was trained is not at hand.
    """
    if cfg.run is None:
        write_page(Path(cfg.docs))
        return
    if cfg.licence is None:
        raise ConfigError("say under which licence it may be used: licence=Apache-2.0")
    folder = user_path(cfg.run)
    if cfg.to is not None:
        log.info("%s", push(folder, cfg.to, licence=cfg.licence, private=cfg.private))
        return
    if cfg.name is None:
        raise ConfigError("give its name in the catalogue, name=<model>.<tag>, or to=hf://owner/name")
    if not isinstance(cfg.tolerance, (DictConfig, type(None))):
        raise ConfigError(f"tolerance is by metric, such as tolerance={{test/psnr: 0.1}}; got {cfg.tolerance}")
    artefact = load(folder / "model.safetensors")
    _check_name(cfg.name, artefact)
    plot = _plot(folder, cfg.plot)
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "model.safetensors"
        tolerance = _shrink(artefact, file, Path(cfg.root), dict(cfg.tolerance or {}))
        _check_room(file, cfg.name)
        PUBLISHED.mkdir(exist_ok=True)
        shutil.copyfile(file, PUBLISHED / f"{cfg.name}.safetensors")
    shown = Path(cfg.docs, f"{cfg.name}.png")
    shown.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(plot, shown)
    record = {
        "sha256": hashlib.sha256((PUBLISHED / f"{cfg.name}.safetensors").read_bytes()).hexdigest(),
        "licence": cfg.licence,
        "data": cfg.description or _first_sentence(artefact.recipe["config"]["data"]["_target_"]),
        "plot": shown.as_posix(),
        "tolerance": tolerance,
    }
    if cfg.example is not None:
        record["example"] = cfg.example
    text = json.dumps(record, indent=2, ensure_ascii=False)
    (PUBLISHED / f"{cfg.name}.json").write_text(f"{text}\n", encoding="utf-8")
    write_page(Path(cfg.docs))


def write_page(folder: Path) -> None:
    """Write the page of the catalogue, `docs/weights.md`, beside the folder of plots."""
    folder.with_suffix(".md").write_text(page(folder.name), encoding="utf-8")


def _check_name(name: str, artefact: Artefact) -> None:
    if not NAME.fullmatch(name):
        raise ConfigError(f"a name is <model>.<tag> of small letters, digits and _, not {name}")
    if not name.startswith(f"{artefact.model}."):
        raise ConfigError(f"{name} names another model than the run's, which is {artefact.model}")


def _plot(folder: Path, name: str | None) -> Path:
    found = sorted(path.name for path in folder.glob("*.png") if path.stem not in LOOKS)
    if name is None and len(found) != 1:
        raise ConfigError(f"choose a plot that shows results: plot=… ({', '.join(found)})")
    plot = folder / (name or found[0])
    if not plot.is_file():
        raise ConfigError(f"no such plot: {plot}; there are {', '.join(found)}")
    if plot.stat().st_size > MAX_PLOT:
        raise ConfigError(f"{plot} has {plot.stat().st_size} bytes; {MAX_PLOT} is the limit")
    return plot


def _shrink(artefact: Artefact, file: Path, root: Path, tolerance: dict[str, float]) -> dict[str, float]:
    """Save it with the metrics of the saved file, in half precision if those of the run hold; gives the tolerances."""
    faults: list[str] = []
    for half in (True, False):
        save(artefact, file, half=half)
        saved = load(file)
        seed = artefact.recipe["config"]["seed"]
        runs = [measure(load(file), root, seed=seed + more) for more in range(EVALUATIONS)]
        stated = {name: tolerance.get(name) or _tolerance([run[name] for run in runs]) for name in runs[0]}
        for name, claimed, found, allowed in compare(artefact.metrics, runs[0], stated):
            log.info("%s, %s precision: %.5g in the run, %.5g again", name, "half" if half else "full", claimed, found)
            if not abs(claimed - found) <= allowed:
                faults.append(f"{name} was {claimed:.5g} and is {found:.5g}, which differs by more than {allowed:.2g}")
        if not faults:
            save(replace(saved, metrics={**artefact.metrics, **runs[0]}), file, half=half)
            return stated
        if half:
            log.warning("half precision changes its metrics: %s", "; ".join(faults))
            faults.clear()
    raise ConfigError(
        f"its metrics do not repeat: {'; '.join(faults)}; tolerance={{name: …}} allows a metric to differ more"
    )


def _tolerance(values: list[float]) -> float:
    """By how much a metric may differ: 0.2 % of it, or four times the spread over seeds."""
    return float(f"{max(TOLERANCE * abs(values[0]), 4 * (max(values) - min(values))):.2g}")


def _check_room(file: Path, name: str) -> None:
    size = file.stat().st_size
    if size > MAX_FILE:
        raise ConfigError(f"it takes {size} bytes, and {MAX_FILE} is the limit; train a smaller network")
    others = sum(path.stat().st_size for path in PUBLISHED.glob("*.safetensors") if path.stem != name)
    if size + others > MAX_TOGETHER:
        raise ConfigError(f"all weights would take {size + others} bytes, and {MAX_TOGETHER} is the limit")


def _first_sentence(target: str) -> str:
    document: Any = inspect.getdoc(trusted_code.find(target, "data")) or ""
    return " ".join(document.split("\n\n")[0].split()).rstrip(".")
