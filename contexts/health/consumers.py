"""A person's alerts over a WebSocket: which are not over, then each change. Never what was measured."""

from typing import Any
from uuid import UUID

from django.urls import path

from contexts.health.alerts import alerting, broadcasting
from kernel.access import member
from kernel.realtime import Socket, in_thread


class AlertsSocket(Socket):
    """Follows one's own alerts. To see what they are about takes the second factor, over REST."""

    access = member

    async def opened(self) -> None:
        """Send how they stand; changes follow as they happen."""
        await self.join(broadcasting.group_of(self.principal.user_id))
        await self.send_json(await in_thread(_first_frame, self.principal.user_id))


def _first_frame(user_id: UUID) -> dict[str, Any]:
    rows = alerting.unclosed(user_id).order_by("triggered_at")
    return {"type": "alerts", "alerts": [broadcasting.frame_of(row) for row in rows]}


websocket_urlpatterns = [path("alerts", AlertsSocket.as_asgi())]
