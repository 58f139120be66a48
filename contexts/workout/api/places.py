"""How places look over HTTP. Every field here takes what is `Shown`, and nothing else (ID-7)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request

from contexts.workout.places.privacy import Shown
from kernel.http import Form

MARK = {"x-places": True}
"""In the API's description: here are places. A test tries each for every viewer."""


class ShownField(serializers.Field, ABC):
    """A field that shows places; raises `TypeError` for places that came through no gate."""

    def __init__(self, **options: Any) -> None:
        super().__init__(read_only=True, **options)

    def to_representation(self, value: Any) -> Any:
        if not isinstance(value, Shown):
            raise TypeError(f"{self.field_name} shows places: they go through contexts.workout.places.privacy first")
        return self.drawn(value.places)

    @abstractmethod
    def drawn(self, places: Any) -> Any:
        """The places as JSON."""


@extend_schema_field(
    {
        "type": "object",
        "description": "GeoJSON, longitude first: the pieces that may be shown.",
        "properties": {
            "type": {"type": "string", "enum": ["MultiLineString"]},
            "coordinates": {
                "type": "array",
                "items": {
                    "type": "array",
                    "items": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
                },
            },
        },
        "required": ["type", "coordinates"],
        **MARK,
    }
)
class LineField(ShownField):
    """A line in pieces."""

    def drawn(self, places: Any) -> Any:
        return {"type": "MultiLineString", "coordinates": [piece.points() for piece in places]}


@extend_schema_serializer(extensions=MARK)
class SessionStream(serializers.Serializer):
    kind = serializers.CharField()
    offsets_s = serializers.ListField(child=serializers.FloatField(), help_text="Seconds since the session's start.")
    values = serializers.ListField(child=serializers.FloatField())


@extend_schema_field(SessionStream(many=True))
class StreamsField(ShownField):
    """Streams, those of latitude and longitude among them."""

    def drawn(self, places: Any) -> Any:
        return [{"kind": kind, "offsets_s": offsets, "values": values} for kind, offsets, values in places]


@extend_schema_serializer(extensions=MARK)
class HeatMapCell(serializers.Serializer):
    cell = serializers.CharField(help_text="H3 index.")
    outline = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField()), help_text="Corners, longitude first."
    )
    sessions = serializers.IntegerField()


@extend_schema_field(HeatMapCell(many=True))
class CellsField(ShownField):
    """Cells of a heat map."""

    def drawn(self, places: Any) -> Any:
        return [{"cell": cell.name, "outline": cell.outline, "sessions": cell.sessions} for cell in places]


class NearForm(serializers.Serializer):
    latitude = serializers.FloatField(min_value=-90, max_value=90)
    longitude = serializers.FloatField(min_value=-180, max_value=180)
    radius_m = serializers.FloatField(min_value=1, max_value=20_000, default=1_000)


NEAR_PARAMETERS = [
    OpenApiParameter("latitude", {"type": "number", "minimum": -90, "maximum": 90}, required=True),
    OpenApiParameter("longitude", {"type": "number", "minimum": -180, "maximum": 180}, required=True),
    OpenApiParameter("radius_m", {"type": "number", "minimum": 1, "maximum": 20_000, "default": 1_000}),
]


def asked(form: type[Form], request: Request) -> Mapping[str, Any]:
    """The query as the form's fields; raises a 400 that names each field at fault."""
    bound = form(data=request.query_params.dict())
    bound.is_valid(raise_exception=True)
    return dict(bound.validated_data)
