"""A live session over a WebSocket: what has been so far, then every change as a numbered frame."""

from uuid import UUID

from django.urls import path

from contexts.workout import watching
from kernel.access import member
from kernel.realtime import Socket, in_thread


class LiveSession(Socket):
    """For the athlete, and for friends if the session is shared. A gap in `seq` means: read again over REST."""

    access = member

    async def opened(self) -> None:
        """Join first, then read: a frame that arrives before the snapshot and has a higher `seq` follows it."""
        session_id: UUID = self.scope["url_route"]["kwargs"]["session_id"]
        watcher = self.principal.user_id
        await in_thread(watching.session_for, session_id=session_id, watcher=watcher)
        await self.join(watching.group_of(session_id))
        await self.send_json(await in_thread(watching.snapshot, session_id=session_id, watcher=watcher))


websocket_urlpatterns = [path("sessions/<uuid:session_id>", LiveSession.as_asgi())]
