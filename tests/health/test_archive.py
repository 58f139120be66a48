"""Cold readings (HE-6): they leave the table and nobody can tell, whatever is killed, sent again, or broken."""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from django.core.management import call_command
from django.db import connections
from hypothesis import given
from hypothesis import strategies as st

from contexts.health import rows, rules, services
from contexts.health.archive import keeping, moving, sheets, table, tending
from contexts.health.models import Batch, ColdFile, DataKey, Device, Reading
from kernel import objects, personal_data
from kernel.databases import gate_key
from kernel.observability import invariants
from kernel.traces import Seeker, traces_in_objects
from tests.health.conftest import COMMITTED, HEALTH, Strap, reading, step_up
from tests.kernel.buckets import BUCKET, serving

pytestmark = COMMITTED

NOW = datetime.now(UTC)
COLD = rules.cold_before(at=NOW, months=4)
"""The beginning of the month that moves last; three more follow, which are too young."""
BEFORE = rules.month_after(COLD)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    """A store on disk, of each test's own."""
    settings.COLD_STORE = f"file://{tmp_path}/cold"
    return tmp_path / "cold"


@pytest.fixture
def bucket(settings: Any, s3: str, tmp_path: Path, folder: Path) -> None:
    """A store that speaks S3 instead."""
    settings.S3_ENDPOINT_URL, settings.S3_ACCESS_KEY_ID, settings.S3_SECRET_ACCESS_KEY = s3, "key", "secret"
    settings.COLD_STORE = f"s3://{BUCKET}/{tmp_path.name}"


def beats(start: datetime, count: int = 40, *, step_s: int = 600, sequence: int = 0) -> list[dict[str, Any]]:
    return [reading(start + timedelta(seconds=n * step_s), 60 + n * 7 % 40, sequence=sequence) for n in range(count)]


@pytest.fixture
def worn(strap: Callable[..., Strap]) -> Strap:
    """A strap, calibrated, that has measured over the ends of two months that will be cold and one that will not."""
    made = strap()
    Device.objects.filter(device_id=made.device_id).update(connected_at=NOW - timedelta(days=400))
    points = [{"measured": 60, "true": 62.5}, {"measured": 100, "true": 101}]
    curve = {"stream": "heart_rate", "points": points, "valid_from": COLD.isoformat()}
    answer = made.owner.api.post(f"{HEALTH}/devices/{made.device_id}/calibrations", curve)
    assert answer.status_code == 201, answer.content
    for end in (COLD, BEFORE):
        assert made.send(beats(end - timedelta(hours=3))).json()["accepted"] == 40
    said = [reading(COLD, 20, sequence=2), reading(COLD, 300, sequence=1), reading(COLD, 800, stream="rr_interval")]
    assert made.send(said).json()["accepted"] == 3
    return made


@pytest.fixture
def ask(worn: Strap) -> Callable[[], list[Any]]:
    """Everything the API and the services say of these readings."""
    api = step_up(worn.owner)
    span = {"from": (COLD - timedelta(days=2)).isoformat(), "to": (BEFORE + timedelta(days=2)).isoformat()}

    def asked() -> list[Any]:
        return list(answers(worn, api, span))

    return asked


def answers(worn: Strap, api: Any, span: dict[str, str]) -> Iterator[Any]:
    for metric in ("heart_rate", "rr_interval"):
        cursor: str | None = ""
        while cursor is not None:
            answer = api.get(f"{HEALTH}/metrics/{metric}/readings", data=span | {"limit": 17, "cursor": cursor})
            assert answer.status_code == 200, answer.content
            yield answer.content
            cursor = answer.json()["next"]
    for bucket in ("1h", "6h", "1d"):
        answer = api.get(f"{HEALTH}/metrics/heart_rate", data=span | {"bucket": bucket})
        assert answer.status_code == 200, answer.content
        yield answer.content
    near = {"from": (COLD - timedelta(days=1)).isoformat(), "to": (COLD + timedelta(days=20)).isoformat()}
    yield api.get(f"{HEALTH}/metrics/heart_rate/anomalies", data=near).content
    since, until = (datetime.fromisoformat(span[name]) for name in ("from", "to"))
    for limit in (5, 1_000):
        yield services.get_readings(
            user_id=worn.owner.user_id,
            streams=["heart_rate", "rr_interval"],
            since=since,
            until=until,
            limit=limit,
        )
    batch_ids = list(Batch.objects.order_by("batch_id").values_list("batch_id", flat=True)[:3])
    yield services.get_batches(batch_ids=batch_ids)
    yield worn.tell({}).json()["last_readings"]


