"""An authenticator in software: makes ES256 passkeys and answers challenges as a browser hands them over."""

import json
import os
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import sha256, websafe_decode, websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

ORIGIN = "http://localhost:8000"
FLAG = AuthenticatorData.FLAG


class Authenticator:
    """One device with one passkey. What it claims can be bent, so that lies can be told."""

    def __init__(self, *, origin: str = ORIGIN, rp_id: str | None = None, verifies_user: bool = True) -> None:
        self.origin = origin
        self.rp_id = rp_id or urlsplit(ORIGIN).hostname or ""
        self.verifies_user = verifies_user
        self.count = 0
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.credential_id = os.urandom(32)
        self.user_handle = b""

    def make(self, options: dict[str, Any]) -> dict[str, Any]:
        """`navigator.credentials.create`, attestation "none"."""
        self.user_handle = websafe_decode(options["user"]["id"])
        public_key = ES256.from_cryptography_key(self.key.public_key())
        credential = AttestedCredentialData.create(Aaguid.NONE, self.credential_id, public_key)
        said = AttestationObject.create("none", self._data(FLAG.AT, credential), {})
        client = CollectedClientData.create("webauthn.create", options["challenge"], self.origin)
        return self._credential(clientDataJSON=client, attestationObject=said)

    def answer(self, options: dict[str, Any]) -> dict[str, Any]:
        """`navigator.credentials.get`."""
        self.count += 1
        data = self._data(FLAG(0))
        client = CollectedClientData.create("webauthn.get", options["challenge"], self.origin)
        signature = self.key.sign(data + client.hash, ec.ECDSA(hashes.SHA256()))
        return self._credential(
            clientDataJSON=client, authenticatorData=data, signature=signature, userHandle=self.user_handle
        )

    def _data(self, more: FLAG, credential: bytes = b"") -> AuthenticatorData:
        flags = FLAG.UP | more | (FLAG.UV if self.verifies_user else FLAG(0))
        return AuthenticatorData.create(sha256(self.rp_id.encode()), flags, self.count, credential)

    def _credential(self, **response: bytes) -> dict[str, Any]:
        credential_id = websafe_encode(self.credential_id)
        encoded = {name: websafe_encode(value) for name, value in response.items()}
        made = {"id": credential_id, "rawId": credential_id, "type": "public-key", "response": encoded}
        return json.loads(json.dumps(made | {"clientExtensionResults": {}}))
