"""A generator against a discriminator: restoration and generation."""
