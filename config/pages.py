"""The platform's own pages: the live page, the API's description and a page to try it."""

import json

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.renderers import TemplateHTMLRenderer

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def live(request: HttpRequest) -> HttpResponse:
    """The live page: a workout with its heart rate, the leaderboard, the feed, the chat."""
    response = render(request, "live.html")
    response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response


def demo_people(request: HttpRequest) -> JsonResponse:
    """Who can be signed in as while the demo data are loaded. The address exists in demo mode only."""
    file = settings.VAR / "demo.json"
    people = json.loads(file.read_text()) if file.is_file() else []
    return JsonResponse({"people": [person for person in people if not person.get("role")]})


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
