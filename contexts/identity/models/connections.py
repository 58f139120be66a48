"""OAuth both ways: apps that act for people, and providers that vouch for people (ID-1)."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from contexts.identity.models.people import User
from contexts.identity.models.sessions import Session
from kernel.models import uuid7


class OAuthApp(models.Model):
    """A third party's program that people may let act for them. Its id is the `client_id`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="oauth_apps")
    name = models.CharField(max_length=80)
    homepage = models.URLField(blank=True)
    redirect_uris = ArrayField(models.CharField(max_length=500))
    scopes = ArrayField(models.CharField(max_length=40))
    secret_sha256 = models.CharField(max_length=64, blank=True, help_text="Empty for a public client.")
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name

    @property
    def client_id(self) -> str:
        """Its id in the words of OAuth."""
        return str(self.pk)

    @property
    def is_public(self) -> bool:
        """Whether it runs where no secret can be kept: on a phone, in a browser."""
        return not self.secret_sha256


class AuthorizationCode(models.Model):
    """A code an app exchanges for tokens, once and within a minute (RFC 6749 §4.1.2), bound by PKCE (RFC 7636)."""

    code_sha256 = models.CharField(max_length=64, primary_key=True)
    app = models.ForeignKey(OAuthApp, on_delete=models.CASCADE, related_name="codes")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="authorization_codes")
    redirect_uri = models.CharField(max_length=500)
    scopes = ArrayField(models.CharField(max_length=40))
    code_challenge = models.CharField(max_length=128)
    mfa_at = models.DateTimeField(null=True, help_text="The second factor shown when consenting.")
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    session = models.ForeignKey(Session, on_delete=models.SET_NULL, null=True, related_name="codes")

    def __str__(self) -> str:
        return f"code of {self.app_id} for {self.user_id}"


class ExternalAccount(models.Model):
    """An account elsewhere with which a person signs in here (OpenID Connect: issuer's name and `sub`)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="external_accounts")
    provider = models.CharField(max_length=40)
    subject = models.CharField(max_length=255)
    linked_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "subject"], name="identity_external_account_once"),
            models.UniqueConstraint(fields=["user", "provider"], name="identity_one_account_a_provider"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} of {self.user_id}"
