"""The social context over HTTP: friend requests, friends, the feed, rooms and their messages."""

from typing import Any
from uuid import UUID

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity import services as identity
from contexts.social import feed, friendships, messages, rooms, rules
from contexts.social.models import FeedEntry, Friendship, Room
from kernel.access import RateLimit, member
from kernel.errors import InvalidInput
from kernel.http import PAGE_PARAMETERS, Endpoint, Identifier, page, page_of, validated
from kernel.idempotency import idempotent


class SocialPerson(serializers.Serializer):
    """A member as others see them; the name is null where it is not theirs to see."""

    user_id = serializers.UUIDField()
    display_name = serializers.CharField(allow_null=True)


def people(user_ids: set[UUID], *, hidden: frozenset[UUID] = frozenset()) -> dict[UUID, dict[str, Any]]:
    """Members by id as `SocialPerson`; identity is asked once. Private members in `hidden` stay nameless."""
    members = identity.get_members(user_ids=sorted(user_ids))
    shown = {u: m.display_name for u, m in members.items() if m.is_public or u not in hidden}
    return {user_id: {"user_id": user_id, "display_name": shown.get(user_id)} for user_id in user_ids}


class SendFriendRequest(serializers.Serializer):
    user_id = Identifier()


class FriendRequestDetails(serializers.Serializer):
    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=Friendship.State.choices)
    asked_by = serializers.UUIDField()
    addressee = serializers.UUIDField()
    asked_at = serializers.DateTimeField()


class WaitingFriendRequest(serializers.Serializer):
    id = serializers.UUIDField()
    direction = serializers.ChoiceField(choices=[("incoming", "incoming"), ("outgoing", "outgoing")])
    person = SocialPerson()
    asked_at = serializers.DateTimeField()


class FriendRequests(Endpoint):
    access = member

    @extend_schema(
        operation_id="list_friend_requests",
        parameters=PAGE_PARAMETERS,
        responses=page_of(WaitingFriendRequest),
    )
    def get(self, request: Request) -> Response:
        """Requests that wait for an answer, incoming and outgoing, newest first."""
        me = request.user.user_id
        shown = page(request, friendships.list_waiting(user_id=me), order=("-asked_at", "-id"), to_item=_as_it_is)
        outgoing = frozenset(row.addressee for row in shown["items"] if row.asked_by == me)
        persons = people({row.other(me) for row in shown["items"]}, hidden=outgoing)
        shown["items"] = [
            {
                "id": row.id,
                "direction": "outgoing" if row.asked_by == me else "incoming",
                "person": persons[row.other(me)],
                "asked_at": row.asked_at,
            }
            for row in shown["items"]
        ]
        return Response(shown)

    @extend_schema(
        operation_id="send_friend_request", request=SendFriendRequest, responses={201: FriendRequestDetails}
    )
    def post(self, request: Request) -> Response:
        """Ask a member to be friends (at most 50 a UTC day). If they asked already, you are friends now."""
        wanted = validated(SendFriendRequest, request)
        friendship = friendships.send_friend_request(to=wanted["user_id"], by=request.user.user_id, at=now())
        return Response(FriendRequestDetails(friendship).data, status=201)


class FriendRequest(Endpoint):
    access = member

    @extend_schema(operation_id="withdraw_friend_request", responses={204: None})
    def delete(self, request: Request, request_id: UUID) -> Response:
        """Take an own request back. It stays counted for its day."""
        friendships.withdraw_friend_request(request_id=request_id, by=request.user.user_id, at=now())
        return Response(status=204)


class AcceptFriendRequest(Endpoint):
    access = member

    @extend_schema(operation_id="accept_friend_request", request=None, responses=FriendRequestDetails)
    def post(self, request: Request, request_id: UUID) -> Response:
        """Say yes: you are friends."""
        friendship = friendships.accept_friend_request(request_id=request_id, by=request.user.user_id, at=now())
        return Response(FriendRequestDetails(friendship).data)


class DeclineFriendRequest(Endpoint):
    access = member

    @extend_schema(operation_id="decline_friend_request", request=None, responses=FriendRequestDetails)
    def post(self, request: Request, request_id: UUID) -> Response:
        """Say no. The other may ask again."""
        friendship = friendships.decline_friend_request(request_id=request_id, by=request.user.user_id, at=now())
        return Response(FriendRequestDetails(friendship).data)


class Friend(SocialPerson):
    since = serializers.DateTimeField()


