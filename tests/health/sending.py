"""A device that never gives up, as a program of its own: `python -m tests.health.sending LOG STOP`.

It sends batch after batch, each again until it is answered with 200, and writes down each answer before the
next; it ends when the file STOP exists. It makes its own health database on `DATABASE_URL`.
"""

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import close_old_connections  # noqa: E402
from django.test import Client  # noqa: E402

from contexts.health.worn.devices import add_device  # noqa: E402
from tests.health.conftest import READINGS, Strap, beats  # noqa: E402
from tests.migrating import only_what_lives_in  # noqa: E402

BATCH = 50


def main(log: Path, stop: Path) -> None:
    """Send until told to stop; the last batch is confirmed too."""
    settings.SECURITY_POLICY = ""  # nobody there to ask: each time the pool would wait ten seconds for identity
    with only_what_lives_in("health"):
        call_command("migrate", database="health", verbosity=0)
    owner: Any = SimpleNamespace(user_id=uuid4())
    device, secret = add_device(name="Strap", kind="strap", by=owner.user_id, at=datetime.now(UTC))
    strap = Strap(owner, str(device.device_id), secret)
    answers = log.open("a", buffering=1)
    start, number = datetime.now(UTC) - timedelta(days=2), 0
    while not stop.exists():
        body = json.dumps({"readings": beats(BATCH, start=start + timedelta(seconds=number * BATCH))}).encode()
        while (answer := attempt(strap, body)).status_code != 200:
            answers.write(f"no {number} {answer.status_code}\n")
            time.sleep(0.05)
        told = answer.json()
        answers.write(f"ok {number} {told['accepted']} {told['duplicates']}\n")
        number += 1


def attempt(strap: Strap, body: bytes) -> Any:
    """One signed POST, as a client sees it: an error of the server is an answer too."""
    close_old_connections()  # as before each request of a server; the test client keeps a broken one for ever
    client = Client(raise_request_exception=False)
    header = {"Authorization": strap.authorization(body)}
    return client.post(READINGS, data=body, content_type="application/json", headers=header)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
