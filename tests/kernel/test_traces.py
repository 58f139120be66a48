"""Finding a word wherever data may lie, in whatever dress."""

import zipfile
from pathlib import Path

import pytest

from kernel.databases import redis_client
from kernel.traces import Seeker, traces_in_files, traces_in_redis

WORD = "Zażółć Quokka"


def test_a_word_is_found_across_the_border_of_two_chunks() -> None:
    text = f"so {WORD} it is".encode()
    for cut in range(len(text)):
        assert Seeker([WORD]).found_in([text[:cut], text[cut:]]) == {WORD}


@pytest.mark.parametrize(
    "dressed",
    [
        WORD.encode(),
        WORD.upper().encode(),
        b"za\\u017c\\u00f3\\u0142\\u0107 quokka",
        WORD.encode().hex().encode(),
    ],
    ids=["as it is", "in capitals", "escaped in JSON", "as COPY writes bytes"],
)
def test_a_word_is_found_in_every_dress(dressed: bytes) -> None:
    assert Seeker([WORD]).found_in([b"x" + dressed + b"x"]) == {WORD}


def test_what_is_not_there_is_not_found() -> None:
    assert Seeker([WORD, "other"]).found_in([b"nothing of the kind"]) == set()


def test_every_kind_of_value_in_redis_is_looked_into() -> None:
    client = redis_client()
    client.set("text", WORD)
    client.hset("hash", "field", WORD)
    client.sadd("set", WORD)
    client.zadd("sorted set", {WORD: 1})
    client.rpush("list", WORD)
    client.xadd("stream", {"field": WORD})
    client.set(f"key of {WORD}", "")
    client.set("innocent", "nothing")
    found = {trace.place for trace in traces_in_redis(Seeker([WORD]))}
    assert found == {
        f"Redis, key {key}" for key in ("text", "hash", "set", "sorted set", "list", "stream", f"key of {WORD}")
    }


def test_files_are_looked_into_and_archives_are_opened(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "plain.txt").write_text(WORD)
    (tmp_path / f"named {WORD}").touch()
    with zipfile.ZipFile(tmp_path / "packed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("page.json", f"{WORD} " * 100)
    (tmp_path / "innocent").write_text("nothing")
    found = {Path(trace.place.removeprefix("file ")).name for trace in traces_in_files(Seeker([WORD]), [tmp_path])}
    assert found == {"plain.txt", f"named {WORD}", "packed.zip"}
