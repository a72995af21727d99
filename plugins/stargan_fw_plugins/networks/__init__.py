"""Generators and discriminators, one architecture a file."""
