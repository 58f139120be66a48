"""What a look is for: `?purpose=` of every operation that shows medical data."""

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from contexts.health.sharing import looking
from contexts.health.terms import OWN_PURPOSES, Purpose

PURPOSE = OpenApiParameter(
    "purpose",
    str,
    enum=[purpose.value for purpose in OWN_PURPOSES],
    default=Purpose.OWN_CARE.value,
    description="What you look for. It is written down.",
)
GRANTED_PURPOSE = OpenApiParameter(
    "purpose",
    str,
    enum=[Purpose.COACHING.value, Purpose.TREATMENT.value],
    required=True,
    description="What you look for: of the grant's purposes. It is written down, and its owner is shown it.",
)


def own_purpose(request: Request) -> Purpose:
    """For what somebody looks at what is their own; `own_care` where they do not say."""
    return looking.own(by=request.user, purpose=request.query_params.get("purpose")).purpose
