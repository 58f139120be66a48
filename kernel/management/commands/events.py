"""`manage.py events`: the operator's hands on the event bus."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from kernel import relay
from kernel.bus import handler_named, handlers
from kernel.databases import alias_of
from kernel.events import catalogue, schema_of
from kernel.models import FailedDelivery
from kernel.observability import backlog


class Command(BaseCommand):
    """`lag`, `list`, `replay`, `discard`, `replay-past`, `catalogue`, `schemas`."""

    help = "Look at the event bus, replay and discard failed deliveries, print the event catalogue."

    def add_arguments(self, parser: CommandParser) -> None:
        """One sub-command each."""
        jobs = parser.add_subparsers(dest="job", required=True)
        jobs.add_parser("lag", help="what waits in each context")
        jobs.add_parser("list", help="failed deliveries and dead letters")
        for name, about in (("replay", "try failed deliveries again now"), ("discard", "give up on them")):
            job = jobs.add_parser(name, help=about)
            job.add_argument("context", choices=settings.CONTEXTS)
            job.add_argument("delivery", nargs="+", type=int, help="ids as `list` shows them")
        past = jobs.add_parser("replay-past", help="give a context's past events to one handler")
        past.add_argument("context", choices=settings.CONTEXTS)
        past.add_argument("handler", help="for example gamification.award_points_for_workout")
        past.add_argument("--hours", type=float, default=24.0)
        jobs.add_parser("catalogue", help="docs/events.md, made from the code")
        jobs.add_parser("schemas", help="the JSON Schemas of all events")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the chosen sub-command."""
        getattr(self, f"_{options['job'].replace('-', '_')}")(options)

    def _lag(self, options: dict[str, Any]) -> None:
        for figure in map(backlog, settings.CONTEXTS):
            self.stdout.write(
                f"{figure.context:14} waiting {figure.waiting:6}  oldest {figure.oldest_s:8.1f} s"
                f"  retrying {figure.retrying:5}  dead {figure.dead:5}"
            )

    def _list(self, options: dict[str, Any]) -> None:
        for context in settings.CONTEXTS:
            for row in FailedDelivery.objects.using(alias_of(context)).order_by("id"):
                self.stdout.write(
                    f"{context} {row.pk} {row.state} {row.handler} {row.type} {row.event_id}"
                    f" tries={row.attempts} next={row.next_attempt_at:%FT%TZ} {row.error.splitlines()[0]}"
                )

    def _replay(self, options: dict[str, Any]) -> None:
        count = relay.replay(context=options["context"], delivery_ids=options["delivery"])
        self.stdout.write(f"{count} will be tried again")

    def _discard(self, options: dict[str, Any]) -> None:
        count = relay.discard(context=options["context"], delivery_ids=options["delivery"])
        self.stdout.write(f"{count} discarded")

    def _replay_past(self, options: dict[str, Any]) -> None:
        try:
            handler = handler_named(options["handler"])
        except KeyError:
            known = ", ".join(sorted(handler.name for handler in handlers()))
            raise CommandError(f"There is no handler {options['handler']!r}. Known: {known}.") from None
        since = datetime.now(UTC) - timedelta(hours=options["hours"])
        count = relay.replay_events(context=options["context"], handler=handler, since=since)
        self.stdout.write(f"{count} events given to {handler.name}")

    def _catalogue(self, options: dict[str, Any]) -> None:
        self.stdout.write(catalogue_page(), ending="")

    def _schemas(self, options: dict[str, Any]) -> None:
        self.stdout.write(schemas_document(), ending="")


def schemas_document() -> str:
    """All events' schemas as the JSON document that consumers in any language may rely on."""
    schemas = {f"{event.type}@{event.version}": schema_of(event) for event in catalogue() if _is_ours(event)}
    return json.dumps(schemas, indent=1, sort_keys=True) + "\n"


def catalogue_page() -> str:
    """docs/events.md: each event, what it says, and who reacts."""
    lines = ["# Domain events", "", "Made by `python manage.py events catalogue`; do not edit.", ""]
    for event in filter(_is_ours, catalogue()):
        about = " ".join((event.__doc__ or "").split())
        lines += [f"## `{event.type}` (version {event.version})", "", about, ""]
        lines += [f"Stream `{event.stream}`, ordered by `{event.key_field}`.", ""]
        lines += ["| field | type | required |", "|---|---|---|"]
        schema = schema_of(event)["schema"]
        for name, form in schema["properties"].items():
            required = "yes" if name in schema["required"] else "no"
            lines.append(f"| `{name}` | {_named(form)} | {required} |")
        reacting = sorted(f"`{handler.name}`" for handler in handlers() if event.type in handler.reacts_to)
        lines += ["", f"Handled by: {', '.join(reacting) or 'nobody yet'}.", ""]
    return "\n".join(lines)


def _is_ours(event: Any) -> bool:
    return str(event.__module__).startswith("contexts.")


def _named(form: dict[str, Any]) -> str:
    if "anyOf" in form:
        return " or ".join(_named(option) for option in form["anyOf"])
    if "enum" in form:
        return " or ".join(f"`{value}`" for value in form["enum"])
    if form.get("type") == "array":
        return f"list of {_named(form['items'])}"
    return str(form.get("format") or form.get("type") or form.get("$ref", "").rsplit("/", 1)[-1])
