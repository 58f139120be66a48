"""Our authorization server over HTTP: consent in the API's manner, tokens in the manner of RFC 6749.

Apps speak forms to `token`, `revoke` and `introspect`, and get `error` and `error_description` (RFC 6749 §5.2) where
everybody else gets a problem document.
"""

from typing import Any

from django.http import QueryDict
from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity import oauth, rules
from contexts.identity.api.forms import OpenEndpoint, asking, origin_of
from kernel.access import RateLimit, member
from kernel.http import Endpoint, read_body, validated

MAX_FORM_BYTES = 16_384


class FormParser(BaseParser):
    """Reads a form of at most `MAX_FORM_BYTES`."""

    media_type = "application/x-www-form-urlencoded"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> QueryDict:
        """The fields, a repeated one with all its values."""
        return QueryDict(read_body(stream, limit=MAX_FORM_BYTES))


class AppRequest(serializers.Serializer):
    """What an app asks for: the parameters of RFC 6749 §4.1.1 and RFC 7636 §4.3."""

    response_type = serializers.CharField(max_length=20, allow_blank=True, required=False)
    client_id = serializers.CharField(max_length=36, allow_blank=True, required=False)
    redirect_uri = serializers.CharField(max_length=rules.MAX_REDIRECT_URI_LENGTH, allow_blank=True, required=False)
    scope = serializers.CharField(max_length=500, allow_blank=True, required=False)
    state = serializers.CharField(max_length=1000, allow_blank=True, required=False, trim_whitespace=False)
    code_challenge = serializers.CharField(max_length=128, allow_blank=True, required=False)
    code_challenge_method = serializers.CharField(max_length=20, allow_blank=True, required=False)


class Decision(AppRequest):
    """The same parameters, and what the person says to them."""

    approve = serializers.BooleanField()


class AskingApp(serializers.Serializer):
    """The app as its maker describes it."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    homepage = serializers.CharField(allow_blank=True)


class AskedScope(serializers.Serializer):
    """One thing the app wants to be allowed."""

    name = serializers.CharField()
    description = serializers.CharField()
    is_medical = serializers.BooleanField()


class Consent(serializers.Serializer):
    """What to show a person who is asked; with `needs_second_factor` a yes takes one of the last 15 minutes."""

    app = AskingApp()
    scopes = AskedScope(many=True)
    redirect_uri = serializers.CharField()
    needs_second_factor = serializers.BooleanField()


class Onward(serializers.Serializer):
    """Where to send the browser."""

    redirect_to = serializers.CharField()


class TokenForm(serializers.Serializer):
    """A code with its verifier, or a refresh token; a confidential app shows its secret here or by HTTP Basic."""

    grant_type = serializers.ChoiceField(["authorization_code", "refresh_token"])
    code = serializers.CharField(required=False)
    redirect_uri = serializers.CharField(required=False)
    code_verifier = serializers.CharField(required=False)
    refresh_token = serializers.CharField(required=False)
    client_id = serializers.CharField(required=False)
    client_secret = serializers.CharField(required=False)


class OneToken(serializers.Serializer):
    """A token of the app's own."""

    token = serializers.CharField()
    token_type_hint = serializers.CharField(required=False)
    client_id = serializers.CharField(required=False)
    client_secret = serializers.CharField(required=False)


class OAuthTokens(serializers.Serializer):
    """RFC 6749 §5.1. The refresh token is good once."""

    access_token = serializers.CharField()
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField()
    refresh_token = serializers.CharField()
    scope = serializers.CharField()


class OAuthError(serializers.Serializer):
    """RFC 6749 §5.2."""

    error = serializers.CharField()
    error_description = serializers.CharField(required=False)


class Introspection(serializers.Serializer):
    """RFC 7662 §2.2; of a token that is not good, or not the app's, nothing but that."""

    active = serializers.BooleanField()
    scope = serializers.CharField(required=False)
    client_id = serializers.CharField(required=False)
    token_type = serializers.CharField(required=False)
    sub = serializers.CharField(required=False)
    exp = serializers.IntegerField(required=False)
    iat = serializers.IntegerField(required=False)


