"""Trained models: opening, sharing and growing them."""
