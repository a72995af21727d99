"""Models as folders: written, opened safely, converted, grown."""
