"""From readings to alerts: an episode is one row, opened and announced once, followed until it is over.

Whatever the order in which readings come, the rows end up the same. What new readings touch is looked at anew in
the database: from the last clear reading before them to the first one after them, and all of each known episode
within a cool-down of that. Which episodes are there is a pure function of those readings (`episodes.py`); the rows
are made to agree. A row keeps its identity while its episode's bounds move; what later readings have joined to
another or dissolved is closed as superseded, and taken up again, unannounced, should its episode come back. In the
same way they follow a new calibration, which changes what is to be read of the last day's readings.

One advisory lock for a person: their readings are gone through by one transaction at a time. A unique index on what
is not closed stands behind it.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet

from contexts.health import rules
from contexts.health.alerts import broadcasting
from contexts.health.alerts.episodes import Episode, Rule, episodes
from contexts.health.columns import instant, microseconds_of
from contexts.health.events import MedicalAlertTriggered
from contexts.health.looking.measurements import SeriesOf
from contexts.health.models import Alert, EmergencyContact
from contexts.health.rules import Stream
from kernel.bus import publish
from kernel.databases import unit_of_work

State, Reason = Alert.State, Alert.Reason


@unit_of_work("health", gate="user_id", isolation="read committed")
def evaluate(*, user_id: UUID, watched: Sequence[Rule], first_at: datetime, last_at: datetime, at: datetime) -> None:
    """Bring a person's alerts up to date with readings from `first_at` to `last_at` that have come or gone.

    Those older than `rules.NEWS_FOR` raise nothing.
    """
    since = max(first_at, at - rules.NEWS_FOR)
    if last_at < since:
        return
    for rule in watched:
        _follow(user_id, rule, since=since, until=last_at, at=at)


@unit_of_work("health", gate="user_id", isolation="read committed")
def evaluate_anew(*, user_id: UUID, watched: Sequence[Rule], valid_from: datetime, at: datetime) -> None:
    """Bring a person's alerts up to date with a calibration that is good from then on.

    Of the last `rules.CALIBRATED_ANEW`, and each alert that is not closed as far as it reaches. What is dissolved by
    it is closed as recalibrated; what is found for the first time is announced, once, as of late readings. What was
    over before stays as it was told.
    """
    since = max(valid_from, at - rules.CALIBRATED_ANEW)
    for rule in watched if since <= at else ():
        _follow(user_id, rule, since=since, until=rules.latest(at=at), at=at, recalibrated=since)


def close_silent(*, user_id: UUID, watched: Sequence[Rule], at: datetime) -> None:
    """Look again at a person's alerts that are not closed: time has passed, and rules may be gone."""
    _close_silent(user_id=user_id, watched={rule.key: rule for rule in watched}, at=at)


@unit_of_work("health", gate="user_id", isolation="read committed")
def _close_silent(*, user_id: UUID, watched: dict[str, Rule], at: datetime) -> None:
    for row in unclosed(user_id).select_for_update():
        rule = watched.get(row.rule)
        if rule is None:
            _close(row, Reason.RULE_GONE, at=at)
        elif at - row.last_at > timedelta(seconds=rule.silence_s):
            _follow(user_id, rule, since=row.last_at, until=row.last_at, at=at)


@unit_of_work("health")
def let_go(*, user_id: UUID, stream: Stream, side: str, at: datetime) -> None:
    """Close what is watched on one side of a metric: another rule takes over."""
    for row in unclosed(user_id).filter(stream=stream, terms__side=side).select_for_update():
        _close(row, Reason.RULE_GONE, at=at)


def unclosed(user_id: UUID) -> QuerySet[Alert]:
    """A person's alerts that are not over."""
    return Alert.objects.filter(user_id=user_id).exclude(state=State.CLOSED)


def _follow(
    user_id: UUID,
    rule: Rule,
    *,
    since: datetime,
    until: datetime,
    at: datetime,
    recalibrated: datetime | None = None,
) -> None:
    """`recalibrated`: a calibration is the reason, and what was over by then is none of its business."""
    series = SeriesOf(user_id, rule.stream)
    since, until = since - series.reach, until + series.reach
    clear = {"shown__gte" if rule.side == "low" else "shown__lt": rule.clear}
    start = series.last_time(since - rules.NEWS_FOR, since, **clear) or since - rules.NEWS_FOR
    end = series.first_time(until, until + rules.NEWS_FOR, **clear) or until + rules.NEWS_FOR
    rows = _rows_near(user_id, rule, start=start, end=end)
    start = min([start, *(row.began_at for row in rows)])
    end = max([end, *(row.ended_at or row.last_at for row in rows)])
    found = episodes(*series.between(start, end), rule)
    dissolved = Reason.SUPERSEDED
    if recalibrated is not None:
        dissolved = Reason.RECALIBRATED
        rows, found = _since(recalibrated, rows, found)
    _agree(user_id, rule, rows, found, at=at, dissolved=dissolved)


