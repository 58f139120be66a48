"""The words of Strava's lists in the languages of their accounts, and the dates in them. Pure.

Names of columns are only those that have been seen in people's exports:
* English, before and after July 2019: hugovk/strava-tools pull request 1;
* German: martin-ueding/geo-activity-playground issues 191, 348 and 393;
* French, Dutch, Japanese: heads of exports in the tests of several public programs that read them;
* Spanish: one such test, as far as the file's name.
Other languages are read by the order of the columns, which is the same in all of them.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from typing import Final

COLUMNS: Final[dict[str, frozenset[str]]] = {
    "id": frozenset(
        (
            "activity id",
            "id",
            "aktivitäts-id",
            "id de l'activité",
            "activiteits-id",
            "id de actividad",
            "アクティビティid",
        )
    ),
    "date": frozenset(
        (
            "activity date",
            "date",
            "aktivitätsdatum",
            "date de l'activité",
            "datum van activiteit",
            "fecha de la actividad",
            "アクティビティ実行日",
        )
    ),
    "title": frozenset(
        (
            "activity name",
            "name",
            "name der aktivität",
            "nom de l'activité",
            "naam activiteit",
            "naam van activiteit",
            "nombre de la actividad",
            "アクティビティ名",
        )
    ),
    "kind": frozenset(
        (
            "activity type",
            "type",
            "aktivitätsart",
            "type d'activité",
            "activiteitstype",
            "tipo de actividad",
            "アクティビティタイプ",
        )
    ),
    "notes": frozenset(
        ("activity description", "description", "aktivitätsbeschreibung", "description de l'activité")
    ),
    "commute": frozenset(("commute", "pendeln", "déplacement-transport", "woon-werkverkeer")),
    "gear": frozenset(
        (
            "activity gear",
            "gear",
            "aktivitätsausrüstung",
            "matériel utilisé pour l'activité",
            "uitrusting voor activiteit",
            "materiaal voor activiteit",
        )
    ),
    "file": frozenset(
        ("filename", "dateiname", "nom du fichier", "bestandsnaam", "nombre del archivo", "ファイル名")
    ),
    "effort": frozenset(("perceived exertion", "gefühlte anstrengung")),
    "media": frozenset(("media", "medien")),
}
"""By what we read: what its column is called. The private note is not read: a coach sees a session's notes."""

SPORTS: Final[tuple[tuple[str, str], ...]] = (
    ("rowing", "rowing"),
    ("virtual row", "rowing"),
    ("ruder", "rowing"),
    ("lauf", "running"),
    ("course à pied", "running"),
    ("hardloop", "running"),
    ("carrera", "running"),
    ("ランニング", "running"),
    ("run", "running"),
    ("radfahr", "cycling"),
    ("radtour", "cycling"),
    ("vélo", "cycling"),
    ("fiets", "cycling"),
    ("ride", "cycling"),
    ("schwimm", "swimming"),
    ("natation", "swimming"),
    ("zwem", "swimming"),
    ("swim", "swimming"),
    ("wander", "walking"),
    ("spazier", "walking"),
    ("marche", "walking"),
    ("randonnée", "walking"),
    ("wandel", "walking"),
    ("hik", "walking"),
    ("walk", "walking"),
    ("krafttraining", "strength"),
    ("krachttraining", "strength"),
    ("weight", "strength"),
)
"""Parts of the words for a sport; the first that fits counts, after those in `NO_SPORT_OF_OURS`."""

NO_SPORT_OF_OURS: Final = ("ski", "langlauf", "eislauf", "rollschuh", "inline", "schneeschuh")
"""Words that hold one of those above and mean another sport."""

MONTHS: Final[tuple[tuple[str, ...], ...]] = (
    ("jan", "ene", "gen", "янв"),
    ("feb", "fév", "fev", "фев"),
    ("mar", "mär", "mrt", "maa", "мар"),
    ("apr", "avr", "abr", "апр"),
    ("may", "mai", "mei", "mag", "май", "мая"),
    ("jun", "juin", "giu", "июн"),
    ("jul", "juil", "lug", "июл"),
    ("aug", "aoû", "ago", "авг"),
    ("sep", "set", "сен"),
    ("oct", "okt", "ott", "out", "окт"),
    ("nov", "ноя"),
    ("dec", "dez", "déc", "dic", "дек"),
)
"""How the twelve months begin, in English, German, French, Spanish, Italian, Portuguese, Russian and Dutch."""

FIRST_YEAR: Final = 1970

_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_AFTERNOON = re.compile(r"\bp\.?\s?m\b|午後")
_MORNING = re.compile(r"\ba\.?\s?m\b|午前")
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"[^\W\d_]{3,}")


def plain(head: str) -> str:
    """A column's name as it is compared: in one case, one form of letters, one apostrophe."""
    one_form = unicodedata.normalize("NFKC", head).casefold()
    return " ".join(one_form.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())


def sport_of(words: str) -> str:
    """The sport a list names, or nothing where the words are not known."""
    wanted = plain(words)
    if any(word in wanted for word in NO_SPORT_OF_OURS):
        return ""
    return next((sport for word, sport in SPORTS if word in wanted), "")


def moment(text: str) -> datetime | None:
    """A date with or without a time, however the account's language writes it; None where it is none.

    Strava gives moments in universal time, and says so nowhere. Days go before months where both are numbers.
    """
    wanted = plain(text)
    clock = _TIME.search(wanted)
    day = wanted.replace(clock[0], " ") if clock else wanted
    numbers = [int(number) for number in _NUMBER.findall(day)]
    month = _named_month(day)
    if month is not None and len(numbers) == 2:
        numbers = [max(numbers), month, min(numbers)]
    elif len(numbers) == 3 and month is None:
        numbers = numbers if numbers[0] > 31 else numbers[::-1]
    else:
        return None
    year, month, day_of_month = numbers
    try:
        at = datetime(year, month, day_of_month, *_hours(clock, wanted), tzinfo=UTC)
    except ValueError:
        return None
    return at if year >= FIRST_YEAR else None


def _named_month(day: str) -> int | None:
    words = _WORD.findall(day)
    found = [nth for nth, begins in enumerate(MONTHS, 1) for word in words if word.startswith(begins)]
    return found[0] if found else None


def _hours(clock: re.Match[str] | None, text: str) -> tuple[int, int, int]:
    if clock is None:
        return 0, 0, 0
    hour, minute, second = (int(part or 0) for part in clock.groups())
    if _AFTERNOON.search(text):
        hour = hour % 12 + 12
    elif _MORNING.search(text):
        hour = hour % 12
    return hour, minute, second