class Friends(Endpoint):
    access = member

    @extend_schema(operation_id="list_friends", parameters=PAGE_PARAMETERS, responses=page_of(Friend))
    def get(self, request: Request) -> Response:
        """Your friends, newest first."""
        me = request.user.user_id
        mine = friendships.list_friendships(user_id=me)
        shown = page(request, mine, order=("-settled_at", "-id"), to_item=_as_it_is)
        persons = people({row.other(me) for row in shown["items"]})
        shown["items"] = [{**persons[row.other(me)], "since": row.settled_at} for row in shown["items"]]
        return Response(shown)


class FeedItem(serializers.Serializer):
    id = serializers.UUIDField()
    session_id = serializers.UUIDField()
    author = SocialPerson()
    sport = serializers.CharField()
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField()
    duration_s = serializers.FloatField()
    moving_s = serializers.FloatField()
    distance_m = serializers.FloatField(allow_null=True)
    energy_kcal = serializers.FloatField(allow_null=True)
    visibility = serializers.ChoiceField(choices=[(word, word) for word in rules.SHARED])


class Feed(Endpoint):
    access = member

    @extend_schema(operation_id="list_feed", parameters=PAGE_PARAMETERS, responses=page_of(FeedItem))
    def get(self, request: Request) -> Response:
        """Workouts you and your friends shared, newest first."""
        entries = feed.entries_for(viewer=request.user.user_id)
        shown = page(request, entries, order=("-ended_at", "-id"), to_item=_as_it_is)
        persons = people({entry.author_id for entry in shown["items"]})
        shown["items"] = [_feed_item(entry, persons[entry.author_id]) for entry in shown["items"]]
        return Response(shown)


def _feed_item(entry: FeedEntry, author: dict[str, Any]) -> dict[str, Any]:
    own = {name: getattr(entry, name) for name in FeedItem().fields if name != "author"}
    return {**own, "author": author}


class OpenRoom(serializers.Serializer):
    kind = serializers.ChoiceField(choices=Room.Kind.choices)
    title = serializers.CharField(max_length=rules.MAX_TITLE_LENGTH, required=False)
    member_ids = serializers.ListField(child=Identifier(), allow_empty=False, max_length=rules.MAX_ROOM_MEMBERS)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A direct room is with one person, a group has a title."""
        if attrs["kind"] == Room.Kind.DIRECT and len(attrs["member_ids"]) != 1:
            raise InvalidInput("A direct room is with one other person.", field="member_ids", code="not_one")
        if attrs["kind"] == Room.Kind.GROUP and "title" not in attrs:
            raise InvalidInput("A group room has a title.", field="title", code="required")
        return attrs


class RoomDetails(serializers.Serializer):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=Room.Kind.choices)
    title = serializers.CharField(allow_blank=True)
    member_count = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    active_at = serializers.DateTimeField()
    last_seq = serializers.IntegerField()


class ListedRoom(RoomDetails):
    last_read_seq = serializers.IntegerField()
    unread = serializers.IntegerField()
    other = SocialPerson(allow_null=True)


class Rooms(Endpoint):
    access = member
    limit = {"POST": RateLimit("60/h", by="user")}

    @extend_schema(operation_id="list_rooms", parameters=PAGE_PARAMETERS, responses=page_of(ListedRoom))
    def get(self, request: Request) -> Response:
        """Your rooms, the liveliest first. In a direct room `other` is who you talk with."""
        me = request.user.user_id
        shown = page(request, rooms.list_rooms(user_id=me), order=("-active_at", "-id"), to_item=_as_it_is)
        others = {room.id: _other_of(room, me) for room in shown["items"]}
        persons = people({user_id for user_id in others.values() if user_id})
        shown["items"] = [
            {
                **RoomDetails(room).data,
                "last_read_seq": room.last_read_seq,
                "unread": room.unread,
                "other": persons.get(others[room.id]),
            }
            for room in shown["items"]
        ]
        return Response(shown)

    @idempotent("social")
    @extend_schema(operation_id="open_room", request=OpenRoom, responses={201: RoomDetails})
    def post(self, request: Request) -> Response:
        """Open a direct room with a friend (there is one for each pair) or a group room with several."""
        wanted = validated(OpenRoom, request)
        by, at = request.user.user_id, now()
        if wanted["kind"] == Room.Kind.DIRECT:
            room = rooms.open_direct_room(by=by, other=wanted["member_ids"][0], at=at)
        else:
            room = rooms.open_group_room(by=by, title=wanted["title"], member_ids=wanted["member_ids"], at=at)
        return Response(RoomDetails(room).data, status=201)


def _other_of(room: Room, me: UUID) -> UUID | None:
    if room.kind != Room.Kind.DIRECT:
        return None
    return room.user_high if room.user_low == me else room.user_low


class RoomMember(SocialPerson):
    joined_at = serializers.DateTimeField()


class RoomMembers(Endpoint):
    access = member

    @extend_schema(operation_id="list_room_members", parameters=PAGE_PARAMETERS, responses=page_of(RoomMember))
    def get(self, request: Request, room_id: UUID) -> Response:
        """Who is in a room of yours."""
        seats = rooms.list_members(room_id=room_id, by=request.user.user_id)
        shown = page(request, seats, order=("joined_at", "id"), to_item=_as_it_is)
        persons = people({seat.user_id for seat in shown["items"]})
        shown["items"] = [{**persons[seat.user_id], "joined_at": seat.joined_at} for seat in shown["items"]]
        return Response(shown)


class SendMessage(serializers.Serializer):
    client_message_id = serializers.RegexField(r"^[A-Za-z0-9._:-]{1,64}$")
    text = serializers.CharField(max_length=rules.MAX_TEXT_LENGTH, trim_whitespace=False)


class SentMessage(serializers.Serializer):
    """What the socket acknowledges, too: the message's place in the room."""

    id = serializers.UUIDField()
    room_id = serializers.UUIDField()
    seq = serializers.IntegerField()
    client_message_id = serializers.CharField()
    sent_at = serializers.DateTimeField()


