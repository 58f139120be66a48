"""Aggregates of the social context: friendships, the feed, rooms and their messages."""

from datetime import datetime
from typing import Self
from uuid import UUID

from django.db import models
from django.db.models import F, Q

from contexts.social import rules
from kernel.models import uuid7


class FriendshipQuerySet(models.QuerySet["Friendship"]):
    """Ways to look at friendships."""

    def of(self, user_id: UUID) -> Self:
        return self.filter(Q(user_low=user_id) | Q(user_high=user_id))

    def established(self) -> Self:
        return self.filter(state=Friendship.State.FRIENDS)

    def waiting(self) -> Self:
        return self.filter(state=Friendship.State.ASKED)


class Friendship(models.Model):
    """Two members and how they stand: one row for a pair, whoever asked.

    The single row is what makes crossing requests meet, a second friendship impossible and friendship
    symmetric. While it waits it is called a friend request.
    """

    class State(models.TextChoices):
        ASKED = "asked"
        FRIENDS = "friends"
        DECLINED = "declined"
        WITHDRAWN = "withdrawn"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_low = models.UUIDField()
    user_high = models.UUIDField()
    asked_by = models.UUIDField()
    asked_at = models.DateTimeField()
    state = models.CharField(max_length=9, choices=State.choices, default=State.ASKED)
    settled_at = models.DateTimeField(null=True)

    objects = FriendshipQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user_low", "user_high"], name="social_one_friendship_a_pair"),
            models.CheckConstraint(condition=Q(user_low__lt=F("user_high")), name="social_no_friendship_with_self"),
            models.CheckConstraint(
                condition=Q(asked_by=F("user_low")) | Q(asked_by=F("user_high")),
                name="social_asked_by_one_of_the_pair",
            ),
            models.CheckConstraint(
                condition=Q(state="asked", settled_at__isnull=True)
                | (~Q(state="asked") & Q(settled_at__isnull=False)),
                name="social_friendship_settled_when_answered",
            ),
        ]
        indexes = [
            models.Index(fields=["user_low", "state"], name="social_friendship_low"),
            models.Index(fields=["user_high", "state"], name="social_friendship_high"),
        ]

    def __str__(self) -> str:
        return f"{self.user_low} and {self.user_high}: {self.state}"

    @property
    def addressee(self) -> UUID:
        """Who was asked."""
        return self.other(self.asked_by)

    def other(self, user_id: UUID) -> UUID:
        """The one of the pair who is not `user_id`."""
        return self.user_high if user_id == self.user_low else self.user_low

    def ask_again(self, *, by: UUID, at: datetime) -> None:
        """Start waiting anew after an answer was no, or the question was taken back."""
        self.asked_by, self.asked_at = by, at
        self.state, self.settled_at = self.State.ASKED, None

    def settle(self, state: str, *, at: datetime) -> None:
        """End the waiting."""
        self.state, self.settled_at = state, at


class FriendRequestQuota(models.Model):
    """How many friend requests a member sent on one UTC day. Its check is the limit."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sender_id = models.UUIDField()
    day = models.DateField()
    sent = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sender_id", "day"], name="social_one_quota_a_day"),
            models.CheckConstraint(
                condition=Q(sent__lte=rules.MAX_FRIEND_REQUESTS_A_DAY), name="social_friend_requests_a_day"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sender_id} on {self.day}: {self.sent}"


class FeedEntry(models.Model):
    """A workout its athlete shares with friends. Private workouts never get here."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    session_id = models.UUIDField(unique=True)
    author_id = models.UUIDField()
    sport = models.CharField(max_length=32)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    duration_s = models.FloatField()
    moving_s = models.FloatField()
    distance_m = models.FloatField(null=True)
    energy_kcal = models.FloatField(null=True)
    visibility = models.CharField(max_length=8)

    class Meta:
        verbose_name_plural = "feed entries"
        constraints = [
            models.CheckConstraint(
                condition=Q(visibility__in=rules.SHARED), name="social_feed_holds_nothing_private"
            ),
        ]
        indexes = [models.Index(fields=["author_id", "-ended_at", "-id"], name="social_feed_by_author")]

    def __str__(self) -> str:
        return f"{self.sport} of {self.author_id}"


class FeedSource(models.Model):
    """What workout said last of a session after its completion: a change, by number, or that it is gone.

    It outlives the feed entry, so that news which come late, in whatever order, bring nothing back.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    session_id = models.UUIDField(unique=True)
    author_id = models.UUIDField(db_index=True)
    change = models.PositiveIntegerField(default=0)
    is_deleted = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.session_id}: {'deleted' if self.is_deleted else self.change}"

    def is_before(self, change: int) -> bool:
        """Whether a change is news."""
        return not self.is_deleted and self.change < change


class Room(models.Model):
    """A place to talk: two friends (direct) or several people (group).

    `last_seq` is the number of the newest message. It moves in the transaction that stores the message.
    """

    class Kind(models.TextChoices):
        DIRECT = "direct"
        GROUP = "group"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=6, choices=Kind.choices)
    title = models.CharField(max_length=rules.MAX_TITLE_LENGTH, blank=True)
    created_by = models.UUIDField()
    created_at = models.DateTimeField()
    active_at = models.DateTimeField()
    last_seq = models.PositiveBigIntegerField(default=0)
    member_count = models.PositiveIntegerField()
    user_low = models.UUIDField(null=True, editable=False)
    user_high = models.UUIDField(null=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user_low", "user_high"], name="social_one_direct_room_a_pair"),
            models.CheckConstraint(
                condition=Q(kind="direct", user_low__lt=F("user_high"), title="", member_count=2)
                | Q(kind="group", user_low__isnull=True, user_high__isnull=True),
                name="social_direct_room_is_a_pair",
            ),
            models.CheckConstraint(
                condition=Q(member_count__lte=rules.MAX_ROOM_MEMBERS), name="social_room_members_at_most"
            ),
        ]

    def __str__(self) -> str:
        return self.title or f"{self.kind} room {self.id}"

    def next_seq(self, *, at: datetime) -> int:
        """Take the number of the next message. The caller holds the row's lock and saves."""
        self.last_seq += 1
        self.active_at = at
        return self.last_seq


class Membership(models.Model):
    """A member of a room, and how far they have read."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="memberships")
    user_id = models.UUIDField(db_index=True)
    joined_at = models.DateTimeField()
    last_read_seq = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["room", "user_id"], name="social_member_once_a_room")]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.room_id}"


class Message(models.Model):
    """What somebody said in a room. `seq` counts 1, 2, 3 … without a gap in each room.

    A hidden message keeps its place and its number; only its words are withheld.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="messages", db_index=False)
    seq = models.PositiveBigIntegerField()
    author_id = models.UUIDField()
    client_message_id = models.CharField(max_length=64)
    text = models.TextField()
    sent_at = models.DateTimeField()
    hidden_at = models.DateTimeField(null=True)
    hidden_by = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["room", "seq"], name="social_message_seq_once_a_room"),
            models.UniqueConstraint(
                fields=["room", "author_id", "client_message_id"], name="social_message_once_a_client_id"
            ),
            models.CheckConstraint(condition=Q(seq__gte=1), name="social_message_seq_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.room_id} #{self.seq}"

    @property
    def is_hidden(self) -> bool:
        return self.hidden_at is not None

    def hide(self, *, by: UUID, at: datetime) -> None:
        """Withhold the words from everybody. Hiding twice keeps the first moderator and moment."""
        if not self.is_hidden:
            self.hidden_by, self.hidden_at = by, at
