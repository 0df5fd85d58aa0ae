"""What torch.optim does not have: Manhattan propagation, averaged weights, learning rates by layer, schedules."""

from zoo.optim.average import WeightAverage
from zoo.optim.layerwise import layer_lr_scales
from zoo.optim.manhattan import Manhattan
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.optim.schedules import SCHEDULES, scheduler

__all__ = [
    "SCHEDULES",
    "Manhattan",
    "OptimizerBuilder",
    "TrainingOptions",
    "WeightAverage",
    "layer_lr_scales",
    "scheduler",
]
