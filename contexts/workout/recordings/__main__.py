"""`python -m contexts.workout.recordings`: a reader for `read_bounded`, its socket being the standard input."""

import os
import socket

from .serving import serve

serve(socket.socket(fileno=os.dup(0)))
