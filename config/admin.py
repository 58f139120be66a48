"""The operators' admin site: the contexts' own screens, and one page of dead letters over all contexts."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path

from kernel import relay
from kernel.databases import alias_of
from kernel.models import FailedDelivery
from kernel.observability import backlog

SHOWN = 200


class OperatorsSite(admin.AdminSite):
    """Django's admin site with Stayer's name on it and a page for what the event bus could not deliver."""

    site_header = site_title = "Stayer"
    index_title = "Moderation and operation"
    index_template = "admin/operators_index.html"

    def get_urls(self) -> list[Any]:
        page = self.admin_view(self.dead_letters)
        return [path("dead-letters/", page, name="dead_letters"), *super().get_urls()]

    def dead_letters(self, request: HttpRequest) -> HttpResponse:
        """Failed deliveries of every context; POST replays or discards the chosen ones."""
        if not request.user.has_perm("kernel.view_faileddelivery"):
            raise PermissionDenied
        if request.method == "POST":
            return self._act(request)
        parked = [(name, self._parked(name)) for name in settings.CONTEXTS]
        page = {
            **self.each_context(request),
            "title": "Dead letters",
            "contexts": [(name, rows) for name, rows in parked if rows],
            "backlogs": [backlog(name) for name in settings.CONTEXTS],
            "may_act": request.user.has_perm("kernel.change_faileddelivery"),
        }
        return TemplateResponse(request, "admin/dead_letters.html", page)

    @staticmethod
    def _parked(context: str) -> list[FailedDelivery]:
        rows = FailedDelivery.objects.using(alias_of(context))
        return list(rows.defer("payload").order_by("state", "-id")[:SHOWN])

    @staticmethod
    def _act(request: HttpRequest) -> HttpResponse:
        actions = {"replay": relay.replay, "discard": relay.discard}
        action, context = actions.get(request.POST.get("action", "")), request.POST.get("context", "")
        if not request.user.has_perm("kernel.change_faileddelivery") or action is None:
            raise PermissionDenied
        chosen = [int(value) for value in request.POST.getlist("delivery") if value.isdecimal()]
        done = action(context=context, delivery_ids=chosen) if context in settings.CONTEXTS else 0
        messages.info(request, f"{done} deliveries: {request.POST['action']}")
        return redirect("admin:dead_letters")
