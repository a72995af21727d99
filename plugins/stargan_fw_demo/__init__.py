"""The command `demo`: a web page that translates pictures with trained models."""
