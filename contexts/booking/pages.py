"""Booking's page: a template whose scripts are a client of the API, like any other client."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from kernel.http import CONTENT_SECURITY_POLICY


def calendar(request: HttpRequest) -> HttpResponse:
    """Finding events, booking places, paying for them, waiting for them, showing tickets."""
    response = render(request, "booking/pages/booking.html")
    response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response["Cache-Control"] = "no-cache"
    return response


urlpatterns = [path("booking/", calendar)]
