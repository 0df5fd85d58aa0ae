"""What all data modules share: loaders and splits."""
