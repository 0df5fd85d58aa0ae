"""A run: wired, kept, resumed, reported and repeated."""