def move() -> int:
    return moving.move_due(before=BEFORE, at=datetime.now(UTC))


def broken() -> set[str]:
    return {each.id for each in invariants() if each.context == "health" and each.violations()}


def in_table() -> int:
    return Reading.objects.filter(time__lt=BEFORE).count()


@pytest.mark.parametrize("store", ["folder", "bucket"])
def test_he6_nobody_can_tell_what_is_cold(request: Any, store: str, worn: Strap, ask: Callable[[], list[Any]]):
    """Byte for byte: pages, averages, oddities, batches, markers; calibrated, quarantined, over the months' ends."""
    request.getfixturevalue(store)
    before, count = ask(), in_table()
    assert move() == count == 58 + 3
    assert in_table() == 0
    assert [(file.rows, file.streams) for file in ColdFile.objects.order_by("month")] == [(18, [1]), (43, [1, 2])]
    assert ask() == before
    assert broken() == set()
    assert move() == 0
    assert list(tending.verify()) == []


def test_he6_what_comes_late_and_what_is_sent_again_is_there_once(worn: Strap, ask: Callable[[], list[Any]]):
    late = beats(COLD - timedelta(hours=2, minutes=5), 20)
    again = beats(BEFORE - timedelta(hours=3), 10)
    move()
    before = ask()
    assert worn.send([*late, *again]).json()["accepted"] == 30
    between = ask()
    assert in_table() == 30
    assert between != before
    assert move() == 30
    after = ask()
    # All but the batches: the new one is theirs too, and among a batch's readings are those that it sent again.
    assert [*after[:-2], after[-1]] == [*between[:-2], between[-1]]
    assert ColdFile.objects.filter(state="current").count() == 2
    assert sum(ColdFile.objects.filter(state="current").values_list("rows", flat=True)) == 61 + 20
    assert broken() == set()
    assert tending.sweep(at=datetime.now(UTC)) == (0, 0)
    assert tending.sweep(at=datetime.now(UTC) + timedelta(days=2)) == (2, 0)
    assert len(list(objects.store().listed(""))) == ColdFile.objects.count() == 2
    assert ask()[:-2] == between[:-2]


STEPS = [
    (table, "copied"),
    (sheets.Sheet, "finished"),
    (keeping, "cipher_of_new"),
    (objects.Folder, "put"),
    (objects.Folder, "get"),
    (table, "taken"),
    (ColdFile, "save"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("place", "name"), STEPS)
def test_he6_killed_at_any_step_it_loses_and_doubles_nothing(
    worn: Strap, monkeypatch: pytest.MonkeyPatch, place: Any, name: str, when: str
):
    whole = getattr(place, name)

    def killed(*given: Any, **named: Any) -> None:
        if when == "after":
            whole(*given, **named)
        raise KeyboardInterrupt

    count = in_table()
    monkeypatch.setattr(place, name, killed)
    with pytest.raises(KeyboardInterrupt):
        move()
    monkeypatch.undo()
    assert (in_table(), ColdFile.objects.count()) == (count, 0)
    assert move() == count
    assert (in_table(), broken()) == (0, set())
    tending.sweep(at=datetime.now(UTC) + timedelta(days=2))
    assert len(list(objects.store().listed(""))) == ColdFile.objects.count() == 2
    assert sum(ColdFile.objects.values_list("rows", flat=True)) == count


def test_he6_a_reading_that_comes_meanwhile_goes_along_or_stays(worn: Strap, monkeypatch: pytest.MonkeyPatch):
    """It arrives between the copy and the deletion; what was copied is not what would be deleted."""
    whole, sent = keeping.keep, []

    def keep(*given: Any, **named: Any) -> Any:
        done = whole(*given, **named)
        if not sent:
            sent.append(worn.send([reading(COLD - timedelta(minutes=61), 77)]).json()["accepted"])
        return done

    monkeypatch.setattr(keeping, "keep", keep)
    count = in_table()
    assert move() == count + 1
    assert (sent, in_table(), broken()) == ([1], 0, set())
    assert len(list(objects.store().listed(""))) == 2


def test_he6_one_hand_at_a_time(worn: Strap):
    """While another process holds a person's gate nothing of theirs moves, and nothing is erased."""
    other = connections["health"].copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [gate_of(worn)])
        assert move() == 0
        with pytest.raises(objects.Refused):
            tending.erase_files(worn.owner.user_id)
    finally:
        other.close()


