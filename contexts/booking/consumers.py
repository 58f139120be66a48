"""Free places over a WebSocket: the counts of one sport event, then every change of them."""

from typing import Any
from uuid import UUID

from django.urls import path

from contexts.booking import broadcasting, searching
from kernel.access import member
from kernel.errors import NotFound
from kernel.realtime import Socket, in_thread


class SportEventSocket(Socket):
    """Follows a sport event, and what concerns the watcher alone: bookings confirmed or ended, offers."""

    access = member

    async def opened(self) -> None:
        """Send the counts; changes follow as they happen."""
        sport_event_id = self.scope["url_route"]["kwargs"]["event_id"]
        await self.join(broadcasting.group_of(sport_event_id))
        await self.join(broadcasting.personal_group(self.principal.user_id))
        try:
            frame = await in_thread(_first_frame, sport_event_id, self.principal.user_id)
        except NotFound:
            await self.refuse("not_found")
            return
        await self.send_json(frame)


def _first_frame(sport_event_id: UUID, viewer_id: UUID) -> dict[str, Any]:
    return broadcasting.places_frame(searching.sport_event_for(sport_event_id=sport_event_id, viewer_id=viewer_id))


websocket_urlpatterns = [path("events/<uuid:event_id>", SportEventSocket.as_asgi())]
