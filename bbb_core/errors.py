"""Errors raised for input that a user can mend."""

from __future__ import annotations

__all__ = ["InputError"]


class InputError(ValueError):
    """Bad input: the message names the argument, the offending value and the remedy.

    The command line prints the message of an `InputError` as one line and exits with status 2; what
    it makes of other exceptions stands in `bbb_core.cli.boundary`.
    """
