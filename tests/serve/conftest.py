"""Artefacts for the tests of the server: small ones that answer at once, and are not trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from zoo import models
from zoo.spec import (
    Classes,
    Forecast,
    Image,
    Labels,
    MaskedImage,
    MultiLabel,
    Ratings,
    Recommendations,
    Seed,
    Sentence,
    Series,
    SmallImage,
    SourceText,
    Spec,
    Table,
    TargetText,
    Text,
    Values,
)
from zoo.spec.columns import Boolean, Category, Date, Number
from zoo.weights.artefact import Artefact

CLASSES = Classes(("cat", "dog", "emu"))
TITLES = ("Alien", "Brazil", "Casino")
COLUMNS = (
    Number("age", 40.0, 10.0, True),
    Category("city", ("Bonn", "Rome")),
    Boolean("member", False),
    Date("since", 19_000.0, 500.0, False),
)
SPECS: dict[str, tuple[str, Spec, dict[str, Any]]] = {
    "image": ("cnn", Spec(Image(1, 8, 8, (0.3,), (0.4,)), CLASSES), {"widths": [8], "blocks": 1}),
    "masked": (
        "gan",
        Spec(MaskedImage(1, 8, 8, (0.5,), (0.5,)), Image(1, 8, 8, (0.5,), (0.5,))),
        {"width": 8, "depth": 1},
    ),
    "small": (
        "gan",
        Spec(SmallImage(3, None, None, (0.5,) * 3, (0.5,) * 3, 2), Image(3, None, None, (0.5,) * 3, (0.5,) * 3)),
        {"width": 8, "blocks": 1},
    ),
    "seed": ("gan", Spec(Seed(), Image(1, 8, 8, (0.5,), (0.5,))), {"width": 8}),
    "text": ("lstm", Spec(Text(("good", "bad", "film", "a"), "words"), CLASSES), {"hidden_size": 8}),
    "sentence": (
        "lstm",
        Spec(Sentence(("rome", "is", "old"), tuple("Romeisld")), Labels(("O", "PLACE"))),
        {"hidden_size": 8},
    ),
    "source": (
        "gru",
        Spec(SourceText(("good", "day"), "words"), TargetText(("guten", "tag"), "words", 4)),
        {"hidden_size": 8},
    ),
    "several": ("mlp", Spec(Image(1, 6, 6, (0.5,), (0.5,)), MultiLabel(("dark", "round"))), {"hidden_sizes": [8]}),
    "table": ("mlp", Spec(Table(COLUMNS), Values(("price",), (100.0,), (20.0,))), {"hidden_sizes": [8]}),
    "series": ("lstm", Spec(Series(("load",), (5.0,), (2.0,)), Forecast(("load",), (5.0,), (2.0,), 3)), {}),
    "ratings": (
        "rbm",
        Spec(
            Ratings(("Alien", "Brazil", "Casino"), (1, 2, 3)), Recommendations(("Alien", "Brazil", "Casino"), (1, 2, 3))
        ),
        {"num_hidden": 4},
    ),
}


@pytest.fixture(scope="session")
def artefact() -> Callable[[str], Artefact]:
    """Gives an artefact by the kind of its input."""
    made: dict[str, Artefact] = {}

    def artefact(kind: str) -> Artefact:
        if kind not in made:
            model, spec, options = SPECS[kind]
            with torch.random.fork_rng():
                torch.manual_seed(1)
                made[kind] = Artefact(model, options, spec, models.build(model, spec, **options))
        return made[kind]

    return artefact
