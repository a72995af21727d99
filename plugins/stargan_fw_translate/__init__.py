"""The commands `translate` and `sheet`: pictures with other labels, and drawings of what a model does."""