def _refusals() -> dict[int, OpenApiResponse]:
    described = "As RFC 6749 §5.2 says"
    return {400: OpenApiResponse(OAuthError, described), 401: OpenApiResponse(OAuthError, described)}


class Authorization(Endpoint):
    """A person is asked to let an app act for them."""

    access = member
    limit = RateLimit("60/min")

    @extend_schema(
        operation_id="describe_authorization",
        parameters=[OpenApiParameter(name, str) for name in AppRequest().fields],
        responses=Consent,
    )
    def get(self, request: Request) -> Response:
        """What the app wants. 400 `app_request_invalid`: with `redirect_to` where the app may be told."""
        AppRequest(data=request.query_params.dict()).is_valid(raise_exception=True)
        return Response(_consent(oauth.describe(asked=dict(request.query_params.lists()), at=now())))

    @extend_schema(operation_id="decide_authorization", request=Decision, responses=Onward)
    def post(self, request: Request) -> Response:
        """Say yes or no. 403 `mfa_required`: health data takes a recent second factor."""
        wanted = validated(Decision, request)
        approve = wanted.pop("approve")
        asked = {name: [value] for name, value in wanted.items() if value}
        redirect_to = oauth.decide(asked=asked, approve=approve, **asking(request), at=now())
        return Response({"redirect_to": redirect_to})


class ForApps(OpenEndpoint):
    """What apps call themselves, showing who they are by their secret."""

    limit = RateLimit("300/min", by="address")
    parser_classes = [FormParser]

    @staticmethod
    def shown(request: Request) -> dict[str, Any]:
        """The form as it came, and the secret in the header."""
        form = request.data.urlencode() if isinstance(request.data, QueryDict) else ""
        return {"form": form, "authorization": request.META.get("HTTP_AUTHORIZATION")}


class Token(ForApps):
    """Tokens for apps."""

    @extend_schema(operation_id="give_tokens", request=TokenForm, responses={200: OAuthTokens} | _refusals())
    def post(self, request: Request) -> Response:
        """Exchange a code, or a refresh token, once. A second use ends the session."""
        return _answered(oauth.give_tokens(**self.shown(request), origin=origin_of(request), at=now()))


class Revoke(ForApps):
    """The end of a token."""

    @extend_schema(operation_id="revoke_token", request=OneToken, responses={200: None} | _refusals())
    def post(self, request: Request) -> Response:
        """End the session of a token, whichever of the two it is (RFC 7009). The answer does not tell whether."""
        return _answered(oauth.revoke_token(**self.shown(request), at=now()))


class Introspect(ForApps):
    """A look at a token."""

    @extend_schema(operation_id="introspect_token", request=OneToken, responses={200: Introspection} | _refusals())
    def post(self, request: Request) -> Response:
        """Whether a token is good: for confidential apps, of their own tokens (RFC 7662)."""
        return _answered(oauth.introspect_token(**self.shown(request), at=now()))


def _consent(wanted: oauth.Request) -> dict[str, Any]:
    return {
        "app": AskingApp(wanted.app).data,
        "scopes": [
            {"name": name, "description": rules.SCOPES[name], "is_medical": name in rules.MEDICAL_SCOPES}
            for name in wanted.scopes
        ],
        "redirect_uri": wanted.redirect_uri,
        "needs_second_factor": wanted.is_medical,
    }


def _answered(answer: oauth.Answer) -> Response:
    body = answer.body.encode() if answer.body else None
    return Response(body, status=answer.status, headers=dict(answer.headers), content_type="application/json")


urlpatterns = [
    path("oauth/authorization", Authorization.as_view()),
    path("oauth/token", Token.as_view()),
    path("oauth/revoke", Revoke.as_view()),
    path("oauth/introspect", Introspect.as_view()),
]
