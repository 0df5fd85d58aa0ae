"""What all data modules share: columns of examples, the loader, splits, and the base class."""
