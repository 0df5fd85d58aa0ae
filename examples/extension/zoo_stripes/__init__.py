"""A network, a task and a data source for zoo. To import this is to register the network."""

from zoo_stripes.data import Stripes
from zoo_stripes.network import Patches
from zoo_stripes.task import HardClassification

__all__ = ["HardClassification", "Patches", "Stripes"]
