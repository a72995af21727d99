"""Methods: what one update is, one a file."""
