"""Every address: each context's API below `/api/v1/<context>/`, and the platform's own pages."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from config import pages
from kernel.observability import healthz, metrics, readyz


def _context_routes() -> list[Any]:
    """The `urlpatterns` of every context that has an API."""
    rooms = [name for name in settings.CONTEXTS if find_spec(f"contexts.{name}.api")]
    return [path(f"api/v1/{name}/", include(import_module(f"contexts.{name}.api").urlpatterns)) for name in rooms]


def _context_pages() -> list[Any]:
    """The pages of every context that has some, at the addresses it gives them."""
    rooms = [name for name in settings.CONTEXTS if find_spec(f"contexts.{name}.pages")]
    return [route for name in rooms for route in import_module(f"contexts.{name}.pages").urlpatterns]


urlpatterns = [
    path("", pages.live),
    path("texts.js", pages.PageTexts.as_view()),
    *(pages.DEMO_ONLY if settings.DEMO else []),
    *_context_routes(),
    *_context_pages(),
    path("api/v1/schema/", pages.Schema.as_view()),
    path("api/v1/docs/", pages.Docs.as_view()),
    path(".well-known/jwks.json", pages.jwks),
    path(".well-known/oauth-authorization-server", pages.oauth_metadata),
    path(settings.ADMIN_PATH, admin.site.urls),
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
]

handler400 = "kernel.http.bad_request_page"
handler404 = "kernel.http.not_found_page"
handler500 = "kernel.http.server_error_page"
