"""What social has about a person: friendships, shared workouts, rooms and what was said in them.

A room belongs to all who are in it. Its numbering stays whole, so an erased person's messages keep their places,
without their words and from nobody; the others keep what they themselves have said.
"""

from uuid import UUID

from django.db.models import CharField, F
from django.db.models.functions import Cast, Now

from contexts.social import rules
from contexts.social.models import FeedEntry, FeedSource, FriendRequestQuota, Friendship, Membership, Message, Room
from kernel.databases import unit_of_work
from kernel.personal_data import Data, Owned, Replace, Through

ROOMS_A_UNIT = 100


@unit_of_work("social")
def _leave_rooms(user_id: UUID) -> int:
    """Leave some rooms. One that had two people becomes a room of the one who stays; an empty one goes."""
    mine = Room.objects.filter(memberships__user_id=user_id)
    left = list(mine.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True)[:ROOMS_A_UNIT])
    Membership.objects.filter(room_id__in=left, user_id=user_id).delete()
    Room.objects.filter(pk__in=left).update(
        kind=Room.Kind.GROUP, user_low=None, user_high=None, member_count=F("member_count") - 1
    )
    empty = Room.objects.filter(pk__in=left, member_count=0)
    Message.objects.filter(room__in=empty).delete()
    empty.delete()
    return len(left)


DATA: Data = {
    Message: Owned(
        by="author_id",
        erase=Replace(
            {
                "text": "",
                "author_id": rules.NOBODY,
                "client_message_id": Cast("id", CharField()),  # theirs was free text, and unique for an author
                "hidden_at": Now(),
            }
        ),
    ),
    Membership: Owned(by="user_id", erase=Through(_leave_rooms)),
    Room: Owned(by="created_by", erase=Replace({"created_by": rules.NOBODY, "title": ""})),
    FeedEntry: Owned(by="author_id"),
    FeedSource: Owned(by="author_id"),
    Friendship: Owned(by=("user_low", "user_high")),
    FriendRequestQuota: Owned(by="sender_id"),
}