def gate_of(worn: Strap) -> int:
    return gate_key("health", keeping.GATE, worn.owner.user_id)


def spoil(file: ColdFile, folder: Path) -> None:
    path = folder / file.object_key
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def swap(file: ColdFile, folder: Path) -> None:
    """The other month's file, checksum and all, in the place of this one."""
    other = ColdFile.objects.exclude(file_id=file.file_id).get()
    (folder / file.object_key).write_bytes((folder / other.object_key).read_bytes())
    ColdFile.objects.filter(file_id=file.file_id).update(sha256=other.sha256)


def lose(file: ColdFile, folder: Path) -> None:
    objects.store().delete(file.object_key)


@pytest.mark.parametrize("damage", [spoil, swap, lose])
def test_he6_a_damaged_file_is_refused_and_told_without_values(
    worn: Strap, folder: Path, damage: Callable[..., None], caplog: pytest.LogCaptureFixture, capsys: Any
):
    move()
    file = ColdFile.objects.order_by("month").last()
    assert file is not None
    damage(file, folder)
    api = step_up(worn.owner)
    span = {"from": COLD.isoformat(), "to": NOW.isoformat()}
    with caplog.at_level(logging.ERROR, keeping.__name__):
        for path in ("heart_rate/readings", "heart_rate"):
            answer = api.get(f"{HEALTH}/metrics/{path}", data=span | {"bucket": "1d"})
            assert (answer.status_code, answer.json()["code"]) == (503, "cold_readings_damaged")
    told = [vars(record) for record in caplog.records if record.name == keeping.__name__]
    assert {(each["message"], each["file"]) for each in told} == {("a cold file is damaged", str(file.file_id))}
    with pytest.raises(SystemExit):
        call_command("archive", "verify")
    assert str(file.file_id) in capsys.readouterr().out
    young = {"from": BEFORE.isoformat(), "to": NOW.isoformat()}
    assert api.get(f"{HEALTH}/metrics/heart_rate/readings", data=young).status_code == 200


def test_he6_a_store_out_of_reach_is_503_and_never_a_part_of_the_answer(worn: Strap, folder: Path):
    move()
    folder.rename(folder.with_name("unmounted"))
    api = step_up(worn.owner)
    span = {"from": COLD.isoformat(), "to": NOW.isoformat(), "bucket": "1d"}
    for path in ("heart_rate/readings", "heart_rate"):
        answer = api.get(f"{HEALTH}/metrics/{path}", data=span)
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        assert answer.headers["Retry-After"] == "30"
    young = {"from": BEFORE.isoformat(), "to": NOW.isoformat(), "bucket": "1d"}
    assert api.get(f"{HEALTH}/metrics/heart_rate", data=young).json()["points"] != []


def test_he6_young_ranges_do_not_touch_the_store(worn: Strap, monkeypatch: pytest.MonkeyPatch):
    move()
    monkeypatch.setattr(objects.Folder, "get", None)
    api = step_up(worn.owner)
    answer = api.get(
        f"{HEALTH}/metrics/heart_rate", data={"from": BEFORE.isoformat(), "to": NOW.isoformat(), "bucket": "1d"}
    )
    assert answer.status_code == 200


def test_id10_an_erasure_reaches_cold_files_and_every_copy_of_them(worn: Strap, folder: Path):
    """The objects go, orphans among them; a copy somebody has made before is noise: the key is gone."""
    move()
    user_id = worn.owner.user_id
    objects.store().put(f"{keeping.folder_of(user_id)}readings/orphan.parquet", b"left by a killed process")
    kept = ColdFile.objects.first()
    assert kept is not None
    copy = objects.store().get(kept.object_key)
    assert b"PAR1" not in copy
    seeker = Seeker([str(user_id)])
    assert len(list(traces_in_objects(seeker))) == 3
    personal_data.erase("health", user_id)
    assert list(traces_in_objects(seeker)) == []
    assert list(objects.store().listed("")) == []
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert (ColdFile.objects.count(), DataKey.objects.count(), Reading.objects.count()) == (0, 0, 0)
    objects.store().put(kept.object_key, copy)
    with pytest.raises(keeping.Damaged, match="key is gone"):
        keeping.opened(kept)
    assert move() == 0


