"""An OpenID Connect provider that says what a test tells it to, over a real socket."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Wicked:
    """What it publishes and answers."""

    issuer: str
    discovery: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    """By path: status, headers and body, where it does not behave."""
    id_token: str | None = None

    def claims(self, nonce: str, **more: Any) -> dict[str, Any]:
        """What an honest provider would say."""
        now = int(time.time())
        person = {"sub": "wicked-1", "email": "new@example.org", "email_verified": True, "name": "New"}
        about = {"iss": self.issuer, "aud": "stayer", "exp": now + 300, "iat": now, "nonce": nonce}
        claims = person | about | more
        return {name: value for name, value in claims.items() if value is not None}

    def sign(self, claims: dict[str, Any], *, key: Any = KEY, algorithm: str = "RS256") -> None:
        """Answer the next code with this token."""
        self.id_token = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "1"})

    def respond(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """The answer to a request."""
        if path in self.answers:
            return self.answers[path]
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
        known = {
            "/.well-known/openid-configuration": {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
            }
            | self.discovery,
            "/jwks": {"keys": [public | {"kid": "1", "use": "sig", "alg": "RS256"}]},
            "/token": {"access_token": "a", "token_type": "Bearer", "id_token": self.id_token},
        }
        return 200, {}, json.dumps(known[path]).encode()


@contextmanager
def serving() -> Iterator[Wicked]:
    """A provider on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, body = wicked.respond(self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    wicked = Wicked(issuer=f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield wicked
    finally:
        server.shutdown()
        server.server_close()
