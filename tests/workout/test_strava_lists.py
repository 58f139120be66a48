"""Strava's list of activities in the languages of their accounts."""

import gzip
from datetime import UTC, datetime

import pytest

from contexts.workout.imports import strava_lists, strava_words
from contexts.workout.models import TrainingSession
from tests.workout.conftest import SESSIONS
from tests.workout.test_batches import BEGIN, day, outcomes, post, sent, shown, unpack, zipped

__all__ = ["sent", "unpack"]

TAIL = ",Weight,Bike weight,Elapsed,{effort},Media"

ENGLISH = (
    "Activity ID,Activity Date,Activity Name,Activity Type,Activity Description,Elapsed Time,Distance,Max Heart Rate,"
    "Relative Effort,Commute,Activity Private Note,Activity Gear,Filename" + TAIL.format(effort="Perceived Exertion")
)
GERMAN = (
    "Aktivitäts-ID,Aktivitätsdatum,Name der Aktivität,Aktivitätsart,Aktivitätsbeschreibung,Verstrichene Zeit,Distanz,"
    "Max. Herzfrequenz,Relative Leistung,Pendeln,Hinweis zur Privatsphäre für Aktivitäten,Aktivitätsausrüstung,"
    "Dateiname,Sportlergewicht,Fahrradgewicht,Verstrichene Zeit,Gefühlte Anstrengung,Medien"
)
FRENCH = (
    "ID de l'activité,Date de l'activité,Nom de l'activité,Type d'activité,Description de l'activité,Temps écoulé,"
    "Distance,Fréquence cardiaque max.,Effort relatif,Déplacement-transport,Note privée sur les activités,"
    "Matériel utilisé pour l'activité,Nom du fichier,Poids de l'athlète,Poids du vélo,Temps écoulé,?,Médias"
)
DUTCH = (
    "Activiteits-ID,Datum van activiteit,Naam activiteit,Activiteitstype,?,Verstreken tijd,Afstand,Max. hartslag,?,"
    "Woon-werkverkeer,?,Uitrusting voor activiteit,Bestandsnaam,?,?,?,?,?"
)
SPANISH = (
    "ID de actividad,Fecha de la actividad,Nombre de la actividad,Tipo de actividad,?,?,?,?,?,?,?,?,"
    "Nombre del archivo,?,?,?,?,?"
)
JAPANESE = (
    "アクティビティID,アクティビティ実行日,アクティビティ名,アクティビティタイプ,?,?,?,?,?,?,?,?,ファイル名,?,?,?,?,?"
)
UNSEEN = ",".join(f"столбец {number}" for number in range(18))
"""A language none of whose names is known: all is told by shape and order."""

DATES = {
    "en": (ENGLISH, "Mar 1, 2026, 8:00:00\u202fAM", "Run"),
    "de": (GERMAN, "01.03.2026, 08:00:00", "Lauf"),
    "fr": (FRENCH, "1 mars 2026, 08:00:00", "Course à pied"),
    "nl": (DUTCH, "1 mrt. 2026 08:00:00", "Hardloopsessie"),
    "es": (SPANISH, "1 mar 2026, 8:00:00", "Carrera"),
    "ja": (JAPANESE, "2026/03/01 8:00:00", "ランニング"),
    "it": (UNSEEN, "1 mar 2026, 08:00:00", "?"),
    "pt": (UNSEEN, "1 de mar. de 2026, 08:00:00", "?"),
    "ru": (UNSEEN, "1 мар. 2026 г., 08:00:00", "?"),
}


def rows(date, kind, *, file="activities/77.gpx.gz"):
    """An activity, and one that was entered by hand and has no file."""
    return (
        f'101,"{date}",Утро,{kind},"two\nlines",300,"1,2",,,true,"for me alone",Old shoes,{file},70,,300.0,6.0,'
        "media/a.jpg|media/b.jpg\n"
        f'102,"{date}",By hand,{kind},,60,"0,1",,,false,,,,70,,60.0,,\n'
    )


