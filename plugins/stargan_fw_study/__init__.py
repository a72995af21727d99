"""The user study of the paper: questions for people and the tally of their answers, as the command `study`."""
