"""Request bodies as devices sent them (HE-6): kept where the operator wants it, sealed, once each, and erased."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from django.utils.timezone import now

from contexts.health import tasks
from contexts.health.archive import keeping, payloads, spool
from contexts.health.models import ColdFile, Reading
from kernel import objects, personal_data
from tests.health.conftest import COMMITTED, Strap, beats

pytestmark = COMMITTED


@pytest.fixture(autouse=True)
def kept(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Bodies are kept, here, and collected without waiting."""
    settings.PAYLOADS_KEPT_DAYS, settings.PAYLOAD_SPOOL = 30, str(tmp_path / "spool")
    settings.COLD_STORE = f"file://{tmp_path}/cold"
    monkeypatch.setattr(spool, "FINAL_AFTER_S", 0)
    monkeypatch.setattr(spool, "WRITTEN_FOR_S", 0)  # a file for each
    return tmp_path


def bodies() -> list[bytes]:
    """Everything in the store."""
    return [
        each.body for file in ColdFile.objects.order_by("stored_at", "file_id") for each in payloads.bodies_of(file)
    ]


def waiting(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in (folder / "spool").rglob("*") if path.is_file()]


def body(*values: int) -> bytes:
    return json.dumps({"readings": [beats(1)[0] | {"value": value} for value in values]}).encode()


def test_he6_bodies_are_kept_as_they_came_and_sealed(strap: Any, kept: Path):
    worn: Strap = strap()
    sent = [body(61, 62), body(1_000_000), b'[{"stream": "heart_rate"']
    statuses = [worn.post(each).status_code for each in sent]
    assert statuses == [200, 200, 400]
    assert not any(b"heart_rate" in each for each in waiting(kept))
    tasks.collect_payloads()
    assert bodies() == sent[:2]
    assert waiting(kept) == []
    (file,) = ColdFile.objects.all()
    assert (file.kind, file.rows, file.user_id) == ("payloads", 2, worn.owner.user_id)
    assert b"heart_rate" not in objects.store().get(file.object_key)
    assert payloads.collect(at=now()) == 0


@pytest.mark.parametrize(("place", "name"), [(keeping, "keep"), (payloads, "_write_down"), (spool, "done")])
@pytest.mark.parametrize("when", ["before", "after"])
def test_he6_a_killed_collection_goes_on_and_doubles_nothing(
    strap: Any, kept: Path, monkeypatch: pytest.MonkeyPatch, place: Any, name: str, when: str
):
    whole = getattr(place, name)

    def killed(*given: Any, **named: Any) -> None:
        if when == "after":
            whole(*given, **named)
        raise KeyboardInterrupt

    worn: Strap = strap()
    worn.post(body(61))
    with monkeypatch.context() as patched:
        patched.setattr(place, name, killed)
        with pytest.raises(KeyboardInterrupt):
            payloads.collect(at=now())
    payloads.collect(at=now())
    assert [json.loads(each)["readings"][0]["value"] for each in bodies()] == [61]
    assert len(list(objects.store().listed(""))) == 1
    assert waiting(kept) == []


def test_he6_a_file_that_ends_in_the_middle_gives_what_is_whole(
    strap: Any, kept: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(spool, "WRITTEN_FOR_S", 60)
    worn: Strap = strap()
    worn.post(body(61))
    worn.post(body(62))
    (file,) = (kept / "spool").glob("*.spool")
    file.write_bytes(file.read_bytes()[:-3])
    assert payloads.collect(at=now()) == 1


def test_he6_without_the_setting_nothing_is_kept(strap: Any, kept: Path, settings: Any):
    settings.PAYLOADS_KEPT_DAYS = 0
    strap().post(body(61))
    assert (waiting(kept), payloads.collect(at=now())) == ([], 0)


def test_he6_a_full_disk_costs_a_body_and_no_reading(strap: Any, kept: Path):
    (kept / "spool").write_text("in the way")
    assert strap().post(body(61)).status_code == 200
    assert Reading.objects.count() == 1


def test_he6_bodies_go_when_their_time_is_over(strap: Any, settings: Any):
    strap().post(body(61))
    payloads.collect(at=now())
    assert payloads.forget_old(at=now()) == 0
    settings.PAYLOADS_KEPT_DAYS = 0
    assert payloads.forget_old(at=now()) == 1
    assert list(objects.store().listed("")) == []


def test_id10_bodies_are_exported_and_erased_also_those_that_wait(strap: Any, kept: Path, settings: Any):
    settings.MEDIA_ROOT = kept / "media"
    worn: Strap = strap()
    worn.post(body(61))
    payloads.collect(at=now())
    personal_data.export("health", worn.owner.user_id, "mine")
    lines = (kept / "media/mine/health_coldfile.jsonl").read_text().splitlines()
    assert [json.loads(line)["form"] for line in lines if "body" in line] == ["application/json"]
    worn.post(body(62))
    assert len(waiting(kept)) == 1
    personal_data.erase("health", worn.owner.user_id)
    assert list(objects.store().listed("")) == []
    assert payloads.collect(at=now()) == 0
    assert (waiting(kept), list(objects.store().listed(""))) == ([], [])


def test_he6_a_process_writes_into_another_file_after_a_while(
    strap: Any, kept: Path, monkeypatch: pytest.MonkeyPatch
):
    worn: Strap = strap()
    worn.post(body(61))
    monkeypatch.setattr(spool, "WRITTEN_FOR_S", 0)
    worn.post(body(62))
    assert len(waiting(kept)) == 2
    monkeypatch.setattr(spool, "FINAL_AFTER_S", 300)
    assert list(spool.claimed(at=time.time())) == []
    assert payloads.collect(at=now()) == 0
