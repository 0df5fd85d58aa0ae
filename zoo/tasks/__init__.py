"""Lightning modules: each trains a network for one kind of use. They know specs, never data sources."""
