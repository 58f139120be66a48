"""Refusals: the honest way for an action to say no.

A `Refused` subclass stands beside the function that raises it. Its class name is its stable code
(`SoldOut` → `sold_out`), its docstring's first line is what a person reads, and `kernel.http` turns
it into `application/problem+json`.
"""

import re
from typing import Any, ClassVar, Self


def snake_case(name: str) -> str:
    """`SoldOut` → `sold_out`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


class Text(str):
    """A sentence for people whose `{name}`s are filled in after it was translated; as a string it is in English."""

    template: str
    values: dict[str, object]

    def __new__(cls, template: str, **values: object) -> Self:
        made = super().__new__(cls, template.format(**values) if values else template)
        made.template, made.values = template, values
        return made


class Refused(Exception):
    """The request is understood and not granted."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "refused"
    retry_after: float | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "code" not in cls.__dict__:
            cls.code = snake_case(cls.__name__)

    def __init__(self, detail: str | None = None, **extra: Any) -> None:
        """`detail` replaces the docstring's first line; `extra` become members of the problem document."""
        self.detail = detail or (type(self).__doc__ or "").strip().partition("\n")[0]
        self.extra = extra
        super().__init__(self.detail)


class NotFound(Refused):
    """There is no such thing, or it is not yours to see."""

    status = 404


class TryAgain(Refused):
    """The server is busy with the same thing; the same request may be sent again."""

    status = 503
    retry_after = 1.0


class InvalidInput(Refused):
    """The request cannot be understood as it stands."""

    status = 400
    code = "invalid"

    def __init__(
        self, detail: str | None = None, *, field: str | None = None, code: str = "invalid", **values: object
    ) -> None:
        """Name the `field` at fault and a stable `code` for what is wrong with it; `values` as in `Text`."""
        shown = Text(detail or "The value is not valid.", **values)
        super().__init__(None, errors=[{"field": field, "code": code, "detail": shown}])
