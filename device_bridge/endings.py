"""Why the program ends: expected failures, each one sentence for a person and an exit code for a machine."""

from __future__ import annotations


class Ending(Exception):
    """Stop here; the message is what a person should read."""

    exit_code = 1


class Misuse(Ending):
    """The command line asks for something that is not there."""

    exit_code = 2
