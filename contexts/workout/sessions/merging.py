"""One activity recorded more than once is one session; the others stay behind it, and can be taken apart again.

The session that came first stands for the activity, so its id, its place in feeds and its announcement stay as they
were. Each field and each stream of it is shown from whoever's word counts most (`duplicates.PRIORITY`); what it
recorded itself is kept in `own`, so nothing is lost.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, Final
from uuid import UUID

from django.db.models import Q

from contexts.workout.models import Stream, StrengthSet, TrainingSession
from contexts.workout.plans import following
from contexts.workout.series import columns
from contexts.workout.series.columns import Columns
from contexts.workout.sessions import duplicates

MEASURED: Final = {
    "duration_s": ("duration_s", "moving_s"),
    "distance_m": ("distance_m", "fastest_1k_s", "fastest_5k_s"),
    "ascent_m": ("ascent_m",),
    "steps": ("steps",),
    "energy_kcal": ("energy_kcal",),
    "hr_avg": ("hr_avg", "hr_max", "hr_zones_s"),
}
"""Fields taken over from one source together, by the one that must be there."""

TOLD: Final = ("title", "notes", "effort", "mood", "commute", "gear", "media")
"""What a person said: the session's own word stays, and a duplicate's fills a gap."""

TOGETHER: Final = {"longitude": "latitude"}
"""A stream that comes from where the other one comes from: half a place is none."""

STREAM: Final = "stream."
SETS: Final = "sets"
KEPT: Final = (*(name for names in MEASURED.values() for name in names), *TOLD, "methods")


def surely_new(sessions: Sequence[TrainingSession]) -> list[TrainingSession]:
    """Those of an athlete's sessions, none saved yet, about whose start nothing else began: duplicates of nothing.

    The caller holds the athlete's gate.
    """
    near = timedelta(seconds=duplicates.MAX_START_GAP_S)
    about = [(each.started_at - near, each.started_at + near) for each in sessions]
    known = TrainingSession.objects.filter(
        reduce(or_, (Q(started_at__range=span) for span in about)),
        user_id=sessions[0].user_id,
        state=TrainingSession.State.COMPLETED,
    )
    began = sorted([*known.values_list("started_at", flat=True), *(each.started_at for each in sessions)])
    return [
        each
        for each, (first, last) in zip(sessions, about, strict=True)
        if bisect_right(began, last) - bisect_left(began, first) == 1
    ]


def known_session(session: TrainingSession, packed: list[Columns]) -> TrainingSession | None:
    """The session that stands for the activity which this one, not saved yet, records too.

    The caller holds the athlete's gate. Activities of the same file are never the same.
    """
    near = timedelta(seconds=duplicates.MAX_START_GAP_S)
    candidates = TrainingSession.objects.filter(
        user_id=session.user_id,
        state=TrainingSession.State.COMPLETED,
        started_at__range=(session.started_at - near, session.started_at + near),
    ).exclude(recording_id=session.recording_id, recording_id__isnull=False)
    recorded = _compared(session, packed)
    for other in candidates.order_by("started_at", "id").select_related("duplicate_of"):
        theirs = (each for _, each in columns.stored([other.id], kinds=_COMPARED))
        if duplicates.is_same(recorded, _compared(other, theirs)):
            return other.duplicate_of or other
    return None


_COMPARED: Final = {"latitude": "north", "longitude": "east", "heart_rate": "heart"}


def _compared(session: TrainingSession, packed: Iterable[Columns]) -> duplicates.Activity:
    assert session.ended_at is not None
    start = session.started_at.timestamp()
    series = {
        _COMPARED[each.kind]: list(zip((start + each.offsets_us / 1e6).tolist(), each.measured.tolist(), strict=True))
        for each in packed
        if each.kind in _COMPARED
    }
    return duplicates.Activity(sport=session.sport, started_s=start, ended_s=session.ended_at.timestamp(), **series)


def combine(session: TrainingSession) -> None:
    """Put the session's summary together from its own and its duplicates' values, or back to its own without any."""
    restore(session)
    session.analysis_due = session.analysis_due or "data"
    others = list(TrainingSession.objects.filter(duplicate_of=session).order_by("id"))
    if others:
        session.own = {name: getattr(session, name) for name in KEPT}
        session.taken_from = {}
        _take_measured(session, others)
        _take_told(session, others)
        _take_streams(session, others)
        _take_sets(session, others)
    session.save()


def restore(session: TrainingSession) -> None:
    """The session's own summary again; the caller saves it."""
    for name, value in (session.own or {}).items():
        setattr(session, name, value)
    session.own, session.taken_from = None, {}


