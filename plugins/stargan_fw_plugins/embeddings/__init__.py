"""Embeddings, one a file."""
