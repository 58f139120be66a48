"""Identity's pages: plain templates whose scripts are clients of the API, like any other client.

No page knows who looks at it: tokens live in the tab, and what stands behind `#` in a mailed link never reaches us.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from kernel.http import CONTENT_SECURITY_POLICY


def _page(name: str, **values: Any) -> Any:
    """A view that shows a template to anybody."""

    def show(request: HttpRequest) -> HttpResponse:
        response = render(request, f"identity/pages/{name}.html", values)
        response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        response["Referrer-Policy"] = "no-referrer"
        response["Cache-Control"] = "no-cache"
        return response

    return show


urlpatterns = [
    path("account/", _page("account")),
    path("account/confirm", _page("link", purpose="confirm")),
    path("account/reset", _page("link", purpose="reset")),
    path("account/email", _page("link", purpose="email")),
    path("account/unlock", _page("link", purpose="unlock")),
    path("account/external", _page("external")),
    path("oauth/authorize", _page("authorize")),
]
