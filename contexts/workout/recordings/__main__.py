"""`python -m contexts.workout.recordings`: the bounded child of `read_bounded`."""

import sys

from .bounded import serve

serve(sys.stdin.buffer, sys.stdout.buffer)
