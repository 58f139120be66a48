"""What booking does by the clock. Nobody waits for any of it: what has run out is over, tidied up or not."""

from celery import shared_task

from contexts.booking import organising, processes, releasing, series, settling
from kernel.databases import database_time

__all__ = ["advance_processes", "extend_series", "look_at_sport_events", "settling", "tidy_up"]


@shared_task(ignore_result=True)
def advance_processes() -> int:
    """Every second, and when something has begun: money taken, money returned, cancelled events cleared."""
    return processes.advance_due(at=database_time("booking"))


@shared_task(ignore_result=True)
def tidy_up() -> int:
    """Every second: what has run out goes to the waitlist, so that the offer finds who waits without a visitor."""
    at = database_time("booking")
    return sum(releasing.tidy(sport_event_id=one, at=at) for one in releasing.with_lapsed(at=at))


@shared_task(ignore_result=True)
def look_at_sport_events() -> None:
    """Every minute: whether enough take part, and what is over."""
    at = database_time("booking")
    organising.decide_due(at=at)
    organising.finish_over(at=at)


@shared_task(ignore_result=True)
def extend_series() -> int:
    """Every hour: the events of series that have come within reach."""
    return series.extend_due(at=database_time("booking"))


EVERY = {advance_processes: 1.0, tidy_up: 1.0, look_at_sport_events: 60.0, extend_series: 3600.0}
