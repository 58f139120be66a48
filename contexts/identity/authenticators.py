"""Keeps the seeds of second factors encrypted at rest."""

import base64
import functools
import os

from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

SCHEME = "v1."
"""Stands before every encrypted value, so that a scan can tell one from a plain secret."""


class EncryptedAuthenticators(DefaultMFAAdapter):
    """allauth's adapter with AES-256-GCM around what it stores."""

    def encrypt(self, text: str) -> str:
        """`v1.` and the URL-safe base64 of nonce, ciphertext and tag."""
        nonce = os.urandom(12)
        sealed = nonce + _cipher().encrypt(nonce, text.encode(), SCHEME.encode())
        return SCHEME + base64.urlsafe_b64encode(sealed).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """The text `encrypt` was given; raises `InvalidTag` when it was changed since."""
        sealed = base64.urlsafe_b64decode(encrypted_text.removeprefix(SCHEME))
        return _cipher().decrypt(sealed[:12], sealed[12:], SCHEME.encode()).decode()


@functools.cache
def _cipher() -> AESGCM:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"identity.authenticators")
    return AESGCM(derived.derive(settings.FIELD_KEY.encode()))
