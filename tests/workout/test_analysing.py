"""Sessions are analysed, every number can be explained, and settings that change have everything computed anew."""

from dataclasses import replace
from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.utils.timezone import now

from contexts.workout import tasks
from contexts.workout.analysis import derived, load
from contexts.workout.models import Analysis, TrainingSession
from contexts.workout.numbers import analysing, recomputing
from tests.conftest import agree
from tests.workout.conftest import SESSIONS, gpx, hand_in, move, start

WORKOUT = "/api/v1/workout"

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def ran(person, work, days_ago=2, **more):
    """A run read from a file, and analysed."""
    hand_in(person, gpx((now() - timedelta(days=days_ago)).replace(microsecond=0), points=200, **more))
    work()
    tasks.analyse_sessions()
    return TrainingSession.objects.filter(user_id=person.user_id).latest("id")


def analysis_of(person, session):
    answer = person.api.get(f"{SESSIONS}/{session.pk}/analysis")
    assert answer.status_code == 200, answer.content
    return answer.json()


def put(person, **known):
    since = str((now() - timedelta(days=10)).date())
    return person.api.put(f"{WORKOUT}/thresholds", {"valid_from": since} | known)


def said_of(job):
    """What `manage.py analyses` prints."""
    printed = StringIO()
    call_command("analyses", job, stdout=printed)
    return printed.getvalue()


def why(person, session, number):
    return person.api.get(f"{SESSIONS}/{session.pk}/why/{number}")


