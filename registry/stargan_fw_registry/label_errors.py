"""Errors that the user can correct."""


class RequestError(Exception):
    """The request was wrong: usage, configuration, data or model.

    The message says what was wrong, where, and what to do. The command line prints it without a traceback and exits
    with code 2.
    """


class LabelError(RequestError):
    """A label, an attribute or an edit is unknown, malformed or contradicts itself."""


class ExclusiveLabelsError(LabelError):
    """An example sets several members of an exclusive group."""


class DuplicateNameError(RequestError):
    """Two components of one kind claim the same name."""


class UnknownNameError(RequestError):
    """No component of that kind has that name."""
