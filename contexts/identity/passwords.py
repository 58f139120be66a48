"""What a password must be (ID-3), and how it is kept."""

import re
from dataclasses import dataclass

from django.contrib.auth.hashers import Argon2PasswordHasher
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from zxcvbn import zxcvbn

from contexts.identity import rules
from contexts.identity.models import User
from kernel.errors import InvalidInput


class SpecialCharacterValidator:
    """At least one character that is neither a letter nor a digit nor white space."""

    def validate(self, password: str, user: User | None = None) -> None:
        """Raise `ValidationError` when there is none."""
        if not any(not c.isalnum() and not c.isspace() for c in password):
            raise ValidationError(self.get_help_text(), code="password_no_special_character")

    def get_help_text(self) -> str:
        """What is asked for, in one sentence."""
        return _("The password needs at least one special character, such as ! ? # or -.")


class ContextWordsValidator:
    """Without the product's words and the person's own, enough of the password must be left."""

    def validate(self, password: str, user: User | None = None) -> None:
        """Raise `ValidationError` when the password leans on such words."""
        rest = password.lower()
        own = re.split(r"[^\w]+", f"{user.email} {user.display_name}".lower()) if user else []
        for word in sorted({*rules.CONTEXT_WORDS, *(part for part in own if len(part) > 3)}, key=len, reverse=True):
            rest = rest.replace(word, "")
        if len(rest) < rules.MIN_BESIDE_CONTEXT_WORDS:
            raise ValidationError(self.get_help_text(), code="password_of_context_words")

    def get_help_text(self) -> str:
        """What is asked for, in one sentence."""
        return _("The password must not lean on your name, your address or words such as “stayer” or “workout”.")


@dataclass(frozen=True, kw_only=True)
class Strength:
    """How long a password would stand: `score` from 0 (guessed at once) to 4 (very strong)."""

    score: int
    acceptable: bool
    reasons: list[str]
    hint: str


def strength(*, password: str, email: str = "", display_name: str = "") -> Strength:
    """Judge a password as zxcvbn does, beside what we accept (ID-3)."""
    person = User(email=email, display_name=display_name)
    refused: list[ValidationError] = []
    try:
        validate_password(password, person)
    except ValidationError as refusal:
        refused = refusal.error_list
    judged = zxcvbn(password[:JUDGED_LENGTH] or " ", user_inputs=[email, display_name, *rules.CONTEXT_WORDS])
    return Strength(
        score=int(judged["score"]),
        acceptable=not refused,
        reasons=[" ".join(reason.messages) for reason in refused],
        hint=str(HINTS[int(judged["score"])]),
    )


JUDGED_LENGTH = 72
"""zxcvbn's time grows with the square of the length."""
HINTS = (
    gettext_lazy("This would be guessed at once. A few unusual words in a row are easy to keep in mind."),
    gettext_lazy("This is weak. A few unusual words in a row are easy to keep in mind."),
    gettext_lazy("This could be better: one word more would help."),
    gettext_lazy("This is good."),
    gettext_lazy("This is very good."),
)


class CheapArgon2(Argon2PasswordHasher):
    """Argon2 without its cost, for tests that sign in thousands of people."""

    time_cost = 1
    memory_cost = 8
    parallelism = 1


class UnacceptablePassword(InvalidInput):
    """The password is not one we accept; every reason is given."""

    code = "invalid"

    def __init__(self, reasons: list[ValidationError]) -> None:
        """`reasons` become the problem document's errors, all of field `password`."""
        super().__init__(field="password")
        self.extra["errors"] = [
            {"field": "password", "code": reason.code, "detail": " ".join(reason.messages)} for reason in reasons
        ]


def ensure_acceptable(*, password: str, person: User) -> None:
    """Refuse a password that is short, plain, common, or like the person's name or address."""
    try:
        validate_password(password, person)
    except ValidationError as refused:
        raise UnacceptablePassword(refused.error_list) from None
