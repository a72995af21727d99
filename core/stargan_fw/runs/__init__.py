"""The run folder: what is on disk, read and written."""
