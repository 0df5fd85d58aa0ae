"""`zoo.data` and `zoo.spec` export all that people import."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import pytest

import zoo.data
import zoo.spec
from zoo.data import DataModule


@pytest.mark.parametrize("module", [zoo.data, zoo.spec], ids=lambda module: module.__name__)
def test_all_names_are_there_once_and_documented(module: ModuleType) -> None:
    assert len(set(module.__all__)) == len(module.__all__)
    for name in set(module.__all__) - {"Encoded"}:
        assert getattr(module, name).__doc__, name


def test_each_data_module_is_exported() -> None:
    for found in pkgutil.iter_modules(zoo.data.__path__, "zoo.data."):
        for name, value in vars(importlib.import_module(found.name)).items():
            ours = isinstance(value, type) and issubclass(value, DataModule) and value.__module__ == found.name
            assert not ours or name.startswith("_") or name in {*zoo.data.__all__, "Official", "StoredDocuments"}, name


def test_each_kind_of_spec_is_exported() -> None:
    assert set(zoo.spec.KINDS) <= set(zoo.spec.__all__)
