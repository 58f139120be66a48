"""The platform's own pages: the live page, the API's description and a page to try it."""

import json
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import path
from django.views.i18n import JavaScriptCatalog
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.renderers import TemplateHTMLRenderer

from config import mailbox
from contexts.identity import oauth
from kernel import keys
from kernel.http import CONTENT_SECURITY_POLICY


def live(request: HttpRequest) -> HttpResponse:
    """The live page: a workout with its heart rate, the leaderboard, the feed, the chat."""
    response = render(request, "live.html")
    response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response


class PageTexts(JavaScriptCatalog):
    """What the pages' scripts say, in the language of the request."""

    packages = ["config"]

    def get_paths(self, packages: list[str]) -> list[Path]:
        """One catalogue for the scripts of all pages, beside the server's own."""
        return [Path(folder) for folder in settings.LOCALE_PATHS]


def demo_people(request: HttpRequest) -> JsonResponse:
    """Who can be signed in as while the demo data are loaded. The address exists in demo mode only."""
    file = settings.VAR / "demo.json"
    people = json.loads(file.read_text()) if file.is_file() else []
    return JsonResponse({"people": [person for person in people if not person.get("role")]})


def demo_mail(request: HttpRequest) -> HttpResponse:
    """The mails the demo would have sent, as a page to read."""
    response = render(request, "demo_mail.html", {"messages": mailbox.messages(to=request.GET.get("to", ""))})
    response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response


def demo_mail_json(request: HttpRequest) -> JsonResponse:
    """The same for programs; `?to=` an address."""
    return JsonResponse({"messages": mailbox.messages(to=request.GET.get("to", ""))})


DEMO_ONLY = [
    path("demo-people.json", demo_people),
    path("demo-mail", demo_mail),
    path("demo-mail.json", demo_mail_json),
]


def jwks(request: HttpRequest) -> JsonResponse:
    """The keys that verify our tokens (RFC 7517)."""
    response = JsonResponse(keys.jwks(), content_type="application/jwk-set+json")
    response["Cache-Control"] = f"public, max-age={keys.JWKS_KEPT_S}"
    return response


def oauth_metadata(request: HttpRequest) -> JsonResponse:
    """What an app has to know of our authorization server (RFC 8414)."""
    response = JsonResponse(oauth.metadata())
    response["Cache-Control"] = f"public, max-age={keys.JWKS_KEPT_S}"
    return response


class Schema(SpectacularAPIView):
    """The OpenAPI document."""

    authentication_classes = []
    permission_classes = []
    renderer_classes = [OpenApiYamlRenderer, OpenApiJsonRenderer]


class Docs(SpectacularSwaggerSplitView):
    """A page to read and try the API."""

    authentication_classes = []
    permission_classes = []
    renderer_classes = [TemplateHTMLRenderer]
    url = "/api/v1/schema/"
