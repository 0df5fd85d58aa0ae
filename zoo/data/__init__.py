"""Sources of batches with a spec: Lightning data modules, one file a kind of source."""
