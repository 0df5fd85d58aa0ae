"""Reports by kind of task; importing this registers them."""

from zoo.training.reports import classification as classification
from zoo.training.reports import forecasting as forecasting
from zoo.training.reports import gan as gan
from zoo.training.reports import handwriting as handwriting
from zoo.training.reports import inside as inside
from zoo.training.reports import multi_label as multi_label
from zoo.training.reports import nearest_line as nearest_line
from zoo.training.reports import rbm as rbm
from zoo.training.reports import recommendation as recommendation
from zoo.training.reports import regression as regression
from zoo.training.reports import sequence as sequence
from zoo.training.reports import simpler_images as simpler_images
from zoo.training.reports import translation as translation
