"""Booking over HTTP, by subject: each module of this folder adds its `urlpatterns`."""

from contexts.booking.api import bookings, calendars, payments, sport_events, tickets, waitlist

SUBJECTS = (sport_events, bookings, waitlist, tickets, calendars, payments)

urlpatterns = [route for subject in SUBJECTS for route in subject.urlpatterns]
