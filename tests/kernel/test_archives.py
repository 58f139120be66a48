"""Archives of strangers: what they declare is looked at before anything of it is read into memory."""

import io
import zipfile

import pytest

from kernel import archives

LIMITS = archives.Limits(members=10, unpacked_bytes=1_000)


def archive(*names: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as opened:
        for name in names:
            opened.writestr(name, b"x")
    return made.getvalue()


def refusal(data: bytes) -> str:
    with pytest.raises(archives.Unopenable) as refused:
        archives.opened(io.BytesIO(data), LIMITS)
    return refused.value.code


def test_what_keeps_the_limits_is_opened() -> None:
    with archives.opened(io.BytesIO(archive("a", "b")), LIMITS) as opened:
        assert archives.read_member(opened, 1, most=1) == b"x"


def test_a_directory_that_claims_to_be_huge_is_not_read() -> None:
    end = bytearray(archive("a")[-22:])
    end[12:16] = (archives.DIRECTORY_BYTES + 1).to_bytes(4, "little")
    assert refusal(bytes(end)) == "too_many_members"


def test_too_many_files_and_what_is_no_archive_are_refused() -> None:
    assert refusal(archive(*"abcdefghijk")) == "too_many_members"
    assert refusal(b"") == refusal(b"PK\x03\x04 and no end") == "not_an_archive"
