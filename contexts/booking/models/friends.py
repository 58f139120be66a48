"""Who is whose friend, as social has announced."""

from django.db import models


class Friendship(models.Model):
    """What social announced, kept here so that a ticket can be given to a friend; `user_a` is the smaller id."""

    user_a = models.UUIDField()
    user_b = models.UUIDField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user_a", "user_b"], name="booking_friends_once")]
        indexes = [models.Index(fields=["user_b"], name="booking_friends_of_b")]

    def __str__(self) -> str:
        return f"{self.user_a} and {self.user_b}"
