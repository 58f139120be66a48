"""What a password must be (ID-3), and how it is kept."""

from django.contrib.auth.hashers import Argon2PasswordHasher
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

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
        return "The password needs at least one special character, such as ! ? # or -."


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
