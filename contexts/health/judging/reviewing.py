"""The norms in force: those of the code, and over them the versions medical reviewers have published."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from contexts.health import rules
from contexts.health.catalogue import Metric
from contexts.health.judging.norm_data import NEEDS_REVIEW, NORMS
from contexts.health.judging.norms import Band, Norm, norm_for
from contexts.health.looking import measurements
from contexts.health.models import NormVersion
from contexts.health.terms import Purpose
from contexts.identity import services as identity
from kernel.access import Principal
from kernel.databases import run_after_commit, unit_of_work
from kernel.errors import InvalidInput, Refused


class NoNorm(Refused):
    """No norm is known for this metric at your age and sex."""

    status = 404


class NothingMeasured(Refused):
    """Nothing of this metric has been measured lately."""

    status = 404


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Where a value stands, by which norm, for whom."""

    value: float
    measured_at: datetime | None
    norm: Norm
    band: Band
    age: int
    sex: str


_in_force: list[tuple[float, tuple[Norm, ...]]] = []


def in_force() -> tuple[Norm, ...]:
    """Every norm, each in its newest version; remembered for up to 5 s."""
    if _in_force and _in_force[0][0] > time.monotonic():
        return _in_force[0][1]
    known = {norm.key: norm for norm in NORMS}
    for row in NormVersion.objects.order_by("version"):
        known[row.key] = msgspec.convert(row.document | {"key": row.key, "version": row.version}, Norm)
    _in_force[:] = [(time.monotonic() + rules.NORMS_CACHED.total_seconds(), tuple(known.values()))]
    return _in_force[0][1]


def waiting_for_review() -> dict[str, str]:
    """By key, the norms in force as the code has them whose source a medical reviewer is to look at, and why."""
    first = {norm.key: norm.version for norm in NORMS}
    waiting = [norm.key for norm in in_force() if first.get(norm.key) == norm.version]
    return {key: NEEDS_REVIEW[key] for key in waiting if key in NEEDS_REVIEW}


def forget() -> None:
    """Let this process look again."""
    _in_force.clear()


@unit_of_work("health")
def publish_norm(*, document: Mapping[str, Any], note: str, by: UUID, at: datetime) -> NormVersion:
    """Put a new version of a norm, or a new norm, in force. Raises `InvalidInput` for one that cannot be."""
    norm = checked(document)
    newest = NormVersion.objects.filter(key=norm.key).order_by("-version").first()
    first = next((known.version for known in NORMS if known.key == norm.key), 0)
    made = NormVersion.objects.create(
        key=norm.key,
        version=(newest.version if newest else first) + 1,
        document={k: v for k, v in msgspec.to_builtins(norm).items() if k not in ("key", "version")},
        note=note,
        made_by=by,
        made_at=at,
    )
    run_after_commit(forget)
    return made


def checked(document: Mapping[str, Any]) -> Norm:
    """The norm that a document says, if it can be put in force."""
    try:
        norm = msgspec.convert(document, Norm)
    except msgspec.ValidationError as error:
        raise InvalidInput("This is no norm: {why}", field="document", code="no_norm", why=str(error)) from None
    if faults := norm.faults():
        raise InvalidInput("This is no norm: {why}", field="document", code=faults[0], why=", ".join(faults))
    return norm


def judge(
    *,
    metric: Metric,
    value: float | None,
    condition: str,
    by: Principal,
    at: datetime,
    purpose: Purpose = Purpose.OWN_CARE,
) -> Verdict:
    """Hold a value in the stored unit, or the latest reading of the last days, against the norm for this person."""
    since = at - rules.LATEST_WITHIN
    person = identity.get_physiology(user_id=by.user_id)
    measurements.note_access(
        subject_id=by.user_id, stream=metric.stream, since=since, until=at, by=by, at=at, purpose=purpose
    )
    if person is None:
        raise NoNorm
    norm = norm_for(in_force(), metric=metric.name, condition=condition, age=person.age, sex=person.sex)
    if norm is None:
        raise NoNorm
    measured_at = None
    if value is None:
        latest = measurements.latest_of(
            user_id=by.user_id, stream=metric.stream, since=since, until=rules.latest(at=at)
        )
        if latest is None:
            raise NothingMeasured
        value, measured_at = latest.value, latest.time
    return Verdict(
        value=value, measured_at=measured_at, norm=norm, band=norm.band_of(value), age=person.age, sex=person.sex
    )


def document_of(key: str) -> dict[str, Any]:
    """A norm in force as a reviewer edits it."""
    found = next((norm for norm in in_force() if norm.key == key), None) or in_force()[0]
    return {name: value for name, value in msgspec.to_builtins(found).items() if name != "version"}
