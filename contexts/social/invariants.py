"""What must always be true of the social context's data: each query returns the rows that break it."""

from contexts.social import rules
from kernel.observability import invariant


@invariant("social", "S1", "Messages of a room are numbered 1, 2, 3 … without a gap up to its last_seq")
def gapless_rooms() -> str:
    return """
        SELECT r.id, r.last_seq, count(m.id), min(m.seq), max(m.seq)
        FROM social_room r LEFT JOIN social_message m ON m.room_id = r.id
        GROUP BY r.id
        HAVING count(m.id) <> r.last_seq OR coalesce(max(m.seq), 0) <> r.last_seq
            OR (count(m.id) > 0 AND min(m.seq) <> 1) OR count(DISTINCT m.seq) <> count(m.seq)"""


@invariant("social", "S3", "A sender's client_message_id stands once in a room")
def messages_sent_once() -> str:
    return """
        SELECT room_id, author_id, client_message_id, count(*) FROM social_message
        GROUP BY room_id, author_id, client_message_id HAVING count(*) > 1"""


@invariant("social", "S4", "A room has the members it counts, and no more than a room holds")
def counted_members() -> str:
    return f"""
        SELECT r.id, r.member_count, count(m.id)
        FROM social_room r LEFT JOIN social_membership m ON m.room_id = r.id
        GROUP BY r.id HAVING count(m.id) <> r.member_count OR count(m.id) > {rules.MAX_ROOM_MEMBERS}"""


@invariant("social", "S5", "Nobody sends more friend requests a day than allowed, and every one is counted")
def friend_requests_counted() -> str:
    return f"""
        SELECT q.sender_id, q.day, q.sent FROM social_friendrequestquota q
        WHERE q.sent > {rules.MAX_FRIEND_REQUESTS_A_DAY}
        UNION ALL
        SELECT asked.by, asked.day, asked.times
        FROM (
            SELECT asked_by AS by, (asked_at AT TIME ZONE 'UTC')::date AS day, count(*) AS times
            FROM social_friendship GROUP BY 1, 2) asked
        LEFT JOIN social_friendrequestquota q ON q.sender_id = asked.by AND q.day = asked.day
        WHERE asked.times > coalesce(q.sent, 0)"""


@invariant("social", "S6", "A friendship is one row of two different members, asked by one of them")
def symmetric_friendships() -> str:
    return """
        SELECT id, user_low, user_high, asked_by FROM social_friendship
        WHERE user_low >= user_high OR asked_by NOT IN (user_low, user_high)"""


@invariant("social", "S10", "The feed holds nothing private")
def nothing_private_in_the_feed() -> str:
    shared = ", ".join(f"'{word}'" for word in rules.SHARED)
    return f"SELECT id, author_id, visibility FROM social_feedentry WHERE visibility NOT IN ({shared})"


@invariant("social", "S12", "The feed holds no workout that is gone")
def nothing_deleted_in_the_feed() -> str:
    return """
        SELECT entry.id, entry.session_id FROM social_feedentry entry
        JOIN social_feedsource source ON source.session_id = entry.session_id WHERE source.is_deleted"""


@invariant(
    "social",
    "S11",
    "A direct room holds its pair, who wrote is a member or was erased, nobody has read ahead",
)
def rooms_hold_their_members() -> str:
    return f"""
        SELECT r.id, m.user_id FROM social_room r JOIN social_membership m ON m.room_id = r.id
        WHERE m.last_read_seq > r.last_seq
            OR (r.kind = 'direct' AND m.user_id NOT IN (r.user_low, r.user_high))
        UNION ALL
        SELECT DISTINCT s.room_id, s.author_id FROM social_message s
        WHERE s.author_id <> '{rules.NOBODY}' AND NOT EXISTS (
            SELECT 1 FROM social_membership m WHERE m.room_id = s.room_id AND m.user_id = s.author_id)"""
