"""Connecting a device that has no screen of its own: its owner gets a short code, the device redeems it."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.crypto import salted_hmac

from contexts.health import rules
from contexts.health.models import Device, Enrolment
from contexts.health.worn.devices import ConsentRequired, TooManyDevices, add_device, worn
from contexts.identity import services as identity
from kernel.access import RateLimit
from kernel.databases import unit_of_work
from kernel.errors import Refused

_all_the_world = RateLimit(rules.REDEEMED_AT_MOST)


class CodeUnknown(Refused):
    """No device can be connected with this code: it is wrong, used, or older than ten minutes."""

    status = 404


@dataclass(frozen=True, slots=True)
class Code:
    """A code, and until when it is good."""

    code: str
    expires_at: datetime


def begin_enrolment(*, name: str, kind: str, by: UUID, at: datetime) -> Code:
    """A code for one device of a person who has agreed; it is shown this once."""
    if not identity.has_consent(user_id=by, purpose=rules.PURPOSE):
        raise ConsentRequired(purpose=rules.PURPOSE)
    return _write_down(name=name, kind=kind, by=by, at=at)


@unit_of_work("health")
def _write_down(*, name: str, kind: str, by: UUID, at: datetime) -> Code:
    if worn(by).filter(revoked_at=None).count() >= rules.MAX_DEVICES:
        raise TooManyDevices
    code = "".join(secrets.choice(rules.CODE_ALPHABET) for _ in range(rules.CODE_LENGTH))
    expires_at = at + rules.CODE_LASTS
    Enrolment.objects.filter(user_id=by).delete()
    Enrolment.objects.create(code_digest=_digest(code), user_id=by, name=name, kind=kind, expires_at=expires_at)
    return Code(code, expires_at)


def redeem(*, code: str, name: str, kind: str, at: datetime) -> tuple[Device, str]:
    """Connect the device that shows this code; returns it and its secret. `name` and `kind` are what the device
    calls itself, where its owner has not said.

    Raises `CodeUnknown` for every code that is of no use, whatever the reason, and `RateLimited` when all the
    world together tries too many.
    """
    _all_the_world.take("health.redeem")
    digest = _digest(rules.code_as_typed(code))
    found = Enrolment.objects.filter(code_digest=digest).first()
    if found is None or not identity.has_consent(user_id=found.user_id, purpose=rules.PURPOSE):
        raise CodeUnknown
    return _use_up(digest=digest, name=name, kind=kind, at=at)


@unit_of_work("health")
def _use_up(*, digest: str, name: str, kind: str, at: datetime) -> tuple[Device, str]:
    """Once: of many who come with the same code, one finds it."""
    found = Enrolment.objects.select_for_update().filter(code_digest=digest, expires_at__gt=at).first()
    if found is None:
        raise CodeUnknown
    found.delete()
    return add_device(name=found.name or name, kind=found.kind or kind, by=found.user_id, at=at)


@unit_of_work("health")
def forget_codes(*, at: datetime) -> int:
    """Codes that nobody used in time; returns how many."""
    return Enrolment.objects.filter(expires_at__lte=at).delete()[0]


def _digest(code: str) -> str:
    return str(salted_hmac("health.enrolment", code, algorithm="sha256").hexdigest())
