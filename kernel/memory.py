"""The garbage collector of a process that lives long."""

import gc

YOUNG = 20_000
"""Objects; with the usual 700 each request looks for garbage some ten times and finds none."""


def settle_in() -> None:
    """What is imported by now stays: the collector need not look through it again, and comes by less often.

    Called once a process is ready for work. A sixth of the processor time of an import goes without it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)