@pytest.mark.django_db(databases="__all__", transaction=True)
class TestArchives:
    @pytest.mark.parametrize("language", DATES)
    def test_wo9_a_strava_export_is_read_in_any_language(self, register, unpack, language):
        head, date, kind = DATES[language]
        person = register()
        unnamed = day(0).replace(b"<type>running</type>", b"")
        answer = post(
            person,
            zipped(
                {
                    "export/activities.csv": "\ufeff" + head + "\n" + rows(date, kind),
                    "export/activities/77.gpx.gz": gzip.compress(unnamed),
                }
            ),
        )
        unpack()
        assert outcomes(person, answer)["export/activities.csv"] == ("left_out", "not_a_recording")
        (item,) = person.api.get(SESSIONS).json()["items"]
        told = person.api.get(f"{SESSIONS}/{item['id']}").json()
        assert (told["title"], told["notes"], told["gear"]) == ("Утро", "two\nlines", ["Old shoes"])
        assert (told["commute"], told["media"]) == (True, ["media/a.jpg", "media/b.jpg"])
        assert told["sport"] == ("other" if kind == "?" else "running")
        assert told["effort"] == (6 if language in ("en", "de") else None)
        assert "alone" not in str(told)

    def test_wo9_a_list_that_is_not_understood_says_so_and_loses_no_file(self, register, unpack):
        person = register()
        answer = post(
            person,
            zipped({"activities.csv": "a,b\n1,2\n", "activities/1.gpx": day(0), "activities/2.gpx": day(1)}),
        )
        unpack()
        assert outcomes(person, answer) == {
            "activities.csv": ("left_out", "list_not_understood"),
            "activities/1.gpx": ("done", None),
            "activities/2.gpx": ("done", None),
        }
        assert shown(person, answer)["state"] == "done"

    def test_wo9_a_recording_under_another_name_is_known_by_its_start(self, register, unpack):
        person = register()
        post(person, zipped({"activities.csv": GERMAN + "\n" + rows(*DATES["de"][1:]), "mine.gpx": day(0)}))
        unpack()
        assert [each.title for each in TrainingSession.objects.all()] == ["Утро"]

    def test_wo9_the_file_decides_the_sport_where_it_names_one(self, register, unpack):
        person = register()
        listed = ENGLISH + "\n" + rows(DATES["en"][1], "Ride", file="activities/1.gpx")
        post(person, zipped({"activities.csv": listed, "activities/1.gpx": day(0)}))
        unpack()
        assert [item["sport"] for item in person.api.get(SESSIONS).json()["items"]] == ["running"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sep 12, 2018, 3:02:23 PM", (2018, 9, 12, 15, 2, 23)),
        ("Sep 12, 2018, 12:02:23 AM", (2018, 9, 12, 0, 2, 23)),
        ("2018-09-12 15:02:23", (2018, 9, 12, 15, 2, 23)),
        ("09.12.2022, 15:24:49", (2022, 12, 9, 15, 24, 49)),
        ("6 mrt. 2024 14:23:15", (2024, 3, 6, 14, 23, 15)),
        ("2026/06/29 20:14:15", (2026, 6, 29, 20, 14, 15)),
        ("2026年6月29日 20:14", (2026, 6, 29, 20, 14)),
        ("31 août 2019 à 16:28:41", (2019, 8, 31, 16, 28, 41)),
        ("12 dic 2025, 8:00:00", (2025, 12, 12, 8)),
        ("5 de out. de 2023, 07:15:00", (2023, 10, 5, 7, 15)),
        ("28 мая 2024 г., 10:00:01", (2024, 5, 28, 10, 0, 1)),
    ],
)
def test_a_date_is_read_in_the_accounts_language(text, expected):
    assert strava_words.moment(text) == datetime(*expected, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "Morning Run", "31 Feb 2024", "3661", "12.09.18", "1 2 3 2024", "1:2"])
def test_what_is_no_date_is_none(text):
    assert strava_words.moment(text) is None


@pytest.mark.parametrize(
    ("words", "sport"),
    [
        ("Virtuelle Radfahrt", "cycling"),
        ("Trail Run", "running"),
        ("Ski de randonnée", ""),
        ("Skilanglauf", ""),
        ("Virtuele fietsrit", "cycling"),
        ("Schwimmen", "swimming"),
        ("Krachttraining", "strength"),
        ("Rowing", "rowing"),
        ("Yoga", ""),
    ],
)
def test_a_kind_of_activity_is_one_of_our_sports_or_none(words, sport):
    assert strava_words.sport_of(words) == sport


def test_a_list_saved_by_another_program_is_read():
    listed = (GERMAN + "\n" + rows(DATES["de"][1], "Lauf")).replace(",", ";").replace("activities/", "activities\\")
    (found,) = strava_lists.read(listed.encode())
    assert (found.file, found.said["title"], found.began_s) == ("activities/77.gpx.gz", "Утро", BEGIN.timestamp())


@pytest.mark.parametrize("data", [b"", b"\n", b"\xff\xfe\x00", b'"', b"file,files\nx,y\n", b"a;b\n" * 3])
def test_any_bytes_are_read_or_not_understood(data):
    with pytest.raises(strava_lists.NotUnderstood):
        strava_lists.read(data)
