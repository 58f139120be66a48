"""The manner of every admin screen: rows are read here, each look is written down, buttons call actions."""

import time
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.module_loading import import_string

from kernel.access import address_of
from kernel.errors import Refused

REASON_LASTS_S = 900
"""How long a reason given for one person's pages is not asked for again."""

LONGEST_REASON = 200


class LookOnly:
    """For a `ModelAdmin` or an inline: nobody adds, edits or deletes rows behind the product's back."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No."""
        return False


class LookOnlyAdmin(LookOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """A screen to look at. `settings.AUDIT_LOOK` is told of each page and each button before it has an effect.

    It may refuse with the code `reason_required`: then the member of staff is asked why, once for each person in a
    quarter of an hour.
    """

    whose: tuple[str, ...] = ("user_id",)
    """The attributes of a row that hold the ids of the people it is about."""
    sensitive = False
    """Whether the list shows what people wrote or who they are; then everybody on a page of it is noted."""

    def people_of(self, row: Any) -> list[UUID]:
        """Whom a row is about."""
        held = [getattr(row, name, None) for name in self.whose]
        return [user_id for user_id in held if isinstance(user_id, UUID)]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One row."""
        row = self.get_object(request, unquote(object_id))
        if row is not None and self.has_view_permission(request, row):
            if "why" in request.POST:
                return self._keep_reason(request, row)
            if asked := self._note(request, "admin.looked_at", [row], reason=self._reason(request, row)):
                return asked
        return super().change_view(request, object_id, form_url, extra_context)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """A page of rows."""
        response = super().changelist_view(request, extra_context)
        shown = (getattr(response, "context_data", None) or {}).get("cl")
        if self.sensitive and shown is not None:
            return self._note(request, "admin.listed", shown.result_list) or response
        return response

    def response_action(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """A button."""
        names = request.POST.getlist("action")
        index = request.POST.get("index", "0")
        name = names[int(index)] if index.isdecimal() and int(index) < len(names) else ""
        if name in self.get_actions(request):
            ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
            chosen = queryset if request.POST.get("select_across") == "1" else queryset.filter(pk__in=ticked)
            if asked := self._note(request, f"admin.{name}", chosen):
                return asked
        return super().response_action(request, queryset)

    def _note(self, request: HttpRequest, action: str, rows: Iterable[Any], reason: str = "") -> HttpResponse | None:
        people = dict.fromkeys(user_id for row in rows for user_id in self.people_of(row))
        try:
            import_string(settings.AUDIT_LOOK)(
                actor=request.user.pk,
                action=action,
                subjects=list(people),
                model=self.opts.label_lower,
                reason=reason,
                address=address_of(request),
            )
        except Refused as refused:
            if refused.code != "reason_required":
                raise PermissionDenied(refused.detail) from None
            page = {**self.admin_site.each_context(request), "title": "Why do you look?", "longest": LONGEST_REASON}
            return TemplateResponse(request, "admin/why.html", page, status=403)
        return None

    def _keep_reason(self, request: HttpRequest, row: Any) -> HttpResponse:
        reason = request.POST["why"].strip()[:LONGEST_REASON]
        still_good = {
            key: kept for key, kept in request.session.get("reasons", {}).items() if kept["until"] > time.time()
        }
        kept = {"reason": reason, "until": time.time() + REASON_LASTS_S}
        request.session["reasons"] = still_good | {self._key_of(row): kept}
        return HttpResponseRedirect(request.get_full_path())

    def _reason(self, request: HttpRequest, row: Any) -> str:
        kept = request.session.get("reasons", {}).get(self._key_of(row))
        return str(kept["reason"]) if kept and kept["until"] > time.time() else ""

    def _key_of(self, row: Any) -> str:
        people = self.people_of(row)
        return str(people[0]) if people else f"{self.opts.label_lower}:{row.pk}"
