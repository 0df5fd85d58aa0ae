"""Plots, from plain tensors and texts to a file; nothing else imports matplotlib.

They use none of Matplotlib's global state, so that they can be drawn during training.
"""

from zoo.plots.attention import alignments
from zoo.plots.charts import (
    confusion_matrix,
    histograms,
    importance,
    intervals,
    learning_curves,
    line_chart,
    predicted_against_true,
    residuals,
    sweep,
)
from zoo.plots.embeddings import labelled_scatter, scatter, topic_words
from zoo.plots.images import (
    animation,
    attention_maps,
    captioned_frames,
    captioned_rows,
    filmstrip,
    filters,
    image_grid,
    image_rows,
)
from zoo.plots.inside import (
    QUANTILES,
    MarkedText,
    attributions,
    decision_border,
    feature_maps,
    first_filters,
    layer_bands,
    marked_texts,
    unit_maps,
    value_surface,
)
from zoo.plots.lines import NOTHING, character_confusions, character_positions, text_lines
from zoo.plots.series import forecasts, lead_times

__all__ = [
    "NOTHING",
    "QUANTILES",
    "MarkedText",
    "alignments",
    "animation",
    "attention_maps",
    "attributions",
    "captioned_frames",
    "captioned_rows",
    "character_confusions",
    "character_positions",
    "confusion_matrix",
    "decision_border",
    "feature_maps",
    "filmstrip",
    "filters",
    "first_filters",
    "forecasts",
    "histograms",
    "image_grid",
    "image_rows",
    "importance",
    "intervals",
    "labelled_scatter",
    "layer_bands",
    "lead_times",
    "learning_curves",
    "line_chart",
    "marked_texts",
    "predicted_against_true",
    "residuals",
    "scatter",
    "sweep",
    "text_lines",
    "topic_words",
    "unit_maps",
    "value_surface",
]
