"""The mistakes that a user can mend."""


class RequestError(Exception):
    """The request was wrong: usage, configuration, data or model.

    The message says what was wrong, where, and what to do. The command line prints it alone and exits with 2.
    """


class LabelError(RequestError):
    """A label, attribute or edit that the label space does not have, or that contradicts itself."""


class ExclusiveLabelsError(LabelError):
    """An example that has several members of an exclusive group."""


class DuplicateNameError(RequestError):
    """Two components of one kind claim the same name."""


class UnknownNameError(RequestError):
    """No component of that kind has that name."""
