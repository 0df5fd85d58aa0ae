"""Features without labels: what the hidden units of a restricted Boltzmann machine make of the data.

Shape letters: N examples, V visible, H hidden.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo import plots
from zoo.errors import ConfigError
from zoo.models.rbm import RBM, annealed_importance_sampling, log_partition
from zoo.models.rbm.likelihood import MOST_ENUMERATED
from zoo.models.rbm.units import Bernoulli, bernoulli
from zoo.spec import Classes, Features, Image, Spec
from zoo.tasks.rbm.contrastive_divergence import CHUNK, ContrastiveDivergence, check_annealing, in_unit_range
from zoo.tasks.task import NetworkBuilder, OptimiserBuilder

NEIGHBOURS = 5
SHOWN = 12  # pictures in a row
FILTERS = 64
DREAM_STEPS = 1000  # of Gibbs sampling, until fantasy particles are shown
MAPPED = 1000  # test examples in the 2-d map


class FeatureLearning(ContrastiveDivergence):
    """A restricted Boltzmann machine of pictures or tables, for its features and for what it dreams.

    Logs, besides what contrastive divergence does, of the test split: with Bernoulli units `test/log_likelihood`
    (nats, an example; of rounded ones with `binarise=none`) with its standard error `test/log_likelihood_error`, by
    `test/log_z`, which is exact for up to 20 hidden units and estimated by annealed importance sampling for more; and
    where the data has classes, `test/knn_accuracy`, that of the 5 nearest neighbours among the training examples'
    features. The baselines are the same neighbours by as many principal components, and by the inputs themselves.

    Args:
        steps_per_batch: steps of learning, one after the other, on as many parts of a batch; batches that are as many
            times as large spare what Lightning does between two steps, which takes longer than a small step itself.
        ais_runs, ais_temperatures: of annealed importance sampling.
        gibbs_steps, particles, temperatures, centring, sparsity, sparsity_cost, binarise: as in
            `ContrastiveDivergence`.
        spec, network, optimiser, schedule, max_grad_norm, ema: as in `Task`.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        spec: Spec,
        network: NetworkBuilder,
        optimiser: OptimiserBuilder,
        *,
        steps_per_batch: int = 1,
        ais_runs: int = 100,
        ais_temperatures: int = 10_000,
        gibbs_steps: int = 1,
        particles: int = 0,
        temperatures: int = 1,
        centring: bool = True,
        sparsity: float | None = None,
        sparsity_cost: float = 0.1,
        binarise: str = "sample",
        schedule: str = "cosine",
        max_grad_norm: float | None = None,
        ema: float | None = None,
    ) -> None:
        if type(steps_per_batch) is not int or steps_per_batch < 1:
            raise ValueError(f"steps_per_batch must be a whole number of at least 1, got {steps_per_batch}")
        super().__init__(
            Spec(in_unit_range(spec.input), Features()),
            network,
            optimiser,
            gibbs_steps=gibbs_steps,
            particles=particles,
            temperatures=temperatures,
            centring=centring,
            sparsity=sparsity,
            sparsity_cost=sparsity_cost,
            binarise=binarise,
            schedule=schedule,
            max_grad_norm=max_grad_norm,
            ema=ema,
        )
        self.classes = spec.output.names if isinstance(spec.output, Classes) else None
        self.ais = check_annealing(ais_runs, ais_temperatures)
        self.bernoulli = isinstance(self.network.visible, Bernoulli)
        self.monitor = "val/pseudo_likelihood" if self.bernoulli else "val/reconstruction"
        self.mode = "max" if self.bernoulli else "min"
        self._energies: list[Tensor] = []
        self.steps_per_batch = steps_per_batch
        self.automatic_optimization = steps_per_batch == 1

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        if self.automatic_optimization:
            return super().training_step(batch, batch_idx)
        optimiser: Any = self.optimizers()
        schedule: Any = self.lr_schedulers()  # None of a constant rate
        v = self.visible(batch)
        if len(v) < self.steps_per_batch:
            raise ConfigError(
                f"steps_per_batch={self.steps_per_batch} is more than the {len(v)} examples of a batch; "
                "give a larger data.batch_size"
            )
        for part in v.tensor_split(self.steps_per_batch):
            self.optimizer_zero_grad(self.current_epoch, batch_idx, optimiser)
            self.manual_backward(self.contrast(part))
            optimiser.step()
            if schedule is not None:
                schedule.step()
            self.update_average()
        return None

    def on_test_start(self) -> None:
        self._energies.clear()
        if self.visible_mean.isnan().any():  # a network that was trained elsewhere
            self.measure_data()

    def judge(self, batch: Any, batch_idx: int, split: str) -> Tensor:
        energies = super().judge(batch, batch_idx, split)
        if split == "test":
            self._energies.append(energies.double())
        return energies

    def on_test_epoch_end(self) -> None:
        figures: dict[str, float] = {}
        if self.bernoulli:
            figures |= self._likelihood()
        if self.classes is not None:
            (train, labels), (test, truths) = self._inputs("train"), self._inputs("test")
            figures["knn_accuracy"] = knn_accuracy(self._features(train), labels, self._features(test), truths)
        self.log_dict({f"test/{name}": value for name, value in figures.items()}, sync_dist=False)

    def _likelihood(self) -> dict[str, float]:
        network: Any = self.trained_network
        if len(network.hidden_bias) <= MOST_ENUMERATED:
            log_z, error = log_partition(network), 0.0
        else:
            with torch.random.fork_rng():  # all processes estimate the same
                torch.manual_seed(0)
                log_z, error = annealed_importance_sampling(network, self.visible_mean, **self.ais)
        energies = torch.cat(self._energies)
        sums = torch.stack([energies.sum(), energies.square().sum(), energies.new_tensor(len(energies))])
        gathered: Any = self.all_gather(sums)
        total, squares, count = gathered.view(-1, 3).sum(dim=0).tolist()
        variance = squares / count - (total / count) ** 2
        return {
            "log_likelihood": -total / count - log_z,
            "log_likelihood_error": math.sqrt(variance / count + error**2),
            "log_z": log_z,
            "log_z_error": error,
        }

    # Neighbours

    def baselines(self, splits: Mapping[str, Any]) -> dict[str, float]:
        if self.classes is None:
            return {}
        from sklearn.decomposition import PCA

        (train, labels), (test, truths) = self._inputs("train"), self._inputs("test")
        components = PCA(min(len(self.network.hidden_bias), *train.shape), random_state=0).fit(train)
        projected = [torch.from_numpy(components.transform(x)) for x in (train, test)]
        return {
            "knn_accuracy_pca": knn_accuracy(projected[0], labels, projected[1], truths),
            "knn_accuracy_inputs": knn_accuracy(train, labels, test, truths),
        }

    def _inputs(self, split: str) -> tuple[Tensor, Tensor]:
        """The visible vectors (N, V) of a split, not binarised, and its labels (N,), on the CPU."""
        vectors, labels = zip(*((v.cpu(), others[0].cpu()) for v, others in self.whole(split)))
        return torch.cat(vectors), torch.cat(labels)

    @torch.no_grad()
    def _features(self, v: Tensor) -> Tensor:
        """Of visible vectors (N, V) on the CPU: (N, H) there."""
        network: Any = self.trained_network
        return torch.cat([network.transform(part.to(self.device)).cpu() for part in v.split(CHUNK)])

    # Pictures

    @torch.no_grad()
    def pictures(self, folder: Path) -> dict[str, str]:
        inputs, labels = self._inputs("test")
        captions = self._draw(inputs, folder) if isinstance(self.spec.input, Image) else {}
        features = self._features(inputs[:MAPPED])
        plots.scatter(_tsne(features), labels[:MAPPED], self.classes, folder / "map.png")
        captions["map.png"] = f"Features of {len(features)} test examples, laid out in the plane by t-SNE."
        return captions

    def _draw(self, inputs: Tensor, folder: Path) -> dict[str, str]:
        described, network = self.spec.input, self.trained_network.cpu()
        assert isinstance(described, Image)
        assert isinstance(network, RBM)
        size = described.channels, described.height, described.width
        strongest = network.weight.norm(dim=0).argsort(descending=True)[:FILTERS]
        plots.filters(network.weight[:, strongest].t().unflatten(1, size).mean(dim=1), folder / "filters.png")
        place = torch.Generator().manual_seed(0)
        seen = self.binary(inputs[:SHOWN], place)
        rows = {"true": inputs[:SHOWN], "seen": seen, "reconstructed": network.reconstruct(seen)}
        restored = {name: described.restore(v.unflatten(1, size)) for name, v in rows.items()}
        plots.image_rows(restored, folder / "reconstructions.png")
        start = bernoulli(self.visible_mean.cpu().expand(SHOWN * 5, -1))
        dreamt = network.reconstruct(network.gibbs(start, DREAM_STEPS))
        plots.image_grid(described.restore(dreamt.unflatten(1, size)), folder / "fantasies.png", columns=SHOWN)
        return {
            "filters.png": "Weights of the hidden units with the largest ones: blue draws a pixel on, red off.",
            "reconstructions.png": "Test pictures, what the network saw of them, and the mean of what it makes of it.",
            "fantasies.png": f"What the model dreams, {DREAM_STEPS} Gibbs steps after noise.",
        }


def knn_accuracy(train: Tensor, labels: Tensor, test: Tensor, truths: Tensor) -> float:
    """The share of test examples (N, H) whose class most of the 5 nearest training examples have."""
    from sklearn.neighbors import KNeighborsClassifier

    neighbours = KNeighborsClassifier(NEIGHBOURS, algorithm="brute").fit(train.numpy(), labels.numpy())
    return float(neighbours.score(test.numpy(), truths.numpy()))


def _tsne(features: Tensor) -> Tensor:
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(features) - 1) / 3)
    start = "pca" if min(features.shape) > 1 else "random"  # in the plane, of two components
    return torch.from_numpy(TSNE(perplexity=perplexity, init=start, random_state=0).fit_transform(features.numpy()))
