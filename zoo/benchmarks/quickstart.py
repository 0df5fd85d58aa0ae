"""The quickstart of Keras and TensorFlow on MNIST: our `experiment=mnist_quickstart` beside Keras on each backend.

Keras is left out where it is not installed (pip install keras tensorflow-cpu). Seconds are those of five epochs on
55,000 digits, each followed by validation on 5,000, without imports and reading the data. Each run is a process of its
own; runs alternate, since machines are noisy, and the median of each counts.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from torchvision import datasets

from zoo.benchmarks import Row
from zoo.benchmarks.mnist import train

SEEDS = range(3)
OURS = "`experiment=mnist_quickstart`"


def run(root: Path) -> list[Row]:
    """Print the table, and give its rows."""
    installed = importlib.util.find_spec("keras") is not None
    backends = [name for name in ("tensorflow", "torch") if installed and importlib.util.find_spec(name)]
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in (OURS, *backends)}
    for seed in SEEDS:
        metrics = train(["experiment=mnist_quickstart"], root, seed)
        results[OURS].append((metrics["train/seconds"], metrics["test/accuracy"]))
        for backend in backends:
            results[backend].append(_keras(backend, root, seed))
    print("| quickstart | seconds | ours as a fraction of them | test accuracy |", "|---|---|---|---|", sep="\n")
    ours = statistics.median(seconds for seconds, _ in results[OURS])
    for name, measured in results.items():
        seconds, accuracy = (statistics.median(column) for column in zip(*measured))
        name = name if name == OURS else f"Keras on {name}"
        print(f"| {name} | {seconds:.1f} | {ours / seconds:.2f} | {accuracy:.2%} |")
    if not installed:
        print("Keras is not installed here (pip install keras tensorflow-cpu), and is left out.")
    times = {name: [seconds for seconds, _ in measured] for name, measured in results.items()}
    return [Row(f"quickstart, {name}", times[OURS], times[name]) for name in backends] or [
        Row("quickstart", times[OURS])
    ]


def _keras(backend: str, root: Path, seed: int) -> tuple[float, float]:
    """Seconds and test accuracy of Keras, in a process of its own: its backend is chosen when it is imported."""
    environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "zoo.benchmarks.quickstart", str(root.resolve()), str(seed)]
    answer = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    seconds, accuracy = json.loads(answer.stdout.splitlines()[-1])
    return seconds, accuracy


def main(root: str, seed: str) -> None:
    """Keras' own program (keras.io, "Simple MNIST"; tensorflow.org, "Quickstart for beginners")."""
    import keras

    keras.utils.set_random_seed(int(seed))
    train_set, test_set = datasets.MNIST(root), datasets.MNIST(root, train=False)
    layers = keras.layers
    network = keras.Sequential(
        [
            layers.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    x, y = train_set.data.numpy() / 255.0, train_set.targets.numpy()
    start = time.perf_counter()
    network.fit(x, y, epochs=5, validation_split=5000 / 60000, verbose=0)
    seconds = time.perf_counter() - start
    _, accuracy = network.evaluate(test_set.data.numpy() / 255.0, test_set.targets.numpy(), verbose=0)
    print(json.dumps([seconds, accuracy]))


if __name__ == "__main__":
    main(*sys.argv[1:])
