"""A worker that reads one archive to its end, as a program to be killed: `python -m tests.workout.reading BATCH`.

On the databases of `DATABASE_URL` and the uploads below `MEDIA_ROOT`, as a worker of the queue would.
"""

import os
import sys
from uuid import UUID

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from django.utils.timezone import now  # noqa: E402

from contexts.workout.imports import batches  # noqa: E402

if __name__ == "__main__":
    for batch_id, position in batches.open_batch(batch_id=UUID(sys.argv[1]), at=now()):
        assert position is not None
        batches.read_portion(batch_id=batch_id, position=position, at=now())
