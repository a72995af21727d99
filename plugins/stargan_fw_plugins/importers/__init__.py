"""Readers of other implementations' checkpoints, one a file."""
