"""Sequences: reading lines, captioning, tagging, forecasting, language modelling, long memory."""