def _since(time: datetime, rows: list[Alert], found: list[Episode]) -> tuple[list[Alert], list[Episode]]:
    """Without what was over by then: rows that are closed, and episodes that are no row's or only such a one's."""
    going_on = [row for row in rows if row.state != State.CLOSED or row.last_at >= time]
    later = [one for one in found if instant(one.last) >= time or any(_overlap(row, one) for row in going_on)]
    return [row for row in rows if row in going_on or any(_overlap(row, one) for one in later)], later


def _rows_near(user_id: UUID, rule: Rule, *, start: datetime, end: datetime) -> list[Alert]:
    """Every episode that readings of this span may change, and one that is not closed wherever it lies."""
    around = timedelta(seconds=rule.cool_down_s)
    touched = Q(last_at__gte=start - around, began_at__lte=end + around) | ~Q(state=State.CLOSED)
    rows = Alert.objects.select_for_update().filter(user_id=user_id, rule=rule.key).exclude(reason=Reason.RULE_GONE)
    return list(rows.filter(touched).order_by("began_at", "triggered_at"))


def _agree(
    user_id: UUID, rule: Rule, rows: list[Alert], found: list[Episode], *, at: datetime, dissolved: str
) -> None:
    """Make the rows say what was found; what ends is written before what begins."""
    free, pairs = rows[:], []
    for episode in found:
        same = [row for row in free if _overlap(row, episode)]
        row = min(same, key=lambda row: row.reason in Alert.DISSOLVED, default=None)
        if row is not None:
            free.remove(row)
        pairs.append((row, episode))
    for row in free:
        if row.reason not in Alert.DISSOLVED:
            _close(row, dissolved, at=at)
    for row, episode in pairs:
        _write(row, user_id, rule, episode, at=at)


def _overlap(row: Alert, episode: Episode) -> bool:
    return row.began_at <= instant(episode.last) and instant(episode.began) <= row.last_at


def _write(row: Alert | None, user_id: UUID, rule: Rule, episode: Episode, *, at: datetime) -> None:
    is_over = episode.is_over(rule, at=microseconds_of(at))
    alert = row or _begun(user_id, rule, at=at)
    before = (alert.state, alert.began_at, alert.last_at, alert.ended_at, alert.reason)
    alert.began_at, alert.last_at = instant(episode.began), instant(episode.last)
    alert.ended_at = instant(episode.last if episode.cleared is None else episode.cleared) if is_over else None
    if is_over:
        alert.reason = Reason.SILENCE if episode.cleared is None else Reason.CLEARED
        alert.state, alert.closed_at = State.CLOSED, alert.closed_at or at
        alert.escalate_at = alert.snoozed_until = None
    elif alert.state == State.CLOSED:
        alert.state = State.ACKNOWLEDGED if alert.acknowledged_at else State.OPEN
        alert.closed_at, alert.reason = None, ""
        alert.escalate_at = None if alert.escalated_at else escalates_at(alert, at=at)
    if before == (alert.state, alert.began_at, alert.last_at, alert.ended_at, alert.reason):
        return
    alert.save()
    if row is None:
        publish(
            MedicalAlertTriggered(
                alert_id=alert.alert_id,
                user_id=user_id,
                severity=alert.severity,
                ignores_quiet_hours=alert.severity == "critical",
                occurred_at=at,
            )
        )
    if row is None or before[0] != alert.state:
        broadcasting.tell(alert)


def _begun(user_id: UUID, rule: Rule, *, at: datetime) -> Alert:
    terms = {name: value for name, value in asdict(rule).items() if name not in ("key", "version", "stream")}
    alert = Alert(
        user_id=user_id,
        rule=rule.key,
        rule_version=rule.version,
        stream=rule.stream,
        severity=rule.severity,
        terms=terms,
        state=State.OPEN,
        triggered_at=at,
    )
    alert.escalate_at = escalates_at(alert, at=at)
    return alert


def escalates_at(alert: Alert, *, at: datetime) -> datetime | None:
    """When somebody else is to be told of an open alert; never, of one that is not critical or without a contact."""
    if alert.severity != "critical" or alert.acknowledged_at is not None:
        return None
    contact = EmergencyContact.objects.filter(user_id=alert.user_id).first()
    return at + timedelta(minutes=contact.after_minutes) if contact else None


def _close(alert: Alert, reason: str, *, at: datetime) -> None:
    alert.state, alert.reason, alert.closed_at = State.CLOSED, reason, alert.closed_at or at
    alert.escalate_at = alert.snoozed_until = None
    alert.ended_at = alert.ended_at or alert.last_at
    alert.save()
    broadcasting.tell(alert)
