"""Health's page: accounts at vendors. Vendors send people back to it; its script is a client of the API like any."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from kernel.http import CONTENT_SECURITY_POLICY


def integrations(request: HttpRequest) -> HttpResponse:
    """Connecting accounts, how far their past is fetched, letting them go."""
    response = render(request, "health/pages/integrations.html")
    response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response["Referrer-Policy"] = "no-referrer"  # the address holds a code for a moment
    response["Cache-Control"] = "no-cache"
    return response


urlpatterns = [path("account/integrations", integrations)]