class ChatMessage(SentMessage):
    """`text` is empty where a moderator has hidden it."""

    author = SocialPerson()
    text = serializers.CharField(allow_blank=True)
    hidden = serializers.BooleanField()


class RoomHistory(serializers.Serializer):
    items = ChatMessage(many=True)
    last_seq = serializers.IntegerField()


class RoomMessages(Endpoint):
    access = member
    limit = {"POST": RateLimit("120/min", by="user")}

    @extend_schema(
        operation_id="list_messages",
        parameters=[
            OpenApiParameter("after", {"type": "integer", "minimum": 0}, description="Messages above this number."),
            OpenApiParameter(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": rules.MAX_MESSAGES_A_PAGE},
                description="How many.",
            ),
        ],
        responses=RoomHistory,
    )
    def get(self, request: Request, room_id: UUID) -> Response:
        """What was said in a room of yours, in order, after a number."""
        history = messages.read_history(
            room_id=room_id,
            by=request.user.user_id,
            after=_number(request, "after", least=0, most=2**63 - 1, default=0),
            limit=_number(request, "limit", least=1, most=rules.MAX_MESSAGES_A_PAGE, default=50),
        )
        return Response({"items": history.items, "last_seq": history.last_seq})

    @extend_schema(operation_id="send_message", request=SendMessage, responses={201: SentMessage})
    def post(self, request: Request, room_id: UUID) -> Response:
        """Say something. The same `client_message_id` again answers the first message and adds none."""
        wanted = validated(SendMessage, request)
        sent = messages.send_message(room_id=room_id, by=request.user.user_id, at=now(), **wanted)
        return Response(SentMessage(sent).data, status=201)


class ReadUpTo(serializers.Serializer):
    seq = serializers.IntegerField(min_value=0, max_value=2**63 - 1)


class ReadMark(serializers.Serializer):
    seq = serializers.IntegerField()


class RoomRead(Endpoint):
    access = member

    @extend_schema(operation_id="mark_room_read", request=ReadUpTo, responses=ReadMark)
    def post(self, request: Request, room_id: UUID) -> Response:
        """Remember how far you have read; the mark never moves back."""
        wanted = validated(ReadUpTo, request)
        return Response({"seq": rooms.mark_read(room_id=room_id, by=request.user.user_id, **wanted)})


def _as_it_is(row: Any) -> Any:
    return row


def _number(request: Request, name: str, *, least: int, most: int, default: int) -> int:
    """A whole number from the query; a 400 outside its range."""
    asked = request.query_params.get(name)
    if asked is None:
        return default
    if not (asked.isascii() and asked.isdecimal() and len(asked) <= 19 and least <= int(asked) <= most):
        raise InvalidInput(
            "A whole number from {least} to {most}.", field=name, code="out_of_range", least=least, most=most
        )
    return int(asked)


urlpatterns = [
    path("friend-requests", FriendRequests.as_view()),
    path("friend-requests/<uuid:request_id>", FriendRequest.as_view()),
    path("friend-requests/<uuid:request_id>/accept", AcceptFriendRequest.as_view()),
    path("friend-requests/<uuid:request_id>/decline", DeclineFriendRequest.as_view()),
    path("friends", Friends.as_view()),
    path("feed", Feed.as_view()),
    path("rooms", Rooms.as_view()),
    path("rooms/<uuid:room_id>/members", RoomMembers.as_view()),
    path("rooms/<uuid:room_id>/messages", RoomMessages.as_view()),
    path("rooms/<uuid:room_id>/read", RoomRead.as_view()),
]
