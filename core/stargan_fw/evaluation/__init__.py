"""What trained models are worth: how they are compared with each other."""
