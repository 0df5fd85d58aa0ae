"""Restricted Boltzmann machines, by contrastive divergence and by the conditional likelihood."""
