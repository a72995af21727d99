"""Runs the experiments that plugins register: trains what is missing, measures, and writes a report."""
