"""Signing in with accounts elsewhere, over HTTP."""

from typing import Any

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity import external, external_providers, rules
from contexts.identity.api.forms import OpenEndpoint, TokenPair, asking, display_name, origin_of
from contexts.identity.api.passkeys import PasskeyAnswer
from kernel.access import NotSignedIn, Principal, RateLimit, anyone, member
from kernel.http import PAGE_PARAMETERS, Endpoint, page, page_of, validated


class ProviderItem(serializers.Serializer):
    """A provider one can sign in with."""

    name = serializers.CharField()
    label = serializers.CharField()


class Providers(serializers.Serializer):
    """All of them."""

    items = ProviderItem(many=True)


class Purpose(serializers.Serializer):
    """To sign in, or to link the account to one's own."""

    purpose = serializers.ChoiceField(rules.EXTERNAL_PURPOSES, default="sign_in")


class Begun(serializers.Serializer):
    """Send the browser to `authorization_url`; keep `binding` in it, and nowhere else, until it is back."""

    authorization_url = serializers.CharField()
    state = serializers.CharField()
    binding = serializers.CharField()


class Returned(serializers.Serializer):
    """What the provider sent the browser back with, and the `binding` the browser kept."""

    state = serializers.CharField(max_length=100)
    code = serializers.CharField(max_length=4096)
    binding = serializers.CharField(max_length=100)
    iss = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class Completed(serializers.Serializer):
    """`signed_in` comes with tokens, `linked` with the provider, `unknown` with a ticket and what else it `needs`."""

    outcome = serializers.ChoiceField(["signed_in", "linked", "unknown"])
    access = serializers.CharField(required=False)
    refresh = serializers.CharField(required=False)
    expires_in = serializers.IntegerField(required=False)
    provider = serializers.CharField(required=False)
    ticket = serializers.CharField(required=False)
    needs = serializers.ListField(child=serializers.CharField(), required=False)
    display_name = serializers.CharField(required=False, allow_blank=True)


class SecondFactor(serializers.Serializer):
    """The ticket of the 401 `otp_required`, and a code or what a passkey answered."""

    ticket = serializers.CharField(max_length=100)
    otp = serializers.CharField(max_length=32, required=False, allow_blank=True, allow_null=True)
    passkey = PasskeyAnswer(required=False, allow_null=True)


class NewPerson(serializers.Serializer):
    """What the provider did not tell."""

    ticket = serializers.CharField(max_length=100)
    birth_date = serializers.DateField()
    display_name = display_name()


class ExternalAccountItem(serializers.Serializer):
    """An account elsewhere with which one can sign in."""

    id = serializers.UUIDField()
    provider = serializers.CharField()
    linked_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)


class ExternalProviders(OpenEndpoint):
    """Providers."""

    limit = RateLimit("120/min", by="address")

    @extend_schema(operation_id="list_external_providers", responses=Providers)
    def get(self, request: Request) -> Response:
        """With whom one can sign in here."""
        return Response(Providers({"items": external_providers.providers()}).data)


class BeginExternal(Endpoint):
    """The way to a provider."""

    access = anyone
    limit = RateLimit("30/min", by="address")

    @extend_schema(operation_id="begin_external_sign_in", request=Purpose, responses=Begun)
    def post(self, request: Request, provider: str) -> Response:
        """Begin to sign in with a provider, or, signed in, to link it. Linking needs a recent sign-in."""
        if validated(Purpose, request)["purpose"] == "sign_in":
            return Response(Begun(external.begin_sign_in(provider=provider)).data)
        if not isinstance(request.user, Principal):
            raise NotSignedIn
        return Response(Begun(external.begin_link(provider=provider, **asking(request), at=now())).data)


class CompleteExternal(OpenEndpoint):
    """The way back."""

    limit = RateLimit("30/min", by="address")

    @extend_schema(operation_id="complete_external_sign_in", request=Returned, responses=Completed)
    def post(self, request: Request) -> Response:
        """Come back from a provider. 401 `otp_required` with a `ticket`, 409 `account_exists`.

        A new person is asked for what the provider does not tell.
        """
        outcome = external.complete(**validated(Returned, request), origin=origin_of(request), at=now())
        return Response(_completed(outcome))


class ExternalSecondFactor(OpenEndpoint):
    """The second factor on the way back."""

    limit = RateLimit("30/min", by="address")

    @extend_schema(operation_id="show_external_second_factor", request=SecondFactor, responses=TokenPair)
    def post(self, request: Request) -> Response:
        """Finish signing in. 401 `otp_invalid` brings the next `ticket`."""
        wanted = {"otp": None, "passkey": None} | validated(SecondFactor, request)
        return Response(TokenPair(external.show_second_factor(**wanted, origin=origin_of(request), at=now())).data)


class RegisterExternal(OpenEndpoint):
    """An account for a new person."""

    limit = RateLimit("30/min", by="address")

    @extend_schema(operation_id="register_external", request=NewPerson, responses={201: TokenPair})
    def post(self, request: Request) -> Response:
        """Open an account with what the provider has told and what it has not, and sign in."""
        made = external.register(**validated(NewPerson, request), origin=origin_of(request), at=now())
        return Response(TokenPair(made).data, status=201)


class ExternalAccounts(Endpoint):
    """One's accounts elsewhere."""

    access = member

    @extend_schema(
        operation_id="list_external_accounts", parameters=PAGE_PARAMETERS, responses=page_of(ExternalAccountItem)
    )
    def get(self, request: Request) -> Response:
        """The accounts you can sign in with."""
        own = external.accounts_of(by=request.user.user_id)
        return Response(page(request, own, order=("-id",), to_item=lambda row: ExternalAccountItem(row).data))


class OneExternalAccount(Endpoint):
    """One of one's accounts elsewhere."""

    access = member
    limit = RateLimit("30/min")

    @extend_schema(operation_id="unlink_external_account", request=None, responses={204: None})
    def delete(self, request: Request, account_id: Any) -> Response:
        """Take it away, unless it is the last way in. Needs a recent sign-in."""
        external.unlink(account_id=account_id, **asking(request), at=now())
        return Response(status=204)


def _completed(outcome: Any) -> dict[str, Any]:
    if isinstance(outcome, external.Linked):
        return {"outcome": "linked", "provider": outcome.account.provider}
    if isinstance(outcome, external.Missing):
        needed = {"needs": ["birth_date", "display_name"], "display_name": outcome.display_name}
        return {"outcome": "unknown", "ticket": outcome.ticket} | needed
    return {"outcome": "signed_in"} | TokenPair(outcome).data


urlpatterns = [
    path("external/providers", ExternalProviders.as_view()),
    path("external/complete", CompleteExternal.as_view()),
    path("external/second-factor", ExternalSecondFactor.as_view()),
    path("external/register", RegisterExternal.as_view()),
    path("external/accounts", ExternalAccounts.as_view()),
    path("external/accounts/<uuid:account_id>", OneExternalAccount.as_view()),
    path("external/<slug:provider>/begin", BeginExternal.as_view()),
]
