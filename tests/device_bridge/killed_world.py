"""Prepares the platform that is killed: databases, a person with a bridge, and a session under way.

`python -m tests.device_bridge.killed_world` on the engines of its environment; one line of JSON says who they are.
"""

import json
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from django.core.management import call_command  # noqa: E402

from tests.conftest import agree, make_person  # noqa: E402


def main() -> None:
    """Through the front door, once there is a house."""
    call_command("setup_databases", verbosity=0)
    person = make_person()
    agree(person)
    bridge = person.api.post("/api/v1/health/devices", {"name": "Bridge", "kind": "bridge"}).json()
    session = person.api.post("/api/v1/workout/sessions", {"sport": "cycling"}).json()
    print(json.dumps({"bridge": bridge, "session": session["id"]}))


if __name__ == "__main__":
    main()
