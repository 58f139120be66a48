"""Answers that are not sent twice: an ETag of the body, and 304 for whoever has it already (RFC 9110, 13.1.2)."""

import hashlib
from typing import Any

from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from rest_framework.request import Request


def unless_known(
    request: Request, body: bytes, *, content_type: str, keep: str = "private, no-cache", file_name: str = ""
) -> Any:
    """This body, or 304 without one if the client's `If-None-Match` names it. `keep` is the Cache-Control."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": keep}
    if file_name:
        headers["Content-Disposition"] = f'inline; filename="{file_name}"'
    whole = HttpResponse(body, content_type=content_type, headers=headers)
    return get_conditional_response(request, etag=etag, response=whole)
