"""Drawings, from plain tensors and texts; nothing else imports matplotlib."""