class TestAnalysis:
    def test_wo5_a_session_is_analysed_after_its_end(self, register, work):
        anna = register(birth_date="1990-01-01", sex="female", body_mass_kg=60)
        hand_in(anna, gpx((now() - timedelta(days=2)).replace(microsecond=0), points=200))
        work()
        session = TrainingSession.objects.get()
        assert analysis_of(anna, session)["state"] == "waiting"
        assert tasks.analyse_sessions() == 1
        found = analysis_of(anna, session)
        assert (found["state"], found["version"]) == ("ready", 1)
        assert found["numbers"]["pacing"]["efforts"]["5k"]["value"] == pytest.approx(5_000 / 3, rel=0.01)
        assert len(found["numbers"]["pacing"]["splits"]) == 6
        assert tasks.analyse_sessions() == 0

    def test_a_session_that_fails_spoils_no_other_that_is_stored_with_it(self, register, work, monkeypatch):
        anna = register(birth_date="1990-01-01", sex="female")
        for days in (9, 6, 3):
            hand_in(anna, gpx((now() - timedelta(days=days)).replace(microsecond=0), points=200))
        work()
        sessions = list(TrainingSession.objects.order_by("started_at"))
        compute = analysing.compute

        def fail_for_one(session, settings):
            if session == sessions[1]:
                raise ValueError
            return compute(session, settings)

        with monkeypatch.context() as patched:
            patched.setattr(analysing, "compute", fail_for_one)
            assert tasks.analyse_sessions() == 2
        assert [analysis_of(anna, each)["state"] for each in sessions] == ["ready", "waiting", "ready"]
        assert tasks.analyse_sessions() == 1
        assert analysis_of(anna, sessions[1])["state"] == "ready"

    def test_every_number_can_be_explained(self, register, work):
        anna = register(birth_date="1990-01-01", sex="female", body_mass_kg=60)
        session = ran(anna, work)
        names = [name for name, _ in analysing.numbers_in(analysis_of(anna, session)["numbers"])]
        assert {"moving", "distance", "ascent", "pacing.efforts.5k", "heart_rate.average"} <= set(names)
        assert {"energy.estimates.met.active", "energy.estimates.heart_rate.total", "zones.heart_rate"} <= set(names)
        for name in names:
            told = why(anna, session, name)
            assert told.status_code == 200, (name, told.content)
            assert told.json()["formula"]
            assert told.json()["source"]
        unknown = why(anna, session, "luck")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_number")

    def test_another_setting_computes_anew_and_keeps_what_was(self, register, work):
        anna = register(birth_date="1990-01-01", sex="female")
        old, new = ran(anna, work, days_ago=40), ran(anna, work, days_ago=2, bpm=150)
        before = analysis_of(anna, new)["numbers"]["zones"]["heart_rate"]["seconds"]
        since = str((now() - timedelta(days=10)).date())
        put = anna.api.put(f"{WORKOUT}/thresholds", {"valid_from": since, "hr_max": 160, "resting_bpm": 50})
        assert put.status_code == 200, put.content
        assert anna.api.get(f"{WORKOUT}/fitness").json()["waiting"] == 1
        assert analysis_of(anna, new)["state"] == "waiting"
        assert tasks.analyse_sessions() == 1
        found = analysis_of(anna, new)
        assert (found["state"], found["version"]) == ("ready", 2)
        assert found["numbers"]["zones"]["heart_rate"]["seconds"] != before
        assert Analysis.objects.filter(session=new, version=1, is_current=False).exists()
        assert analysis_of(anna, old)["version"] == 1
        told = why(anna, new, "heart_rate.average").json()
        assert [one["reason"] for one in told["earlier"]] == ["new"]

    def test_lucia_cameron_and_storer_stand_beside_the_others(self, register, work):
        anna = register(birth_date="1990-01-01", sex="female", body_mass_kg=60)
        session = ran(anna, work, bpm=160)
        numbers = analysis_of(anna, session)["numbers"]
        assert numbers["strain"]["lucia"]["inputs"]["zones"] == "ventilatory-by-maximum-heart-rate@1"
        assert numbers["pacing"]["predictions_cameron"]["10k"]["value"] > 2 * 5_000 / 3
        for first, second, code in ((150, None, "threshold_missing"), (170, 150, "thresholds_do_not_rise")):
            refused = put(anna, vt1_bpm=first, vt2_bpm=second)
            assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, code)
        assert put(anna, vt1_bpm=140, vt2_bpm=158).status_code == 200
        tasks.analyse_sessions()
        told = why(anna, session, "strain.lucia").json()
        assert told["inputs"]["zones"] == "zones-of-ventilatory-thresholds@1"
        assert told["value"] == pytest.approx(3 * told["inputs"]["minutes"], abs=0.01)
        assert why(anna, session, "pacing.predictions_cameron.10k").json()["algorithm"] == "cameron-1998@1"
        # A ramp test by its power alone, as a trainer in the cellar records it.
        watts = [80.0] * 120 + [float(100 + 15 * minute) for minute in range(10) for _ in range(60)] + [50.0] * 60
        ridden, begin = start(anna, "cycling"), now() - timedelta(minutes=30)
        TrainingSession.objects.filter(id=ridden["id"]).update(started_at=begin)
        times = [int(begin.timestamp() * 1_000) + 1_000 * second + 1 for second in range(len(watts))]
        series = [{"kind": "power", "times_ms": times, "values": watts}]
        assert anna.api.post(f"{SESSIONS}/{ridden['id']}/samples", {"series": series}).status_code == 200
        move(anna, ridden, "complete")
        tasks.analyse_sessions()
        told = why(anna, TrainingSession.objects.get(id=ridden["id"]), "riding.vo2max").json()
        assert (told["algorithm"], told["unit"]) == ("storer-1990@1", "ml/kg/min")
        assert told["value"] == pytest.approx((9.39 * 235 + 7.7 * 60 - 5.88 * told["inputs"]["age"] + 136.7) / 60)

    def test_formulas_are_told_in_the_readers_language(self, register, work):
        anna = register(birth_date="1990-01-01", sex="female")
        session = ran(anna, work)
        path = f"{SESSIONS}/{session.pk}/why/strain.lucia"
        english, russian = (anna.api.get(path, headers={"Accept-Language": tongue}).json() for tongue in ("en", "ru"))
        assert "minutes below the first ventilatory threshold" in english["formula"]
        assert "вентиляционного порога" in russian["formula"]
        assert russian["value"] == english["value"]
        listed = anna.api.get(f"{WORKOUT}/algorithms", headers={"Accept-Language": "ru"}).json()["algorithms"]
        assert next(one for one in listed if one["name"] == "fox-1971@1")["formula"] == "220 − возраст"

    def test_reasons_have_a_code_and_are_told_in_the_readers_language(self, register, work):
        anna = register(birth_date="1950-01-01", sex="female", body_mass_kg=60)
        session = ran(anna, work, bpm=190)
        put(anna, threshold_bpm=165, resting_bpm=50)
        tasks.analyse_sessions()

        def told(tongue):
            headers = {"Accept-Language": tongue}
            numbers = anna.api.get(f"{SESSIONS}/{session.pk}/analysis", headers=headers).json()["numbers"]
            shown = anna.api.get(f"{SESSIONS}/{session.pk}", headers=headers).json()
            number = anna.api.get(f"{SESSIONS}/{session.pk}/why/pacing.normalised", headers=headers).json()
            said = [*number["exclusions"], *numbers["quality"]["flags"], *shown["anomalies"]]
            return {one["code"]: one["reason"] for one in [*said, numbers["energy"], numbers["strain"]["load"]]}

        english, russian = told("en"), told("ru")
        assert english["window_not_full"] == "the first window is not full"
        assert russian["window_not_full"] == "первое окно ещё не заполнено"
        flagged = {"heart_rate_above_limit", "heart_rate_flat_line", "heart_rate_above_age_limit"}
        assert (
            set(english)
            == set(russian)
            == flagged
            | {
                "window_not_full",
                "energy_by_heart_rate",
                "load_by_heart_rate",
            }
        )
        assert all(english[code] != russian[code] for code in english)
        # A number of the time when reasons had no codes: it kept the English sentence.
        found = Analysis.objects.get(session=session, is_current=True)
        found.numbers["pacing"]["normalised"]["exclusions"] = [
            {"what": "seconds", "count": 29, "reason": "the first window is not full"}
        ]
        found.save()
        assert told("ru") == russian

    def test_wo5_a_better_algorithm_computes_anew_by_itself_and_keeps_what_was(self, register, work, monkeypatch):
        anna = register(birth_date="1990-01-01", sex="female")
        sessions = [ran(anna, work, days_ago=days) for days in (2, 4, 6)]
        assert tasks.mark_outdated_analyses() == 0
        self.declare(monkeypatch, "edwards-1993@2", times=2)
        monkeypatch.setattr(recomputing, "MOST_WAITING", 2)
        assert "of old algorithms        3" in said_of("progress")
        assert tasks.mark_outdated_analyses() == 2
        assert tasks.mark_outdated_analyses() == 0, "as many wait as may wait"
        assert "waiting algorithm         2" in said_of("progress")
        assert tasks.analyse_sessions() == 2
        assert (tasks.mark_outdated_analyses(), tasks.analyse_sessions()) == (1, 1)
        assert (tasks.mark_outdated_analyses(), tasks.analyse_sessions()) == (0, 0)
        for session in sessions:
            told = why(anna, session, "strain.edwards").json()
            (earlier,) = told["earlier"]
            assert (told["algorithm"], earlier["algorithm"]) == ("edwards-1993@2", "edwards-1993@1")
            assert told["value"] == pytest.approx(2 * earlier["value"])
        assert set(Analysis.objects.filter(is_current=True).values_list("reason", flat=True)) == {"algorithm"}

    def test_wo5_a_version_that_changes_nothing_is_tried_once(self, register, work, monkeypatch):
        anna = register(birth_date="1990-01-01", sex="female")
        session = ran(anna, work)
        monkeypatch.setitem(derived._DECLARED, "edwards-1993@2", replace(load.EDWARDS, name="edwards-1993@2"))
        assert (tasks.mark_outdated_analyses(), tasks.analyse_sessions()) == (1, 1)
        assert (tasks.mark_outdated_analyses(), Analysis.objects.count()) == (0, 1)
        self.declare(monkeypatch, "edwards-1993@3", times=3)
        assert said_of("anew") == "1 sessions will be analysed anew\n"
        tasks.analyse_sessions()
        assert why(anna, session, "strain.edwards").json()["algorithm"] == "edwards-1993@3"
        assert tasks.mark_outdated_analyses() == 0

    @staticmethod
    def declare(monkeypatch, name, *, times):
        """A new version of Edwards' load, so many times the first."""
        better, first = replace(load.EDWARDS, name=name), load.edwards
        monkeypatch.setitem(derived._DECLARED, name, better)
        monkeypatch.setattr(load, "edwards", lambda seconds: better.number(times * first(seconds).value))

    def test_wo5_a_body_mass_told_later_gives_the_energy_of_what_was_before(self, register, work, deliver):
        anna = register(birth_date="1990-01-01", sex="female")
        early = ran(anna, work, days_ago=9)
        assert anna.api.get(f"{SESSIONS}/{early.pk}").json()["energy_kcal"] is None
        for kilograms in (60, 90):
            assert anna.api.patch("/api/v1/identity/me", {"body_mass_kg": kilograms}).status_code == 200
            deliver()
            tasks.analyse_sessions()
            shown = anna.api.get(f"{SESSIONS}/{early.pk}").json()
            told = why(anna, early, "energy.resting").json()
            assert (told["inputs"]["body_mass_kg"], len(told["earlier"])) == (60, 0), "the body of that day stays"
            assert shown["energy_kcal"] == pytest.approx(self.energy_of(anna, early), abs=0.01)
        assert shown["methods"]["energy_kcal"]["algorithm"] == "keytel-2005@1"
        versions = Analysis.objects.filter(session=early).order_by("version")
        assert list(versions.values_list("reason", flat=True)) == ["new", "settings"]

    @staticmethod
    def energy_of(person, session):
        return analysis_of(person, session)["numbers"]["energy"]["estimates"][0]["total"]["value"]

    def test_zones_are_the_athletes_own(self, register, work):
        anna = register(birth_date="1990-01-01", sex="female")
        session = ran(anna, work, bpm=140)
        since = str((now() - timedelta(days=10)).date())
        own = {"valid_from": since, "zones_by": "custom", "zones_bpm": [100, 130, 145], "sport": "running"}
        assert anna.api.put(f"{WORKOUT}/thresholds", own).status_code == 200
        tasks.analyse_sessions()
        zones = analysis_of(anna, session)["numbers"]["zones"]["heart_rate"]
        assert zones["bounds"]["lower"] == [100, 130, 145]
        assert zones["seconds"][1] > 0 == zones["seconds"][2]

    def test_wo5_a_session_and_its_analysis_tell_of_the_same_zones(self, register, work):
        """Until the analysis the summary's, by the maximum; each with its bounds."""
        anna = register(birth_date="1990-01-01", sex="female")
        own = {"zones_by": "custom", "zones_bpm": [100, 130, 145], "sport": "running"}
        assert put(anna, **own).status_code == 200
        hand_in(anna, gpx((now() - timedelta(days=2)).replace(microsecond=0), bpm=140))
        work()
        session = TrainingSession.objects.get()
        before = anna.api.get(f"{SESSIONS}/{session.pk}").json()
        highest = 220 - session.athlete["age"]
        assert before["hr_zones_bpm"] == pytest.approx([highest * part / 10 for part in (5, 6, 7, 8, 9)])
        assert before["methods"]["hr_zones_s"]["algorithm"] == "fox-1971@1"
        assert len(before["hr_zones_s"]) == 6
        tasks.analyse_sessions()
        after = anna.api.get(f"{SESSIONS}/{session.pk}").json()
        zones = analysis_of(anna, session)["numbers"]["zones"]["heart_rate"]
        assert after["hr_zones_bpm"] == zones["bounds"]["lower"] == [100, 130, 145]
        assert after["hr_zones_s"] == [zones["below_s"], *zones["seconds"]]
        assert sum(after["hr_zones_s"]) == sum(before["hr_zones_s"]) > 0
        assert after["methods"]["hr_zones_s"]["algorithm"] == "custom-zones"

    def test_thresholds_that_cannot_be_are_refused(self, register):
        anna, boris = register(), register()
        for more, code in (
            ({"zones_by": "custom"}, "zones_missing"),
            ({"zones_by": "custom", "zones_bpm": [120, 110]}, "zones_do_not_rise"),
        ):
            answer = anna.api.put(f"{WORKOUT}/thresholds", {"valid_from": "2026-01-01"} | more)
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)
        made = anna.api.put(f"{WORKOUT}/thresholds", {"valid_from": "2026-01-01", "ftp_w": 250}).json()
        assert boris.api.delete(f"{WORKOUT}/thresholds/{made['id']}").status_code == 404
        assert anna.api.delete(f"{WORKOUT}/thresholds/{made['id']}").status_code == 204

    def test_fitness_follows_from_the_loads_of_each_day(self, register, work):
        anna = register(birth_date="1990-01-01", sex="female")
        anna.api.put(
            f"{WORKOUT}/thresholds",
            {"valid_from": "2020-01-01", "resting_bpm": 50, "threshold_bpm": 165, "hr_max": 185},
        )
        ran(anna, work, days_ago=2, bpm=160)
        shown = anna.api.get(f"{WORKOUT}/fitness").json()
        days = shown["days"]
        assert [one["name"] for one in shown["algorithms"]] == ["fitness-42d@1", "fatigue-7d@1", "form@1"]
        assert len(days) == 91
        loaded = [day for day in days if day["load"] > 0]
        assert len(loaded) == 1
        assert days[-1]["fitness"] == pytest.approx(loaded[0]["fitness"] * 2.718281828 ** (-2 / 42), rel=1e-3)
        told = anna.api.get(f"{WORKOUT}/fitness/why?day={loaded[0]['day']}").json()
        assert [one["load"] for one in told["sessions"]] == [loaded[0]["load"]]
        fitness, _, form = told["numbers"]
        assert (fitness["value"], fitness["algorithm"]["name"]) == (loaded[0]["fitness"], "fitness-42d@1")
        assert fitness["inputs"] == {"load": loaded[0]["load"], "fitness_before": 0}
        assert (form["value"], form["inputs"]) == (0, {"fitness_before": 0, "fatigue_before": 0})
        assert anna.api.get(f"{WORKOUT}/fitness/why").status_code == 400
        backwards = anna.api.get(f"{WORKOUT}/fitness?from=2026-05-02&to=2026-05-01")
        assert (backwards.status_code, backwards.json()["errors"][0]["code"]) == (400, "bad_range")
        assert anna.api.get(f"{WORKOUT}/fitness?from=0001-01-01&to=0001-01-02").status_code == 400

    def test_wo5_without_thresholds_a_heart_rate_gives_an_estimated_load(self, register, work):
        """By age and what is usual, then by what devices measured; it counts where nothing else does."""
        anna = register(birth_date="1990-01-01", sex="female")
        agree(anna)
        first = ran(anna, work, days_ago=3, bpm=150)
        strain = analysis_of(anna, first)["numbers"]["strain"]["load"]
        assert (strain["code"], strain["others"]) == ("load_by_heart_rate_estimated", [])
        told = why(anna, first, "strain.load.believed").json()
        assert told["algorithm"] == "load-by-heart-rate-estimated@1"
        assert (told["inputs"]["resting_by"], told["inputs"]["resting_bpm"]) == ("usual", 60)
        for days, bpm in ((9, 48), (6, 52), (5, 50)):
            at = (now() - timedelta(days=days)).isoformat()
            rest = {"stream": "resting_heart_rate", "value": bpm, "time": at}
            assert anna.api.post("/api/v1/health/entries", rest).status_code == 201
        second = ran(anna, work, days_ago=2, bpm=150)
        inputs = why(anna, second, "strain.load.believed").json()["inputs"]
        assert (inputs["resting_by"], inputs["resting_bpm"]) == ("devices", 50)
        days = {day["day"]: day for day in anna.api.get(f"{WORKOUT}/fitness").json()["days"]}
        loads = [days[str((now() - timedelta(days=ago)).date())] for ago in (3, 2, 1)]
        assert [day["estimated"] for day in loads] == [True, True, False]
        assert loads[0]["load"] < loads[1]["load"], "the lower the rest, the more of the reserve was used"
        assert loads[2]["fitness"] > 0
        assert anna.api.patch(f"{SESSIONS}/{second.pk}", {"effort": 5}).status_code == 200
        tasks.analyse_sessions()
        strain = analysis_of(anna, second)["numbers"]["strain"]["load"]
        assert (strain["code"], strain["others"]) == ("load_by_exertion", [])

    def test_sets_are_strength(self, register):
        anna = register(birth_date="1990-01-01", sex="female")
        session = start(anna, "strength")
        for reps in (5, 3):
            anna.api.post(f"{SESSIONS}/{session['id']}/sets", {"exercise": "Squat", "reps": reps, "weight_kg": 80})
        move(anna, session, "complete")
        tasks.analyse_sessions()
        numbers = analysis_of(anna, TrainingSession.objects.get())["numbers"]
        assert numbers["strength"]["volume"]["value"] == 640
        assert numbers["strength"]["one_repetition"]["Squat"]["value"] > 80
        anna.api.post(f"{SESSIONS}/{session['id']}/sets", {"exercise": "Squat", "reps": 2, "weight_kg": 80})
        assert tasks.analyse_sessions() == 1
        numbers = analysis_of(anna, TrainingSession.objects.get())["numbers"]
        assert numbers["strength"]["volume"]["value"] == 800
        anna.api.post(f"{SESSIONS}/{session['id']}/sets", {"exercise": "Clean/Jerk", "reps": 1, "weight_kg": 60})
        tasks.analyse_sessions()
        told = why(anna, TrainingSession.objects.get(), "strength.one_repetition.Clean/Jerk")
        assert told.json()["inputs"]["weight_kg"] == 60, "whatever people call their exercises"

    def test_wo5_how_hard_it_felt_is_the_load_where_nothing_was_measured(self, register):
        anna = register(birth_date="1990-01-01", sex="female")
        session = start(anna, "strength")
        TrainingSession.objects.filter(id=session["id"]).update(started_at=now() - timedelta(hours=1))
        move(anna, session, "complete")
        tasks.analyse_sessions()
        session = TrainingSession.objects.get()
        assert analysis_of(anna, session)["numbers"]["strain"]["load"] is None
        for effort, load_of_an_hour in ((7, 80), (8, 100)):
            assert anna.api.patch(f"{SESSIONS}/{session.pk}", {"effort": effort}).status_code == 200
            tasks.analyse_sessions()
            strain = analysis_of(anna, session)["numbers"]["strain"]
            assert strain["load"]["code"] == "load_by_exertion"
            assert strain["load"]["believed"]["value"] == pytest.approx(load_of_an_hour, rel=0.01)
            assert strain["exertion"]["value"] == pytest.approx(60 * effort, rel=0.01)
        assert anna.api.get(f"{WORKOUT}/fitness").json()["days"][-1]["load"] == pytest.approx(100, rel=0.01)

    def test_wo5_laps_say_how_far_how_fast_and_how_hard(self, register):
        anna = register(birth_date="1990-01-01", sex="female")
        session_id, begin = uuid4(), (now() - timedelta(hours=1)).replace(microsecond=0)
        seconds = range(0, 1201, 5)
        times = [int((begin + timedelta(seconds=at)).timestamp() * 1_000) for at in seconds]
        metres = [3.0 * min(at, 300) + 4.0 * max(at - 300, 0) for at in seconds]
        beats = [140.0 if at < 300 else 160.0 for at in seconds]
        series = [("distance", metres), ("heart_rate", beats)]
        samples = [{"kind": kind, "times_ms": times, "values": values} for kind, values in series]
        happened = [
            (0, {"kind": "start", "sport": "running"}),
            (1, {"kind": "samples", "series": samples}),
            (300, {"kind": "lap"}),
            (720, {"kind": "lap"}),
            (1200, {"kind": "complete"}),
        ]
        operations = [
            {
                "operation_id": uuid4(),
                "session_id": session_id,
                "at": begin + timedelta(seconds=at),
                "operation": what,
            }
            for at, what in happened
        ]
        assert anna.api.post(f"{WORKOUT}/sync", {"operations": operations}).status_code == 200
        tasks.analyse_sessions()
        laps = analysis_of(anna, TrainingSession.objects.get())["numbers"]["pacing"]["laps"]
        told = [(lap["start_s"], lap["elapsed_s"], lap["metres"], lap["heart_rate_bpm"]) for lap in laps]
        assert told == [
            (0, 300, pytest.approx(900), pytest.approx(140)),
            (300, 420, pytest.approx(1_680), pytest.approx(160)),
            (720, 480, pytest.approx(1_920), pytest.approx(160)),
        ]
        assert [lap["moving_s"] for lap in laps] == [300, 420, 480]

    def test_settings_that_change_while_an_analysis_runs_are_not_lost(self, register, work, monkeypatch):
        anna = register(birth_date="1990-01-01", sex="female")
        hand_in(anna, gpx((now() - timedelta(days=2)).replace(microsecond=0), points=200))
        work()
        compute = analysing.compute

        def meanwhile(session, settings):
            numbers = compute(session, settings)
            anna.api.put(f"{WORKOUT}/thresholds", {"valid_from": "2020-01-01", "hr_max": 160})
            return numbers

        with monkeypatch.context() as patched:
            patched.setattr(analysing, "compute", meanwhile)
            assert tasks.analyse_sessions() == 0
        assert tasks.analyse_sessions() == 1
        found = analysis_of(anna, TrainingSession.objects.get())["numbers"]
        assert found["zones"]["heart_rate"]["bounds"]["lower"][0] == 80

    def test_an_effort_told_while_an_analysis_runs_is_not_lost(self, register, monkeypatch):
        anna = register(birth_date="1990-01-01", sex="female")
        session = move(anna, start(anna, "strength"), "complete")
        compute = analysing.compute

        def meanwhile(session, settings):
            numbers = compute(session, settings)
            anna.api.patch(f"{SESSIONS}/{session.pk}", {"effort": 5})
            return numbers

        with monkeypatch.context() as patched:
            patched.setattr(analysing, "compute", meanwhile)
            assert tasks.analyse_sessions() == 0
        assert tasks.analyse_sessions() == 1
        strain = analysis_of(anna, TrainingSession.objects.get(id=session["id"]))["numbers"]["strain"]
        assert strain["load"]["code"] == "load_by_exertion"

    def test_somebody_elses_analysis_does_not_exist(self, register, work):
        anna, boris = register(), register()
        session = ran(anna, work)
        assert boris.api.get(f"{SESSIONS}/{session.pk}/analysis").status_code == 404
        assert why(boris, session, "moving").status_code == 404

    def test_everybody_may_read_the_formulas(self, register):
        listed = register().api.get(f"{WORKOUT}/algorithms").json()["algorithms"]
        assert len(listed) > 50
        assert all(one["formula"] and one["source"] for one in listed)
