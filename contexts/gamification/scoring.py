"""Awarding points and taking them back: exactly once for each cause, never above the daily cap (GA-1)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db.models import Q, QuerySet, Sum

from contexts.gamification import events, rules
from contexts.gamification.models import PointsEntry, UserDay
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import Refused


class WorkoutNotScored(Refused):
    """The workout that set this record has not been scored yet."""


@dataclass(frozen=True, kw_only=True)
class Award:
    """Points that a rule gives for a cause (`source_id`: the workout's session), before the daily cap."""

    user_id: UUID
    rule: str
    source_id: UUID
    points: int
    local_day: date
    earned_at: datetime
    awarded_at: datetime

    @property
    def cause(self) -> tuple[str, UUID]:
        """What is paid once."""
        return self.rule, self.source_id


@dataclass(frozen=True, kw_only=True)
class Record:
    """A personal record that a workout beat."""

    session_id: UUID
    record: str
    achieved_at: datetime


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """A workout that is no more."""

    user_id: UUID
    session_id: UUID
    deleted_at: datetime


@unit_of_work("gamification")
def award_points(*, awards: Sequence[Award]) -> None:
    """Write awards, each cut off at the daily cap, and announce the boards they move.

    An award whose rule and source have been paid changes nothing. The balances, locked before the look into the
    ledger, make parallel duplicates wait for each other.
    """
    balances = UserDay.objects.locked((award.user_id, award.local_day) for award in awards)
    paid = _paid(awards)
    entries = []
    for award in awards:
        if award.cause not in paid:
            paid.add(award.cause)
            entries.append(_entry(award, balances[award.user_id, award.local_day]))
    PointsEntry.objects.bulk_create(entries)
    raised = {(entry.user_id, entry.local_day) for entry in entries if entry.points_granted}
    UserDay.objects.bulk_update([balances[day] for day in raised], ["points", "reached_at"])
    if raised:
        _announce(raised, at=max(award.awarded_at for award in awards))


def _paid(awards: Sequence[Award]) -> set[tuple[str, UUID]]:
    entries = PointsEntry.objects.filter(
        rule__in={award.rule for award in awards}, source_id__in={award.source_id for award in awards}
    )
    return set(entries.values_list("rule", "source_id"))


def _entry(award: Award, balance: UserDay) -> PointsEntry:
    granted = rules.grantable(asked=award.points, earned_today=balance.points)
    balance.grant(granted, earned_at=award.earned_at)
    return PointsEntry(
        user_id=award.user_id,
        rule=award.rule,
        source_id=award.source_id,
        points_asked=award.points,
        points_granted=granted,
        local_day=award.local_day,
        earned_at=award.earned_at,
        awarded_at=award.awarded_at,
    )


def _announce(changed: Iterable[tuple[UUID, date]], *, at: datetime) -> None:
    """One event for each athlete and board: the whole total, whatever the number of entries behind it."""
    moved: dict[rules.Board, set[UUID]] = {}
    for user_id, day in changed:
        for board in rules.boards_of(day):
            moved.setdefault(board, set()).add(user_id)
    for board in sorted(moved):
        users = sorted(moved[board])
        totals = {standing.user_id: standing.points for standing in UserDay.objects.standings(board, users=users)}
        publish(
            *(
                events.LeaderboardUpdated(
                    period=board.period,
                    period_key=board.key,
                    user_id=user_id,
                    points=totals.get(user_id, 0),
                    occurred_at=at,
                )
                for user_id in users
            )
        )


@unit_of_work("gamification")
def award_records(*, records: Sequence[Record]) -> None:
    """Pay the bonus of beaten records on the day of the workout that beat them; of a deleted workout none is paid.

    Raises WorkoutNotScored while such a workout has no entry: its athlete, day and time are known from there.
    """
    scored = _scored({record.session_id for record in records})
    if any(record.session_id not in scored for record in records):
        raise WorkoutNotScored
    UserDay.objects.locked((entry.user_id, entry.local_day) for entry in scored.values())  # a deletion waits for us
    deleted = _deleted(scored)
    award_points(
        awards=[_bonus(record, scored[record.session_id]) for record in records if record.session_id not in deleted]
    )


def _scored(sessions: Iterable[UUID]) -> dict[UUID, PointsEntry]:
    entries = PointsEntry.objects.filter(rule=rules.COMPLETED_WORKOUT, source_id__in=set(sessions))
    return {entry.source_id: entry for entry in entries}


def _deleted(sessions: Iterable[UUID]) -> set[UUID]:
    entries = PointsEntry.objects.filter(rule=rules.DELETED_WORKOUT, source_id__in=set(sessions))
    return set(entries.values_list("source_id", flat=True))


def _bonus(record: Record, workout: PointsEntry) -> Award:
    return Award(
        user_id=workout.user_id,
        rule=rules.record_rule(record.record),
        source_id=record.session_id,
        points=rules.RECORD_BONUS,
        local_day=workout.local_day,
        earned_at=workout.earned_at,
        awarded_at=record.achieved_at,
    )


@unit_of_work("gamification")
def take_back(*, deletions: Sequence[Deletion]) -> None:
    """Take back what deleted workouts had brought, by one entry each, and announce the boards that move.

    What the cap had cut off of the day's other awards counts now. A workout nobody has told us of yet gets its entry
    here, without points: what is heard of it later finds it paid.
    """
    scored = _scored(deletion.session_id for deletion in deletions)
    unheard = {each.session_id: each for each in deletions if each.session_id not in scored}
    fresh = PointsEntry.objects.bulk_create(map(_without_points, unheard.values()))
    scored |= {entry.source_id: entry for entry in fresh}
    balances = UserDay.objects.locked((entry.user_id, entry.local_day) for entry in scored.values())
    deleted = _deleted(scored)
    fallen = set()
    for deletion in deletions:
        if deletion.session_id not in deleted:
            deleted.add(deletion.session_id)
            workout = scored[deletion.session_id]
            day = workout.user_id, workout.local_day
            if _write_back(workout, balances[day], at=deletion.deleted_at):
                fallen.add(day)
    UserDay.objects.bulk_update([balances[day] for day in fallen], ["points", "reached_at"])
    if fallen:
        _announce(fallen, at=max(deletion.deleted_at for deletion in deletions))


def _without_points(deletion: Deletion) -> PointsEntry:
    at = deletion.deleted_at
    return PointsEntry(
        user_id=deletion.user_id,
        rule=rules.COMPLETED_WORKOUT,
        source_id=deletion.session_id,
        points_asked=0,
        points_granted=0,
        local_day=rules.local_day(at, "UTC"),
        earned_at=at,
        awarded_at=at,
    )


def _write_back(workout: PointsEntry, balance: UserDay, *, at: datetime) -> bool:
    """One entry against all of a workout's; whether its day has changed by it."""
    of_day = PointsEntry.objects.filter(user_id=workout.user_id, local_day=workout.local_day)
    gone = of_day.filter(rule=rules.DELETED_WORKOUT).values("source_id")
    staying = of_day.exclude(source_id=workout.source_id).exclude(source_id__in=gone).order_by("id")
    before = balance.points, balance.reached_at
    balance.points, balance.reached_at = rules.earned_by(staying.values_list("points_asked", "earned_at"))
    asked = of_day.filter(source_id=workout.source_id).aggregate(sum=Sum("points_asked"))["sum"]
    PointsEntry.objects.create(
        user_id=workout.user_id,
        rule=rules.DELETED_WORKOUT,
        source_id=workout.source_id,
        points_asked=-asked,
        points_granted=balance.points - before[0],
        local_day=workout.local_day,
        earned_at=workout.earned_at,
        awarded_at=at,
    )
    return before != (balance.points, balance.reached_at)


@dataclass(frozen=True)
class Balance:
    """What an athlete has: today (their local day) and altogether."""

    today: int
    total: int


def balance_of(*, user_id: UUID, today: date) -> Balance:
    """The athlete's points."""
    sums = UserDay.objects.filter(user_id=user_id).aggregate(
        today=Sum("points", filter=Q(local_day=today), default=0), total=Sum("points", default=0)
    )
    return Balance(**sums)


def entries_of(*, user_id: UUID) -> QuerySet[PointsEntry]:
    """The athlete's awards, and what was taken back."""
    return PointsEntry.objects.filter(user_id=user_id)
