"""Errors whose message is meant for the user as it stands."""

from __future__ import annotations

__all__ = ["Failure", "InputError"]


class InputError(ValueError):
    """Bad input: the message names the argument, the offending value and the remedy.

    The command line prints the message of an `InputError` as one line and exits with status 2; what
    it makes of other exceptions stands in `bbb_core.cli.boundary`.
    """


class Failure(RuntimeError):
    """Something that was run failed; the message is meant for the reader as it stands."""
