"""Readers of other implementations' checkpoints, one per file."""
