"""A target for each input: classification, regression, sentiment."""
