"""The command `runs`: what runs a folder holds, how they differ, how far they are, and what they take on the disk."""
