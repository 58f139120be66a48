"""What is watched for whom: the critical bounds of a person's norms, and the bounds they have set themselves."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from contexts.health import rules
from contexts.health.alerts import alerting
from contexts.health.alerts.episodes import Rule, Severity, Side
from contexts.health.catalogue import METRICS
from contexts.health.judging import reviewing
from contexts.health.judging.norms import Norm
from contexts.health.models import AlertRule
from contexts.health.rules import Stream
from contexts.identity import services as identity
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput, NotFound, Refused

NUMBERS = ("bound", "hysteresis", "lasts_s", "silence_s", "cool_down_s", "severity")


class TooManyAlertRules(Refused):
    """You have as many alert rules as fit; remove one first."""


class SideTaken(Refused):
    """You have set a bound on this side of this metric already; change that one."""


def rules_for(*, user_id: UUID, streams: Iterable[str] | None = None) -> list[Rule]:
    """What is watched of these metrics, or of all. An own bound stands for the norm's on its side.

    Asks identity for age and sex, but only where a norm is watched; so not inside a unit of work.
    """
    wanted = {Stream[name] for name in streams if name in Stream.__members__} if streams is not None else set(Stream)
    own = [_own(row) for row in own_rules(user_id).filter(stream__in=wanted)]
    taken = {(rule.stream, rule.side) for rule in own}
    return own + [rule for rule in _of_norms(user_id, wanted) if (rule.stream, rule.side) not in taken]


def _of_norms(user_id: UUID, streams: set[Stream]) -> list[Rule]:
    watched = [n for n in reviewing.in_force() if n.watch and n.metric in Stream.__members__]
    watched = [norm for norm in watched if Stream[norm.metric] in streams]
    person = identity.get_physiology(user_id=user_id) if watched else None
    if person is None:
        return []
    fit = [norm for norm in watched if norm.covers(age=person.age, sex=person.sex)]
    of_sex = {norm.metric for norm in fit if norm.sex}
    return [rule for norm in fit if norm.sex or norm.metric not in of_sex for rule in bounds_of(norm)]


def bounds_of(norm: Norm) -> list[Rule]:
    """The rules that watch the critical bands of a norm, which has a `watch`."""
    watch, sides = norm.watch, {"low": norm.critical_below, "high": norm.critical_from}
    assert watch is not None, "only watched norms are asked"
    return [
        Rule(
            key=f"norm.{norm.key}.{side}",
            version=norm.version,
            stream=Stream[norm.metric],
            side=cast(Side, side),
            bound=bound,
            hysteresis=watch.hysteresis,
            lasts_s=watch.lasts_s,
            silence_s=watch.silence_s,
            cool_down_s=watch.cool_down_s,
            severity="critical",
            norm=norm.named,
        )
        for side, bound in sides.items()
        if bound is not None
    ]


def _own(row: AlertRule) -> Rule:
    return Rule(
        key=key_of(row),
        version=row.version,
        stream=Stream(row.stream),
        side=cast(Side, row.side),
        bound=row.bound,
        hysteresis=row.hysteresis,
        lasts_s=row.lasts_s,
        silence_s=row.silence_s,
        cool_down_s=row.cool_down_s,
        severity=cast(Severity, row.severity),
    )


def key_of(row: AlertRule) -> str:
    """As alerts name an own rule."""
    return f"own.{row.pk}"


def own_rules(user_id: UUID) -> Any:
    """What a person has set themselves."""
    return AlertRule.objects.filter(user_id=user_id).order_by("stream", "side")


@unit_of_work("health")
def add_rule(*, stream: Stream, side: str, numbers: Mapping[str, Any], by: UUID, at: datetime) -> AlertRule:
    """Set a bound of one's own. The norm's alert on that side ends with the next reading; this one begins there."""
    _ensure_plausible(stream, numbers["bound"])
    known = own_rules(by)
    if known.count() >= rules.MAX_ALERT_RULES:
        raise TooManyAlertRules
    if known.filter(stream=stream, side=side).exists():
        raise SideTaken
    alerting.let_go(user_id=by, stream=stream, side=side, at=at)
    return AlertRule.objects.create(user_id=by, stream=stream, side=side, written_at=at, **_only(numbers))


@unit_of_work("health")
def change_rule(*, rule_id: UUID, numbers: Mapping[str, Any], by: UUID, at: datetime) -> AlertRule:
    """Another bound from now on: a new version of the rule."""
    row = _own_row(rule_id, by)
    _ensure_plausible(Stream(row.stream), numbers["bound"])
    for name, value in _only(numbers).items():
        setattr(row, name, value)
    row.version, row.written_at = row.version + 1, at
    row.save()
    return row


@unit_of_work("health")
def remove_rule(*, rule_id: UUID, by: UUID, at: datetime) -> None:
    """The norm's bound counts again; an alert of this rule that is not over is closed."""
    row = _own_row(rule_id, by)
    alerting.let_go(user_id=by, stream=Stream(row.stream), side=row.side, at=at)
    row.delete()


def _own_row(rule_id: UUID, by: UUID) -> AlertRule:
    row = AlertRule.objects.select_for_update().filter(pk=rule_id, user_id=by).first()
    if row is None:
        raise NotFound
    return row


def _only(numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: numbers[name] for name in NUMBERS}


def _ensure_plausible(stream: Stream, bound: float) -> None:
    low, high = METRICS[stream].plausible
    if not low <= bound <= high:
        raise InvalidInput("Nobody alive can show this value.", field="bound", code="value_out_of_range")
