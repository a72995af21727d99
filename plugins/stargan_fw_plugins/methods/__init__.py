"""Methods: what one update is, one method per file."""
