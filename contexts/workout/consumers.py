"""What goes on, over WebSockets: a live session in numbered frames, and how far files and archives have been read."""

from uuid import UUID

from django.urls import path

from contexts.workout.imports import batches, import_progress, importing
from contexts.workout.recording import together, watching
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


class GroupWorkoutSocket(Socket):
    """A group workout live, for those who are invited: who takes part, what they share, their results."""

    access = member

    async def opened(self) -> None:
        """Join first, then read."""
        group_id: UUID = self.scope["url_route"]["kwargs"]["group_id"]
        viewer = self.principal.user_id
        await in_thread(together.place_of, group_id=group_id, user_id=viewer)
        await self.join(together.group_of(group_id))
        shown = await in_thread(together.group_workout_for, group_id=group_id, viewer=viewer)
        await self.send_json({"type": "snapshot", "group_workout": shown})


class MySocket(Socket):
    """What concerns one athlete alone: invitations to train together."""

    access = member

    async def opened(self) -> None:
        """Frames follow as they happen."""
        await self.join(watching.personal_group(self.principal.user_id))
        await self.send_json({"type": "ready"})


class ImportUnderWay(Socket):
    """Where a file of the athlete's stands; each frame says all, so a lost one does no harm."""

    access = member

    async def opened(self) -> None:
        """Join first, then read: no step is missed."""
        import_id: UUID = self.scope["url_route"]["kwargs"]["import_id"]
        ours = {"import_id": import_id, "by": self.principal.user_id}
        await in_thread(importing.own_import, **ours)
        await self.join(import_progress.group_of_import(import_id))
        await self.send_json(await in_thread(importing.snapshot, **ours))


class BatchUnderWay(Socket):
    """How far an archive of the athlete's has been read; each frame says all, so a lost one does no harm."""

    access = member

    async def opened(self) -> None:
        """Join first, then read: no step is missed."""
        batch_id: UUID = self.scope["url_route"]["kwargs"]["batch_id"]
        ours = {"batch_id": batch_id, "by": self.principal.user_id}
        await in_thread(batches.own_batch, **ours)
        await self.join(import_progress.group_of(batch_id))
        await self.send_json(await in_thread(batches.snapshot, **ours))


websocket_urlpatterns = [
    path("sessions/<uuid:session_id>", LiveSession.as_asgi()),
    path("group-workouts/<uuid:group_id>", GroupWorkoutSocket.as_asgi()),
    path("me", MySocket.as_asgi()),
    path("imports/<uuid:import_id>", ImportUnderWay.as_asgi()),
    path("imports/batches/<uuid:batch_id>", BatchUnderWay.as_asgi()),
]
