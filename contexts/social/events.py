"""What the social context announces."""

from dataclasses import dataclass
from uuid import UUID

from kernel.events import DomainEvent


@dataclass(frozen=True, kw_only=True)
class FriendshipEstablished(DomainEvent, key="user_a"):
    """Two members became friends. `user_a` is the smaller of the two identifiers."""

    user_a: UUID
    user_b: UUID
