"""Typed reading of the environment: the only source of what differs between two installations.

`make run` leaves what it chose in `var/environment`, so that `python manage.py …` beside it speaks to the same
engines; a variable that is really set always wins.
"""

import json
import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

TRUE, FALSE = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


class Misconfigured(SystemExit):
    """A variable is missing or cannot be read; the process ends with this one sentence."""


class DatabaseUrl(NamedTuple):
    """Where the cluster is, and the prefix of the contexts' database names."""

    host: str
    port: int
    user: str
    password: str
    prefix: str


def load(file: Path) -> None:
    """Take `NAME=value` lines from a file for the variables that are not set."""
    if not file.is_file():
        return
    for line in file.read_text().splitlines():
        name, separator, value = line.partition("=")
        if separator and not name.startswith("#"):
            os.environ.setdefault(name.strip(), value.strip())


def text(name: str, default: str | None = None) -> str:
    """A variable, or the content of the file that `<name>_FILE` names."""
    value = os.environ.get(name)
    if value is None and (file := os.environ.get(f"{name}_FILE")):
        value = Path(file).read_text().strip()
    if value is None:
        value = default
    if value is None:
        raise Misconfigured(f"Set {name} (or {name}_FILE) in the environment; `make run` does it for you.")
    return value


def flag(name: str, *, default: bool = False) -> bool:
    """A yes or no."""
    value = os.environ.get(name, "on" if default else "off").strip().lower()
    if value not in TRUE | FALSE:
        raise Misconfigured(f"{name} should be on or off, not {value!r}.")
    return value in TRUE


def number(name: str, default: int) -> int:
    """A whole number."""
    value = os.environ.get(name, str(default))
    if not value.isdigit():
        raise Misconfigured(f"{name} should be a whole number, not {value!r}.")
    return int(value)


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def objects(name: str) -> list[dict[str, str]]:
    """A JSON array of objects; empty where it is not set."""
    value = text(name, "[]")
    try:
        read = json.loads(value)
    except ValueError:
        read = None
    if not isinstance(read, list) or not all(isinstance(item, dict) for item in read):
        raise Misconfigured(f"{name} should be a JSON array of objects.")
    return read


def with_secret(known: dict[str, str]) -> dict[str, str]:
    """An OpenID Connect provider with its secret, which may stand in a variable of its own: `client_secret_env`."""
    found = {name: value for name, value in known.items() if name != "client_secret_env"}
    if missing := {"name", "issuer", "client_id"} - set(found):
        raise Misconfigured(f"A provider in OIDC_PROVIDERS lacks {', '.join(sorted(missing))}.")
    if variable := known.get("client_secret_env"):
        found["client_secret"] = text(variable)
    return {"label": found["name"]} | found


def vendor(known: dict[str, str]) -> dict[str, str]:
    """A vendor with its secrets, each of which may stand in a variable of its own: `client_secret_env`."""
    found = {name: value for name, value in known.items() if not name.endswith("_env")}
    for secret in ("client_secret", "webhook_secret", "verify_code"):
        if variable := known.get(f"{secret}_env"):
            found[secret] = text(variable)
    if missing := {"name", "client_id", "client_secret"} - set(found):
        raise Misconfigured(f"A vendor in INTEGRATIONS lacks {', '.join(sorted(missing))}.")
    return found


def cold_store(name: str) -> str:
    """Nothing, `file:///folder`, or `s3://bucket/prefix`."""
    value = text(name, "")
    url = urlsplit(value)
    if value and not (url.scheme == "s3" and url.netloc) and not (url.scheme == "file" and url.path.startswith("/")):
        raise Misconfigured(f"{name} should look like s3://bucket/prefix or file:///folder.")
    return value


def database_url(name: str) -> DatabaseUrl:
    """`postgresql://user:password@host:port/prefix`; `?host=/socket/folder` for a Unix socket."""
    url = urlsplit(text(name))
    if url.scheme not in ("postgres", "postgresql") or not url.path.strip("/"):
        raise Misconfigured(f"{name} should look like postgresql://user:password@host:5432/stayer.")
    socket = next((part[5:] for part in url.query.split("&") if part.startswith("host=")), "")
    return DatabaseUrl(
        host=unquote(socket) or url.hostname or "127.0.0.1",
        port=url.port or 5432,
        user=unquote(url.username or "postgres"),
        password=unquote(url.password or ""),
        prefix=url.path.strip("/"),
    )
