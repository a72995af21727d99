"""The command line: one thin module per group of commands. Only the commands that need torch import it."""
