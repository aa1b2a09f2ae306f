"""Vectors: directions as numbers and files. May import `base`."""
