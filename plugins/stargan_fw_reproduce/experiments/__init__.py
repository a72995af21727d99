"""The paper's experiments, an experiment a module."""
