"""What torch.optim does not have: Manhattan propagation, learning rates by layer."""
