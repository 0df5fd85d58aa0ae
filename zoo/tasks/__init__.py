"""Lightning modules: each trains a network for one kind of use. They know specs and batches, never data sources.

from zoo.tasks import Classification, TrainingOptions
Trainer(max_epochs=3).fit(Classification(spec, build, partial(torch.optim.AdamW, lr=1e-3)), loader)
"""

from zoo.optim.options import TrainingOptions
from zoo.tasks.gan import AdversarialOptions, Colourisation, Downscale, Generation, Grey, Mask, Restoration
from zoo.tasks.rbm import (
    AnomalyDetection,
    DivergenceOptions,
    FeatureLearning,
    Hybrid,
    Recommendation,
    TopicModelling,
)
from zoo.tasks.sequence import (
    OCR,
    Adding,
    Captioning,
    Forecasting,
    Handwriting,
    LanguageModelling,
    Tagging,
    Translation,
    memory_task,
)
from zoo.tasks.supervised import Classification, MultiLabelClassification, Regression, Sentiment, supervised_task
from zoo.tasks.task import Task

__all__ = [
    "OCR",
    "Adding",
    "AdversarialOptions",
    "AnomalyDetection",
    "Captioning",
    "Classification",
    "Colourisation",
    "DivergenceOptions",
    "Downscale",
    "FeatureLearning",
    "Forecasting",
    "Generation",
    "Grey",
    "Handwriting",
    "Hybrid",
    "LanguageModelling",
    "Mask",
    "MultiLabelClassification",
    "Recommendation",
    "Regression",
    "Restoration",
    "Sentiment",
    "Tagging",
    "Task",
    "TopicModelling",
    "TrainingOptions",
    "Translation",
    "memory_task",
    "supervised_task",
]
