"""Both stores of objects keep the same promises."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel import objects
from kernel.objects import ObjectMissing, ObjectStore, StoreUnavailable
from tests.kernel.buckets import BUCKET, serving


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.fixture(params=["folder", "bucket"])
def store(request: Any, s3: str, settings: Any, tmp_path: Path) -> ObjectStore:
    """What the settings name."""
    settings.S3_ENDPOINT_URL, settings.S3_ACCESS_KEY_ID, settings.S3_SECRET_ACCESS_KEY = s3, "key", "secret"
    settings.COLD_STORE = f"file://{tmp_path}/cold" if request.param == "folder" else f"s3://{BUCKET}/{tmp_path.name}"
    return objects.store()


def test_what_is_put_is_there_until_it_is_deleted(store: ObjectStore):
    store.put("health/one/a.bin", b"first")
    store.put("health/one/a.bin", b"second")
    store.put("health/two/b.bin", b"")
    assert store.get("health/one/a.bin") == b"second"
    assert store.get("health/two/b.bin") == b""
    assert [(each.key, each.size) for each in store.listed("health/one/")] == [("health/one/a.bin", 6)]
    store.delete("health/one/a.bin")
    store.delete("health/one/a.bin")
    with pytest.raises(ObjectMissing):
        store.get("health/one/a.bin")
    assert [each.key for each in store.listed("")] == ["health/two/b.bin"]


@pytest.mark.parametrize("key", ["", "../up", "a/../../up", "/root", "a//b", "a/.hidden", "a b"])
def test_a_key_leads_nowhere_else(store: ObjectStore, key: str):
    for use in (lambda: store.put(key, b"x"), lambda: store.get(key), lambda: store.delete(key)):
        with pytest.raises(ValueError, match="no key"):
            use()


def test_a_list_has_no_end_of_its_own(store: ObjectStore, monkeypatch: pytest.MonkeyPatch):
    """S3 lists so many at most in one answer."""
    monkeypatch.setattr(objects, "KEYS_A_LIST", 2)
    for number in range(5):
        store.put(f"many/{number}", b"x")
    assert len(list(store.listed("many/"))) == 5


def test_a_store_that_is_away_is_said_to_be(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(objects, "TRIES", 1)
    settings.S3_ENDPOINT_URL, settings.S3_ACCESS_KEY_ID, settings.S3_SECRET_ACCESS_KEY = (
        "http://127.0.0.1:9",
        "k",
        "s",
    )
    for place in ("s3://nobody/there", f"file://{tmp_path}/not-mounted"):
        settings.COLD_STORE = place
        with pytest.raises(StoreUnavailable):
            objects.store().get("a/b")


def test_a_bucket_that_is_not_there_is_no_missing_object(settings: Any, s3: str):
    settings.S3_ENDPOINT_URL, settings.S3_ACCESS_KEY_ID, settings.S3_SECRET_ACCESS_KEY = s3, "key", "secret"
    settings.COLD_STORE = "s3://no-such-bucket"
    with pytest.raises(StoreUnavailable):
        objects.store().get("a/b")


def test_what_was_being_written_is_seen_by_who_tidies_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = objects.Folder(tmp_path / "cold")
    folder.put("health/a", b"whole")

    def killed(*paths: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        folder.put("health/a", b"half")
    assert folder.get("health/a") == b"whole"
    (left,) = [each.key for each in folder.listed("health/") if each.key.endswith(objects.COMING)]
    folder.delete(left)
    folder.delete("health/a")
    assert list((tmp_path / "cold").iterdir()) == []
