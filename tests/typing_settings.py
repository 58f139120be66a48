"""Settings for the type checker: the real ones, with engines that nobody asks."""

import os

from tests.environment import set_environment

set_environment()
os.environ.setdefault("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/stayer")
os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:1/0")

from config.settings import *  # noqa: E402, F403
