"""Apps over HTTP: registering one's own, and letting go of those one has let in."""

from typing import Any

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity import oauth_apps, rules
from contexts.identity.api.forms import asking, display_name
from contexts.identity.models import OAuthApp
from kernel.access import RateLimit, member
from kernel.http import PAGE_PARAMETERS, Endpoint, page, page_of, validated


class AppForm(serializers.Serializer):
    """What an app says of itself. A redirect URI is https, this machine itself, or a scheme like com.example.app."""

    name = display_name()
    homepage = serializers.URLField(max_length=200, allow_blank=True)
    redirect_uris = serializers.ListField(
        child=serializers.CharField(max_length=rules.MAX_REDIRECT_URI_LENGTH),
        min_length=1,
        max_length=rules.MAX_REDIRECT_URIS,
    )
    scopes = serializers.ListField(
        child=serializers.ChoiceField(list(rules.SCOPES)), min_length=1, max_length=len(rules.SCOPES)
    )


class AppRegistration(AppForm):
    """A new app; one that runs where no secret can be kept is not `confidential`."""

    homepage = serializers.URLField(max_length=200, allow_blank=True, default="")
    confidential = serializers.BooleanField(default=False)


class AppItem(serializers.Serializer):
    """One of one's apps."""

    id = serializers.UUIDField()
    client_id = serializers.CharField()
    name = serializers.CharField()
    homepage = serializers.CharField(allow_blank=True)
    redirect_uris = serializers.ListField(child=serializers.CharField())
    scopes = serializers.ListField(child=serializers.CharField())
    is_public = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class AppWithSecret(AppItem):
    """`client_secret` is in this answer and nowhere else; a public app has none."""

    client_secret = serializers.CharField(allow_null=True)


class ConnectedApp(serializers.Serializer):
    """An app that acts for oneself."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    homepage = serializers.CharField(allow_blank=True)
    scopes = serializers.ListField(child=serializers.CharField())
    connected_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField()


class Apps(Endpoint):
    """One's apps."""

    access = member
    limit = {"POST": RateLimit("20/h")}

    @extend_schema(operation_id="list_apps", parameters=PAGE_PARAMETERS, responses=page_of(AppItem))
    def get(self, request: Request) -> Response:
        """The apps you have registered, the newest first."""
        found = oauth_apps.own_apps(by=request.user.user_id)
        return Response(page(request, found, order=("-id",), to_item=lambda app: AppItem(app).data))

    # Not idempotent by key: the answer would have to be kept, and with it the secret.
    @extend_schema(operation_id="register_app", request=AppRegistration, responses={201: AppWithSecret})
    def post(self, request: Request) -> Response:
        """Register an app. Needs a recent sign-in."""
        made = oauth_apps.register_app(**validated(AppRegistration, request), **asking(request), at=now())
        return Response(_with_secret(made), status=201)


class OneApp(Endpoint):
    """One of one's apps."""

    access = member
    limit = {"PATCH": RateLimit("30/min"), "DELETE": RateLimit("30/min")}

    @extend_schema(operation_id="get_app", responses=AppItem)
    def get(self, request: Request, app_id: Any) -> Response:
        """An app you have registered."""
        return Response(AppItem(oauth_apps.own_app(app_id=app_id, by=request.user.user_id)).data)

    @extend_schema(operation_id="change_app", request=AppForm(partial=True), responses=AppItem)
    def patch(self, request: Request, app_id: Any) -> Response:
        """Change what an app says of itself. Needs a recent sign-in."""
        wanted = validated(AppForm, request, partial=True)
        changed = oauth_apps.change_app(app_id=app_id, changes=wanted, **asking(request), at=now())
        return Response(AppItem(changed).data)

    @extend_schema(operation_id="remove_app", request=None, responses={204: None})
    def delete(self, request: Request, app_id: Any) -> Response:
        """Remove an app: whomever it acts for, it stops now."""
        oauth_apps.remove_app(app_id=app_id, by=request.user.user_id, at=now())
        return Response(status=204)


class AppSecret(Endpoint):
    """The secret of an app."""

    access = member
    limit = RateLimit("20/h")

    @extend_schema(operation_id="renew_app_secret", request=None, responses=AppWithSecret)
    def post(self, request: Request, app_id: Any) -> Response:
        """Get another secret; the one before is good no more. Needs a recent sign-in."""
        return Response(_with_secret(oauth_apps.new_secret(app_id=app_id, **asking(request), at=now())))


class ConnectedApps(Endpoint):
    """Apps that act for oneself."""

    access = member

    @extend_schema(operation_id="list_connected_apps", parameters=PAGE_PARAMETERS, responses=page_of(ConnectedApp))
    def get(self, request: Request) -> Response:
        """The apps you have let in, and what they may do."""
        me, at = request.user.user_id, now()
        granted = oauth_apps.granted_scopes(by=me, at=at)
        found = oauth_apps.connected_apps(by=me, at=at)
        return Response(page(request, found, order=("-id",), to_item=lambda app: _connected(app, granted)))


class OneConnectedApp(Endpoint):
    """An app that acts for oneself."""

    access = member
    limit = RateLimit("30/min")

    @extend_schema(operation_id="disconnect_app", request=None, responses={204: None})
    def delete(self, request: Request, app_id: Any) -> Response:
        """Let go of an app: its tokens are refused from now on."""
        oauth_apps.disconnect(app_id=app_id, by=request.user.user_id, at=now())
        return Response(status=204)


def _with_secret(made: oauth_apps.RegisteredApp) -> dict[str, Any]:
    return AppItem(made.app).data | {"client_secret": made.secret}


def _connected(app: OAuthApp, granted: dict[Any, list[str]]) -> dict[str, Any]:
    dates = {"connected_at": app.connected_at, "last_used_at": app.last_used_at}
    return {"id": app.pk, "name": app.name, "homepage": app.homepage, "scopes": granted.get(app.pk, [])} | dates


urlpatterns = [
    path("apps", Apps.as_view()),
    path("apps/<uuid:app_id>", OneApp.as_view()),
    path("apps/<uuid:app_id>/secret", AppSecret.as_view()),
    path("connected-apps", ConnectedApps.as_view()),
    path("connected-apps/<uuid:app_id>", OneConnectedApp.as_view()),
]
