"""What identity does when something was announced."""

from contexts.identity import events, registering
from kernel.bus import on


@on(events.RegistrationRepeated)
def warn_owner_of_repeated_registration(event: events.RegistrationRepeated) -> None:
    """The owner of an address learns that somebody tried to register with it."""
    registering.warn_owner(user_id=event.user_id)
