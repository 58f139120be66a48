"""The operators' admin site: its own sign-in, the contexts' screens, one page of dead letters over all contexts."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.timezone import now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.generic import RedirectView

from config import staff_sessions
from contexts.identity import signing_in
from contexts.identity.sessions import Origin
from kernel import relay
from kernel.access import RateLimit, address_of
from kernel.databases import alias_of
from kernel.errors import Refused
from kernel.models import FailedDelivery
from kernel.observability import backlog

SHOWN = 200
TRIES = RateLimit("30/min", by="address")


class StaffSignIn(AuthenticationForm):
    """Address, password and code, through the doors that the API has: same lock-out, same second factor."""

    username = forms.CharField(
        label=_("E-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "username"}),
    )
    code = forms.CharField(
        label=_("Code of the authenticator app, or a recovery code"),
        max_length=32,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code"}),
    )

    def clean(self) -> dict[str, Any]:
        """Sign in; a refusal is told in its own words."""
        given = self.cleaned_data
        if self.errors:
            return given
        try:
            self.user_cache = self._sign_in(given["username"], given["password"], given["code"].strip())
        except Refused as refused:
            raise ValidationError(gettext(refused.detail), code=refused.code) from None
        return given

    def _sign_in(self, email: str, password: str, code: str) -> Any:
        address = address_of(self.request)
        TRIES.take(f"admin:{address}")
        origin = Origin(address=address, user_agent=self.request.META.get("HTTP_USER_AGENT", ""))
        self.request.begun = signing_in.sign_in_staff(
            email=email, password=password, code=code, origin=origin, at=now()
        )
        return self.request.begun.user


class OperatorsSite(admin.AdminSite):
    """Django's admin site with Stayer's name on it and a page for what the event bus could not deliver."""

    site_header = site_title = "Stayer"
    index_title = _("Moderation and operation")
    index_template = "admin/operators_index.html"
    login_form = StaffSignIn

    def get_urls(self) -> list[Any]:
        """Passwords are changed on one's account page, as everybody does."""
        page = self.admin_view(self.dead_letters)
        account = RedirectView.as_view(url="/account/")
        kept = [
            route for route in super().get_urls() if "password_change" not in (getattr(route, "name", None) or "")
        ]
        own = [path("dead-letters/", page, name="dead_letters"), path("account/", account, name="password_change")]
        return [*own, *kept]

    def has_permission(self, request: HttpRequest) -> bool:
        """Staff alone, in a session that began with a second factor and still lives."""
        return getattr(request, "is_staff_session", False) and super().has_permission(request)

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The sign-in page; who gets through it has a session in the administration."""
        response = super().login(request, extra_context)
        if begun := getattr(request, "begun", None):
            staff_sessions.enter(request, begun)
        return response

    def logout(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Ends the identity session too."""
        if request.method == "POST":
            staff_sessions.leave(request, at=now())
        return super().logout(request, extra_context)

    def dead_letters(self, request: HttpRequest) -> HttpResponse:
        """Failed deliveries of every context; POST replays or discards the chosen ones."""
        if not request.user.has_perm("kernel.view_faileddelivery"):
            raise PermissionDenied
        if request.method == "POST":
            return self._act(request)
        parked = [(name, self._parked(name)) for name in settings.CONTEXTS]
        page = {
            **self.each_context(request),
            "title": _("Dead letters"),
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
        said = {"replay": gettext("Deliveries replayed: %s"), "discard": gettext("Deliveries discarded: %s")}
        messages.info(request, said[request.POST["action"]] % done)
        return redirect("admin:dead_letters")
