"""Trained models: opening them, and giving their weights to networks of other labels."""