def keep_own(session: TrainingSession, changed: dict[str, Any]) -> None:
    """What the athlete says of a session put together is its own word."""
    if session.own is not None:
        session.own = session.own | changed
        session.taken_from = {name: of for name, of in session.taken_from.items() if name not in changed}


def _take_measured(session: TrainingSession, others: list[TrainingSession]) -> None:
    everybody = [(each.origin, each) for each in (session, *others)]
    for needed, names in MEASURED.items():
        source = next(
            (each for each in duplicates.by_priority(needed, everybody) if getattr(each, needed) is not None),
            session,
        )
        if source is session:
            continue
        session.taken_from[needed] = str(source.id)
        for name in names:
            setattr(session, name, getattr(source, name))
            session.methods = {key: value for key, value in session.methods.items() if key != name} | {
                key: value for key, value in source.methods.items() if key == name
            }


def _take_told(session: TrainingSession, others: list[TrainingSession]) -> None:
    for name in TOLD:
        ranked = duplicates.by_priority(name, [(other.origin, other) for other in others])
        source = next((other for other in ranked if getattr(other, name)), None)
        if source is not None and not getattr(session, name):
            session.taken_from[name] = str(source.id)
            setattr(session, name, getattr(source, name))


def _take_streams(session: TrainingSession, others: list[TrainingSession]) -> None:
    everybody = {each.id: each for each in (session, *others)}
    held: dict[str, list[tuple[str, UUID]]] = {}
    for of, kind in (
        Stream.objects.filter(session_id__in=everybody).order_by("session_id").values_list("session_id", "kind")
    ):
        held.setdefault(TOGETHER.get(kind, kind), []).append((everybody[of].origin, of))
    for kind, holders in held.items():
        holders.sort(key=lambda holder: holder[1] != session.id)
        best = duplicates.by_priority(kind, holders)[0]
        if best != session.id:
            session.taken_from[STREAM + kind] = str(best)


def _take_sets(session: TrainingSession, others: list[TrainingSession]) -> None:
    """All sets of one source, and of none other: two that recorded the same lifts would count them twice."""
    held = StrengthSet.objects.filter(Q(session=session) | Q(session__duplicate_of=session))
    holders = set(held.values_list("session_id", flat=True).distinct())
    ranked = duplicates.by_priority(SETS, [(each.origin, each.id) for each in (session, *others)])
    best = next((of for of in ranked if of in holders), session.id)
    taken = {name: of for name, of in session.taken_from.items() if name != SETS}
    session.taken_from = taken if best == session.id else taken | {SETS: str(best)}


def settle_sets(*, session: TrainingSession, at: datetime) -> None:
    """Sets of a recording of this activity have come, changed or gone, after it had been analysed and counted.

    The session stands for the activity. The caller holds the athlete's gate.
    """
    _take_sets(session, list(TrainingSession.objects.filter(duplicate_of=session).order_by("id")))
    session.analysis_due = session.analysis_due or "data"
    session.save(update_fields=["taken_from", "analysis_due"])
    following.count_sets(session=session, at=at)


def lenders(session: TrainingSession) -> dict[str, UUID]:
    """The streams that come from a duplicate, and from which."""
    lent = {name.removeprefix(STREAM): UUID(of) for name, of in session.taken_from.items() if name.startswith(STREAM)}
    return lent | {kind: lent[other] for kind, other in TOGETHER.items() if other in lent}
