"""`manage.py rotate_signing_key`: a new key for tokens; nobody is signed out by it."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.timezone import now

from contexts.identity import rules
from kernel import keys


class Command(BaseCommand):
    """Add a key to the ring, and retire those that have done their time."""

    help = "Add a signing key to the ring; it signs ten minutes later, when every verifier has it."

    def add_arguments(self, parser: CommandParser) -> None:
        """How soon, and whether to tidy up."""
        parser.add_argument("--now", action="store_true", help="sign with it at once: the old key may have leaked")
        parser.add_argument("--prune", action="store_true", help="retire keys whose tokens have all ended")
        parser.add_argument(
            "--forget", metavar="KID", help="refuse all tokens of this key from now on: it has leaked"
        )
        parser.add_argument(
            "--service", choices=settings.CONTEXTS, help="make a context its own key for SERVICE_KEYS"
        )
        parser.add_argument("--into", type=Path, metavar="FOLDER", help="where the private half of that key goes")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate."""
        if not settings.TOKEN_KEYS:
            raise CommandError("This process verifies tokens with TOKEN_JWKS_URL; rotate where TOKEN_KEYS is set.")
        if bool(options["service"]) != bool(options["into"]):
            raise CommandError("--service and --into go together.")
        ring, at = Path(settings.TOKEN_KEYS), now()
        active_at = at if options["now"] else at + keys.KNOWN_BEFORE_USE
        kid = keys.add_key(options["into"] or ring, active_at=active_at, owner=options["service"])
        if options["into"]:
            keys.publish_key(kid, of=options["into"], into=ring)
        self.stdout.write(f"{kid} signs from {active_at:%Y-%m-%d %H:%M} UTC on")
        if options["prune"]:
            for retired in keys.retire_keys(ring, unused_since=at - rules.REFRESH_LIFETIME):
                self.stdout.write(f"{retired} only verifies from now on")
        if options["forget"] and not keys.forget_key(ring, options["forget"]):
            raise CommandError(f"The ring has no key {options['forget']}.")
