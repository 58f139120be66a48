"""One origin: `/ws/` goes to the contexts' sockets, everything else to Django's WSGI handler in a thread pool.

Django's own ASGI handler costs more per request than the handler it wraps; ADR 0003 has the measurements.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from channels.routing import URLRouter
from django.conf import settings
from django.urls import get_resolver, path

from config.bridge import WsgiBridge
from config.wsgi import application as wsgi_application  # sets Django up before the sockets are imported
from kernel.grouped_requests import GroupedEndpoint, GroupedRequests
from kernel.memory import settle_in

HTTP_THREADS = 8


def _socket_routes() -> list[Any]:
    """The `websocket_urlpatterns` of every context that has consumers, below `/ws/v1/<context>/`."""
    rooms = [name for name in settings.CONTEXTS if find_spec(f"contexts.{name}.consumers")]
    return [
        path(f"ws/v1/{name}/", URLRouter(import_module(f"contexts.{name}.consumers").websocket_urlpatterns))
        for name in rooms
    ]


def _grouped_endpoints() -> list[GroupedEndpoint]:
    """What each context answers in groups."""
    rooms = [name for name in settings.CONTEXTS if find_spec(f"contexts.{name}.api")]
    return [
        each for name in rooms for each in getattr(import_module(f"contexts.{name}.api"), "grouped_endpoints", [])
    ]


async def _nowhere(scope: Any, receive: Any, send: Any) -> None:
    """A socket address that does not exist is refused before it opens."""
    await send({"type": "websocket.close", "code": 4404})


get_resolver().url_patterns  # noqa: B018  (loads every endpoint now, so that the first request need not wait for it)
_http = WsgiBridge(wsgi_application, threads=HTTP_THREADS)
_grouped = {each.path: GroupedRequests(each, beyond=_http) for each in _grouped_endpoints()}
_sockets = URLRouter([*_socket_routes(), path("<path:anything>", _nowhere)])
settle_in()


async def application(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI entry the web process serves."""
    if scope["type"] == "websocket":
        await _sockets(scope, receive, send)
    elif scope["type"] == "http":
        await _grouped.get(scope["path"], _http)(scope, receive, send)
