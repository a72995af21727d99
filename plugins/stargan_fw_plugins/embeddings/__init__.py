"""Embeddings, one per file."""
