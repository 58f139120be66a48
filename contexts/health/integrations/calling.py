"""Speaking to vendors: to the addresses the operator has named, without redirects, bounded in time and size."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec

from contexts.health.integrations.contract import Vendor, VendorAway

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 8_000_000
"""A day of heart rate, second by second, is 3 MB."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a vendor has answered."""

    status: int
    headers: Mapping[str, str]
    body: Any

    def header(self, name: str) -> float | None:
        """A header that counts something; None where it is missing or is no number."""
        try:
            return max(0.0, float(self.headers.get(name, "")))
        except ValueError:
            return None


def ask(
    vendor: Vendor,
    method: str,
    path: str,
    *,
    access: str = "",
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, Any] | None = None,
    form: Mapping[str, Any] | None = None,
    json: Any = None,
) -> Answer:
    """One request to a vendor's API. Raises `VendorAway` for whatever is no answer, a 5xx among it."""
    url = vendor.api_url + path + (f"?{urlencode(query)}" if query else "")
    _ensure_safe(url, vendor)
    asked = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
    if access:
        asked["Authorization"] = f"Bearer {access}"
    content = None
    if form is not None:
        asked["Content-Type"], content = "application/x-www-form-urlencoded", urlencode(form).encode()
    elif json is not None:
        asked["Content-Type"], content = "application/json", msgspec.json.encode(json)
    try:
        with _client().stream(method, url, headers=asked, content=content) as response:
            body = _bounded(response)
    except httpx.HTTPError as error:
        log.warning("a vendor cannot be reached", extra={"vendor": vendor.name, "why": type(error).__name__})
        raise VendorAway from None
    if response.status_code >= 500 or 300 <= response.status_code < 400:
        raise VendorAway
    return Answer(status=response.status_code, headers=response.headers, body=_decoded(body))


@cache
def _client() -> httpx.Client:
    """One for all vendors: to make one takes longer than most requests. It keeps no cookies."""
    return httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False, cookies=_NoCookies())


class _NoCookies(CookieJar):
    """What one person's answer sets is not shown with the next one's request."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        return


def _ensure_safe(url: str, vendor: Vendor) -> None:
    """Encrypted and on the vendor's own host, or on the very machine a vendor of the developer's own runs on."""
    there, named = urlsplit(url), urlsplit(vendor.api_url)
    is_encrypted = there.scheme == "https" or (there.scheme == "http" and named.hostname in LOOPBACK)
    if not is_encrypted or there.netloc != named.netloc or there.username is not None:
        raise VendorAway


def _bounded(response: httpx.Response) -> bytes:
    started, content = time.monotonic(), bytearray()
    for chunk in response.iter_raw():
        content += chunk
        if len(content) > MAX_ANSWER_BYTES or time.monotonic() - started > TIMEOUT_S:
            raise VendorAway
    return bytes(content)


def _decoded(body: bytes) -> Any:
    if not body.strip():
        return {}
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise VendorAway from None
