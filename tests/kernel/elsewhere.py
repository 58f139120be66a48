"""A context that runs by itself: a server in a process of its own, without the platform's keys, databases or Redis.

`python -m tests.kernel.elsewhere` serves the API of `tests.kernel.views` and writes its port to standard output.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

NOBODY = "127.0.0.1:1"
KEPT = ("PATH", "HOME", "SECRET_KEY", "FIELD_KEY", "MEDIA_ROOT", "STAYER_ENVIRONMENT_FILE", "TESTING")


@contextmanager
def running_elsewhere(*, platform: str, service_keys: Path) -> Iterator[str]:
    """Such a server while inside; yields its address."""
    told = {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": f"postgresql://nobody@{NOBODY}/nothing",
        "REDIS_URL": f"redis://{NOBODY}/0",
        "TOKEN_JWKS_URL": f"{platform}/.well-known/jwks.json",
        "IDENTITY_URL": platform,
        "SERVICE_KEYS": str(service_keys),
        "LOG_LEVEL": "CRITICAL",
        "ACCESS_LOG_LEVEL": "CRITICAL",
    }
    environment = {name: os.environ[name] for name in KEPT if name in os.environ} | told
    command = [sys.executable, "-m", "tests.kernel.elsewhere"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


class Server(ThreadingMixIn, WSGIServer):
    """Answers several at once."""

    daemon_threads = True


class Silent(WSGIRequestHandler):
    """Writes no log."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def main() -> None:
    """Serve until killed."""
    import django
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application

    django.setup()
    settings.ROOT_URLCONF, settings.SECURITY_POLICY = "tests.kernel.views", ""
    server = make_server("127.0.0.1", 0, get_wsgi_application(), Server, Silent)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
