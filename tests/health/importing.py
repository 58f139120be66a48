"""A worker that reads one import to its end, as a program to be killed: `python -m tests.health.importing IMPORT`.

On the databases of `DATABASE_URL` and the uploads below `MEDIA_ROOT`, as a worker of the queue would.
"""

import os
import sys
from uuid import UUID

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from django.utils.timezone import now  # noqa: E402

from contexts.health.imports import reading  # noqa: E402

if __name__ == "__main__":
    while reading.read_slice(import_id=UUID(sys.argv[1]), at=now()):
        pass
