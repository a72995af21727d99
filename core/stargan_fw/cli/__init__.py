"""The command line: one thin module a command group. torch is imported by the command that needs it."""
