"""Compressed bodies, unpacked within a bound: a few kilobytes can stand for gigabytes."""

import zlib
from collections.abc import Callable

import zstandard

from contexts.health import rules
from kernel.errors import Refused
from kernel.http import TooLarge

GZIP = 16 + zlib.MAX_WBITS
ZSTD_WINDOW = 8 * 1024 * 1024
"""The most memory a frame may ask for (RFC 9659 §3)."""


class EncodingUnknown(Refused):
    """This Content-Encoding is not understood here."""

    status = 415


class EncodingBroken(Refused):
    """The body is not what its Content-Encoding says."""

    status = 400


def inflated(body: bytes, *, encoding: str) -> bytes:
    """The body as it was before it was compressed; `encoding` is the Content-Encoding, empty for none.

    Raises `TooLarge` past `rules.MAX_INFLATED_BYTES`, without ever holding more.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    unpack = UNPACKERS.get(name)
    if unpack is None:
        raise EncodingUnknown(understood=sorted(UNPACKERS))
    plain = unpack(body, rules.MAX_INFLATED_BYTES + 1)
    if len(plain) > rules.MAX_INFLATED_BYTES:
        raise TooLarge(limit_bytes=rules.MAX_INFLATED_BYTES)
    return plain


def _gunzip(body: bytes, most: int) -> bytes:
    unpacking = zlib.decompressobj(wbits=GZIP)
    try:
        plain = unpacking.decompress(body, most)
    except zlib.error:
        raise EncodingBroken from None
    if len(plain) < most and (not unpacking.eof or unpacking.unused_data):
        raise EncodingBroken
    return plain


def _unzstd(body: bytes, most: int) -> bytes:
    unpacking = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
    try:
        with unpacking.stream_reader(body) as reader:
            plain: bytes = reader.read(most)
        if len(plain) < most:
            whole = unpacking.decompressobj()
            whole.decompress(body)
            if not whole.eof or whole.unused_data:
                raise EncodingBroken
    except zstandard.ZstdError:
        raise EncodingBroken from None
    return plain


UNPACKERS: dict[str, Callable[[bytes, int], bytes]] = {"gzip": _gunzip, "zstd": _unzstd}
