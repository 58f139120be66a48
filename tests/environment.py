"""The environment in which tests and the type checker read the settings."""

import atexit
import base64
import os
import secrets
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def set_environment() -> None:
    """Fresh secrets, a media folder that goes with the process, no mail, few logs."""
    media = tempfile.TemporaryDirectory(prefix="stayer-media-")
    atexit.register(media.cleanup)
    chosen = {
        "TESTING": "on",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "FIELD_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "TOKEN_KEYS": _ring(),
        "MEDIA_ROOT": media.name,
        "DATABASE_POOL": "70",
        "PAYMENT_API_KEY": secrets.token_urlsafe(32),
        "PAYMENT_WEBHOOK_SECRET": secrets.token_urlsafe(32),
        "EMAIL_BACKEND": "django.core.mail.backends.locmem.EmailBackend",
        "LOG_LEVEL": "WARNING",
        "ACCESS_LOG_LEVEL": "WARNING",
        "STAYER_ENVIRONMENT_FILE": os.devnull,
    }
    for name, value in chosen.items():
        os.environ.setdefault(name, value)


def _ring() -> str:
    ring = tempfile.TemporaryDirectory(prefix="stayer-keys-")
    atexit.register(ring.cleanup)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (Path(ring.name) / "1.pem").write_bytes(pem)
    return ring.name
