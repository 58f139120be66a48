"""Asking somebody to be friends, answering, and who is friends with whom (SO-1)."""

from datetime import datetime
from uuid import UUID

from django.db.models import F, QuerySet

from contexts.identity import services as identity
from contexts.social import events, rules
from contexts.social.models import FriendRequestQuota, Friendship
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import NotFound, Refused


class CannotBefriendYourself(Refused):
    """A friend request goes to somebody else."""


class AlreadyFriends(Refused):
    """You are friends already."""


class AlreadyAsked(Refused):
    """Your request is still waiting for an answer."""


class NoLongerWaiting(Refused):
    """This request was already answered or taken back."""


class TooManyFriendRequests(Refused):
    """You have sent as many friend requests as a day allows; try again after midnight UTC."""

    status = 429


def send_friend_request(*, to: UUID, by: UUID, at: datetime) -> Friendship:
    """Ask `to` to be friends; if they already asked, this is a yes.

    Raises NotFound for an unknown member, CannotBefriendYourself, AlreadyFriends, AlreadyAsked,
    TooManyFriendRequests.
    """
    if to == by:
        raise CannotBefriendYourself
    if identity.get_member(user_id=to) is None:
        raise NotFound
    return _ask(to=to, by=by, at=at)


@unit_of_work("social")
def _ask(*, to: UUID, by: UUID, at: datetime) -> Friendship:
    low, high = rules.pair_of(by, to)
    friendship, is_new = Friendship.objects.select_for_update().get_or_create(
        user_low=low, user_high=high, defaults={"asked_by": by, "asked_at": at}
    )
    if is_new:
        _spend_one_request(by=by, at=at)
    elif friendship.state == Friendship.State.FRIENDS:
        raise AlreadyFriends
    elif friendship.state == Friendship.State.ASKED:
        _meet(friendship, by=by, at=at)
    else:
        _spend_one_request(by=by, at=at)
        friendship.ask_again(by=by, at=at)
        friendship.save()
    return friendship


def _meet(friendship: Friendship, *, by: UUID, at: datetime) -> None:
    """A request meets one that waits: from the same member it is a repetition, from the other a yes."""
    if friendship.asked_by == by:
        raise AlreadyAsked
    _establish(friendship, at=at)


def _spend_one_request(*, by: UUID, at: datetime) -> None:
    """Count one more request of today, or refuse.

    The conditional update waits for a parallel one and then looks again, so the fiftieth is the last however
    many arrive together.
    """
    quota = {"sender_id": by, "day": rules.quota_day(at)}
    FriendRequestQuota.objects.bulk_create([FriendRequestQuota(**quota)], ignore_conflicts=True)
    today = FriendRequestQuota.objects.filter(**quota, sent__lt=rules.MAX_FRIEND_REQUESTS_A_DAY)
    if not today.update(sent=F("sent") + 1):
        raise TooManyFriendRequests


def _establish(friendship: Friendship, *, at: datetime) -> None:
    friendship.settle(Friendship.State.FRIENDS, at=at)
    friendship.save(update_fields=["state", "settled_at"])
    publish(events.FriendshipEstablished(user_a=friendship.user_low, user_b=friendship.user_high, occurred_at=at))


@unit_of_work("social")
def accept_friend_request(*, request_id: UUID, by: UUID, at: datetime) -> Friendship:
    """Say yes to a request somebody sent to `by`. Saying yes twice changes nothing."""
    friendship = _request_to(by, request_id)
    if friendship.state == Friendship.State.FRIENDS:
        return friendship
    _ensure_waiting(friendship)
    _establish(friendship, at=at)
    return friendship


@unit_of_work("social")
def decline_friend_request(*, request_id: UUID, by: UUID, at: datetime) -> Friendship:
    """Say no to a request somebody sent to `by`. Saying no twice changes nothing."""
    friendship = _request_to(by, request_id)
    if friendship.state != Friendship.State.DECLINED:
        _ensure_waiting(friendship)
        friendship.settle(Friendship.State.DECLINED, at=at)
        friendship.save(update_fields=["state", "settled_at"])
    return friendship


@unit_of_work("social")
def withdraw_friend_request(*, request_id: UUID, by: UUID, at: datetime) -> None:
    """Take an own request back. It stays counted for its day."""
    friendship = _locked(by, request_id)
    if friendship.asked_by != by:
        raise NotFound
    if friendship.state != Friendship.State.WITHDRAWN:
        _ensure_waiting(friendship)
        friendship.settle(Friendship.State.WITHDRAWN, at=at)
        friendship.save(update_fields=["state", "settled_at"])


def _locked(user_id: UUID, request_id: UUID) -> Friendship:
    friendship = Friendship.objects.select_for_update().of(user_id).filter(pk=request_id).first()
    if friendship is None:
        raise NotFound
    return friendship


def _request_to(addressee: UUID, request_id: UUID) -> Friendship:
    friendship = _locked(addressee, request_id)
    if friendship.addressee != addressee:
        raise NotFound
    return friendship


def _ensure_waiting(friendship: Friendship) -> None:
    if friendship.state != Friendship.State.ASKED:
        raise NoLongerWaiting


def list_waiting(*, user_id: UUID) -> QuerySet[Friendship]:
    """Requests that wait for an answer, sent to or by this member."""
    return Friendship.objects.of(user_id).waiting()


def list_friendships(*, user_id: UUID) -> QuerySet[Friendship]:
    """Friendships of this member."""
    return Friendship.objects.of(user_id).established()


def friend_ids(*, user_id: UUID) -> set[UUID]:
    """Everybody this member is friends with."""
    pairs = list_friendships(user_id=user_id).values_list("user_low", "user_high")
    return {high if low == user_id else low for low, high in pairs}