def test_id10_an_erasure_without_the_store_has_destroyed_the_key_and_goes_on_later(worn: Strap, folder: Path):
    move()
    folder.rename(folder.with_name("unmounted"))
    with pytest.raises(objects.StoreUnavailable):
        personal_data.erase("health", worn.owner.user_id)
    assert not DataKey.objects.exists()
    folder.with_name("unmounted").rename(folder)
    personal_data.erase("health", worn.owner.user_id)
    assert (list(objects.store().listed("")), ColdFile.objects.count()) == ([], 0)


def test_id10_an_export_holds_cold_readings_too(worn: Strap, settings: Any, tmp_path: Path):
    settings.MEDIA_ROOT = tmp_path / "media"

    def exported(target: str) -> list[str]:
        personal_data.export("health", worn.owner.user_id, target)
        lines = (tmp_path / "media" / target / "health_reading.jsonl").read_text().splitlines()
        return sorted(json.dumps(json.loads(line), sort_keys=True) for line in lines)

    before = exported("before")
    assert len(before) == 83
    move()
    assert worn.send(beats(BEFORE - timedelta(hours=3), 2)).json()["accepted"] == 2  # again
    marks = {json.loads(line)["mark"] for line in before}
    after = [line for line in exported("after") if json.loads(line)["mark"] in marks]
    assert len(exported("after")) == 83
    assert len(after) == 81
    assert set(after) < set(before)


def test_he6_a_persons_own_entries_stay_where_they_can_be_changed(worn: Strap):
    said = {"stream": "body_mass", "value": 70, "unit": "kg", "time": (COLD + timedelta(days=3)).isoformat()}
    answer = worn.owner.api.post(f"{HEALTH}/entries", said)
    assert answer.status_code == 201, answer.content
    move()
    assert in_table() == 1
    assert broken() == set()


def test_he6_orphans_are_swept_and_what_may_still_be_written_down_is_not(worn: Strap, capsys: Any):
    move()
    objects.store().put(f"{keeping.ROOT}somebody/readings/2020-01.parquet", b"x")
    call_command("archive", "sweep")
    assert "0 superseded files and 0 orphans" in capsys.readouterr().out
    assert tending.sweep(at=datetime.now(UTC) + timedelta(days=2)) == (0, 1)
    call_command("archive", "status")
    assert "       2 files           61 rows" in capsys.readouterr().out


def test_he6_readings_without_their_key_are_found_by_the_invariant(worn: Strap):
    move()
    DataKey.objects.all().delete()
    assert broken() == {"HE-6"}


def test_he6_young_months_and_a_setting_of_never_move_nothing(worn: Strap):
    assert moving.move_old(at=NOW, months=0) == moving.move_old(at=NOW, months=2, within_s=-1) == 0
    count = Reading.objects.count()
    assert moving.move_old(at=NOW, months=1) == count  # taken as two: the last of them ended longer ago
    worn.send(beats(rules.cold_before(at=NOW, months=2), 3))
    assert moving.move_old(at=NOW, months=2) == 0


ROWS = st.lists(
    st.tuples(
        st.integers(-(10**15), 10**15),
        st.floats(-1e6, 1e6),
        st.integers(1, 3),
        st.integers(0, 2),
        st.integers(0, 2**31 - 1),
        st.integers(1, 3),
        st.booleans(),
        st.integers(0, 3),
    ),
    max_size=30,
    unique_by=lambda row: (row[5], row[0], row[3], row[2]),
)


@given(ROWS, ROWS)
@hypothesis.settings(max_examples=40)
def test_he6_a_file_holds_exactly_what_was_written(first: list[Any], second: list[Any]):
    """Each key once, the first's row of it; whatever part is asked for."""
    both = rows.united(np.array(first, rows.ROW), np.array(second, rows.ROW))
    wanted: dict[Any, Any] = {}
    for row in [*first, *second]:
        wanted.setdefault((row[5], row[0], row[3], row[2]), row)
    assert both.tolist() == [wanted[key] for key in sorted(wanted)]
    sheet = sheets.Sheet()
    for stream in (1, 2, 3):
        if len(part := both[both["stream"] == stream]):
            sheet.add(part)
    content = sheet.finished()
    assert rows.joined(sheets.read(content)).tolist() == both.tolist()
    since, until = (datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=n) for n in (-1_000, 10**9))
    found = rows.joined(sheets.read(content, streams=[1, 3], since=since, until=until))
    chosen = both[(both["stream"] != 2) & (both["time"] >= -1_000) & (both["time"] < 10**9)]
    assert found.tolist() == chosen.tolist()
