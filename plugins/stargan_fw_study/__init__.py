"""The command `study`: questions that people answer about translated faces, and the tally of their answers (Sec. 5.4)."""
