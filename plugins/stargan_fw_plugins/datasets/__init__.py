"""Datasets: where images are, what their labels are and who is on them."""
