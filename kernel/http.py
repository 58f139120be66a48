"""HTTP manners: hardened JSON in, fast JSON out, problem documents, keyset pages, a policy on every endpoint."""

import base64
import binascii
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NoReturn, TypeAlias, cast
from uuid import UUID

import msgspec
import redis
from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import InterfaceError, OperationalError
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import exceptions, serializers
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from kernel import policy as security_policy
from kernel.access import BearerToken, InsufficientScope, NotSignedIn, Policy, RateLimit, admit_scope
from kernel.errors import InvalidInput, NotFound, Refused, Text, TryAgain
from kernel.events import home_of
from kernel.observability import correlation_id

log = logging.getLogger(__name__)

ENGINE_AWAY = (OperationalError, InterfaceError, redis.RedisError)

MAX_JSON_BYTES = 2_500_000
MAX_JSON_DEPTH = 32
PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""For pages: our own files alone, no inline script or style, in nobody's frame."""
PROBLEM_TYPE = "application/problem+json"

Form: TypeAlias = serializers.Serializer[Any]


class BadJson(Refused):
    """The body is not acceptable JSON."""

    status = 400


class TooLarge(Refused):
    """The body is larger than this endpoint takes."""

    status = 413


def decode_json(body: bytes) -> Any:
    """Parse JSON that cannot hurt: bounded depth, no NUL, no lone surrogates, finite numbers."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadJson(Text("The body is not acceptable JSON: {why}", why=str(error)[:120])) from None
    if b"\\u0000" in body and _holds_nul(value):
        raise BadJson("Text must not contain the NUL character.")
    if body.count(b"[") + body.count(b"{") > MAX_JSON_DEPTH:
        _refuse_depth(value)
    return value


def _holds_nul(value: Any) -> bool:
    """Look for NUL in keys and strings without recursion."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str) and "\0" in item:
            return True
        if isinstance(item, dict):
            stack += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            stack += item
    return False


def _refuse_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_JSON_DEPTH + 1):
        level = [
            inner
            for item in level
            if isinstance(item, (dict, list))
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return
    raise BadJson(Text("The body is nested deeper than {most} levels.", most=MAX_JSON_DEPTH))


def encode_json(value: Any) -> bytes:
    """JSON bytes: instants as RFC 3339 in UTC, UUIDs and decimals as strings."""
    return msgspec.json.encode(value, enc_hook=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    return str(value)  # lazy translations, DRF's ErrorDetail


class JsonParser(BaseParser):
    """Reads at most `MAX_JSON_BYTES`, whatever the headers claim."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return decode_json(read_body(stream, limit=MAX_JSON_BYTES))


def read_body(stream: Any, *, limit: int) -> bytes:
    """The request's body; raises `TooLarge` as soon as it is known to pass the limit."""
    declared = stream.META.get("CONTENT_LENGTH") or "0" if hasattr(stream, "META") else "0"
    if declared.isdigit() and int(declared) > limit:
        raise TooLarge(limit_bytes=limit)
    body: bytes = stream.read(limit + 1)
    if len(body) > limit:
        raise TooLarge(limit_bytes=limit)
    return body


class JsonRenderer(BaseRenderer):
    """Writes what a view returned as JSON; `bytes` are taken for JSON already made."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        if data is None:
            return b""
        return data if isinstance(data, bytes) else encode_json(data)


class Problem(serializers.Serializer[Any]):
    """An error as RFC 9457 describes it, with a stable `code` for programs."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    correlation_id = serializers.CharField()
    errors = serializers.ListField(child=serializers.DictField(), required=False)  # type: ignore[assignment]


TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    422: "Unprocessable",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}


def translated(sentence: Any) -> str:
    """A sentence for people in the language of the request; of a `Text` the template is looked up."""
    if isinstance(sentence, Text):
        return gettext(sentence.template).format(**sentence.values) if sentence.values else gettext(sentence.template)
    return gettext(str(sentence)) if sentence else ""


def problem(status: int, code: str, detail: str, **extra: Any) -> dict[str, Any]:
    """A problem document, in the language of the request."""
    title, detail = gettext(TITLES.get(status, "Error")), translated(detail)
    for fault in extra.get("errors", ()):
        fault["detail"] = translated(fault.get("detail"))
    head = {"type": f"urn:stayer:problem:{code}", "title": title, "status": status, "detail": detail, "code": code}
    return head | {"correlation_id": correlation_id()} | extra


def problem_response(refused: Refused, *, challenge: str | None = None) -> Response:
    """The HTTP answer for a refusal; a 401 says with `challenge` how to sign in."""
    body = problem(refused.status, refused.code, refused.detail, **refused.extra)
    response = Response(body, status=refused.status, content_type=PROBLEM_TYPE)
    if refused.retry_after is not None:
        response["Retry-After"] = str(max(1, round(refused.retry_after)))
    if refused.status == 401 and challenge:
        response["WWW-Authenticate"] = challenge
    if isinstance(refused, InsufficientScope):
        response["WWW-Authenticate"] = f'Bearer error="insufficient_scope", scope="{refused.extra["scope"]}"'
    return response


def handle_exception(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: refusals and framework errors become problem documents, bugs stay bugs."""
    if isinstance(error, ENGINE_AWAY):
        log.error("an engine is away", exc_info=error)
        error = TryAgain("The server cannot reach its data at this moment.")
    if isinstance(error, Refused):
        return problem_response(error, challenge=context["view"].get_authenticate_header(context["request"]))
    if isinstance(error, Http404):
        return problem_response(NotFound())
    if isinstance(error, PermissionDenied):
        return Response(problem(403, "forbidden", "You may not do this."), status=403, content_type=PROBLEM_TYPE)
    if isinstance(error, exceptions.ValidationError):
        body = problem(400, "invalid", "The request is not valid.", errors=_field_errors(error.detail))
        return Response(body, status=400, content_type=PROBLEM_TYPE)
    if isinstance(error, exceptions.APIException):
        code = error.default_code if isinstance(error.default_code, str) else "error"
        body = problem(error.status_code, code, str(error.detail))
        response = Response(body, status=error.status_code, content_type=PROBLEM_TYPE)
        return response
    return None


def _field_errors(detail: Any, field: str = "") -> list[dict[str, str | None]]:
    if isinstance(detail, dict):
        return [e for name, inner in detail.items() for e in _field_errors(inner, f"{field}.{name}".lstrip("."))]
    if isinstance(detail, list):
        return [e for inner in detail for e in _field_errors(inner, field)]
    named = None if field in ("", "non_field_errors") else field
    return [{"field": named, "code": getattr(detail, "code", "invalid"), "detail": str(detail)}]


def not_found_page(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's handler404."""
    return _plain_problem(404, "not_found", "There is nothing at this address.")


def bad_request_page(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's handler400."""
    return _plain_problem(400, "bad_request", "The request cannot be understood.")


def server_error_page(request: HttpRequest) -> HttpResponse:
    """Django's handler500. The correlation id leads from here to the log line with the cause."""
    return _plain_problem(500, "internal", "Something went wrong on our side. It has been logged.")


def _plain_problem(status: int, code: str, detail: str) -> HttpResponse:
    return HttpResponse(encode_json(problem(status, code, detail)), status=status, content_type=PROBLEM_TYPE)


class EndpointSchema(AutoSchema):
    """Adds to each operation what every endpoint shares: its policy and its problem documents."""

    @property
    def _endpoint(self) -> "Endpoint":
        return cast(Endpoint, self.view)

    def get_description(self) -> str:  # type: ignore[override]
        text = super().get_description() or ""
        return f"{text}\n\n{self._endpoint.policy_for(self.method).about}".strip()

    def get_auth(self) -> list[dict[str, list[str]]]:
        if self._endpoint.policy_for(self.method).open_to_all:
            return []
        demanded: list[dict[str, list[str]]] = [{self._endpoint.credentials: []}]
        scope = self._endpoint.scope_for(self.method)
        return [*demanded, {"oauth2": [scope]}] if scope in settings.OAUTH_SCOPES else demanded

    def get_override_parameters(self) -> list[Any]:
        key = OpenApiParameter(
            "Idempotency-Key",
            str,
            OpenApiParameter.HEADER,
            description="Repeats of a request with the same key have one effect and one answer, for 24 hours.",
        )
        handler = getattr(self.view, self.method.lower(), None)
        shared = [key] if getattr(handler, "is_idempotent", False) else []
        return [*super().get_override_parameters(), *shared]

    def _get_response_bodies(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(*args, **kwargs)
        for status in self._problem_statuses():
            if str(status) not in bodies:
                response = OpenApiResponse(Problem, description=TITLES[status])
                bodies[str(status)] = self._response_for(response, status)
        return bodies

    def _response_for(self, response: OpenApiResponse, status: int) -> Any:
        return self._get_response_for_code(response, str(status), [PROBLEM_TYPE])  # type: ignore[no-untyped-call]

    def _problem_statuses(self) -> list[int]:
        statuses = {400, 406, 429, 503}
        if not self._endpoint.policy_for(self.method).open_to_all:
            statuses |= {401, 403}
        if "{" in self.path or self._endpoint.may_be_absent:
            statuses |= {404}
        if self.method in ("POST", "PUT", "PATCH", "DELETE"):
            statuses |= {401, 403, 404, 409, 413, 415, 422}
        return sorted(statuses)


class Endpoint(APIView):
    """The base of every view. It says who may call it (`access`), and how often (`limit`).

    Both may be one value or a mapping by method. Without `access` nobody may call: a test refuses such views.
    """

    may_be_absent: ClassVar[bool] = False
    """Whether it shows something that not everybody has: 404 for those who have none."""

    access: ClassVar[Policy | Mapping[str, Policy]]
    credentials: ClassVar[str] = "bearer"
    """The OpenAPI security scheme that `authentication_classes` implement."""
    limit: ClassVar[RateLimit | Mapping[str, RateLimit] | None] = None
    scope: ClassVar[str | Mapping[str, str] | None] = None
    """What a person must have granted an app; unsaid, `<context>:read` for GET and `<context>:write` for the rest."""

    authentication_classes = [BearerToken]
    parser_classes = [JsonParser]
    renderer_classes = [JsonRenderer]
    permission_classes: list[Any] = []
    throttle_classes: list[Any] = []
    schema = EndpointSchema()

    @classmethod
    def policy_for(cls, method: str) -> Policy:
        """The policy of a method; raises `LookupError` where none is declared."""
        declared = getattr(cls, "access", None)
        policy = declared.get(method) if isinstance(declared, Mapping) else declared
        if policy is None:
            raise LookupError(f"{cls.__name__} does not say who may {method} it")
        return policy

    @classmethod
    def context(cls) -> str:
        """The context whose endpoint this is: where it is written."""
        return home_of(cls.__module__)

    @classmethod
    def scope_for(cls, method: str) -> str:
        """The scope an app needs for a method."""
        declared = cls.scope.get(method) if isinstance(cls.scope, Mapping) else cls.scope
        return declared or f"{cls.context()}:{'read' if method in ('GET', 'HEAD') else 'write'}"

    @classmethod
    def operation(cls, method: str) -> str:
        """The name by which the security policy knows a method: `social.Rooms.POST`."""
        return f"{cls.context()}.{cls.__name__}.{method}"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Negotiate, authenticate, admit, count: in this order, before the handler."""
        method = request.method or "GET"
        self.format_kwarg = None
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)
        if method not in ("OPTIONS", "HEAD") and not hasattr(self, method.lower()):
            return  # 405 comes next, and nobody needs to sign in for it
        if method == "OPTIONS":
            return
        spoken = "GET" if method == "HEAD" else method
        self.policy_for(spoken).admit(request.user)
        admit_scope(request.user, self.scope_for(spoken))
        security_policy.admit(self.operation(spoken), request.user)
        declared = self.limit.get(method) if isinstance(self.limit, Mapping) else self.limit
        limit = security_policy.limit_of(self.operation(spoken), declared)
        if limit is not None:
            limit.check(f"{type(self).__name__}:{method}", request)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Answers are somebody's own: no cache on the way may keep them."""
        final = super().finalize_response(request, response, *args, **kwargs)
        final.headers.setdefault("Cache-Control", "no-store")
        return final

    def permission_denied(self, request: Request, message: str | None = None, code: str | None = None) -> NoReturn:
        raise NotSignedIn


class Identifier(serializers.UUIDField):
    """An identifier in a request, as text: DRF's own field takes any number for one, `false` among them."""

    def to_internal_value(self, data: Any) -> UUID:
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        identifier: UUID = super().to_internal_value(data)
        return identifier


def validated(form: type[Form], request: Request, *, partial: bool = False) -> dict[str, Any]:
    """The body as the form's fields; raises a 400 that names each field at fault."""
    bound = form(data=request.data, partial=partial)
    bound.is_valid(raise_exception=True)
    return dict(bound.validated_data)


def page(
    request: Request,
    rows: QuerySet[Any],
    *,
    order: Sequence[str],
    to_item: Callable[[Any], Any],
    limit: int = PAGE_SIZE,
) -> dict[str, Any]:
    """One page by keyset: `?limit=` rows after `?cursor=`. No COUNT, no OFFSET, no drift while rows are added.

    `order` are field names (`-started_at`), the last of them unique. Rows may be model instances or dicts.
    """
    size = page_size(request, default=limit)
    cursor = request.query_params.get("cursor")
    if cursor:
        try:
            rows = rows.filter(_after(order, decode_cursor(cursor, length=len(order))))
        except (ValidationError, ValueError, TypeError):
            raise bad_cursor() from None
    found = list(rows.order_by(*order)[: size + 1])
    shown = found[:size]
    more = len(found) > size
    return {"items": [to_item(row) for row in shown], "next": _cursor_of(shown[-1], order) if more else None}


def page_size(request: Request, *, default: int = PAGE_SIZE) -> int:
    """The `?limit=` of a list; raises a 400 outside 1 to `MAX_PAGE_SIZE`."""
    asked = request.query_params.get("limit")
    if asked is None:
        return default
    if not asked.isdecimal() or not 1 <= int(asked[:9]) <= MAX_PAGE_SIZE:
        raise InvalidInput("A page has 1 to {most} items.", field="limit", code="out_of_range", most=MAX_PAGE_SIZE)
    return int(asked)


def _after(order: Sequence[str], values: Sequence[Any]) -> Q:
    """Rows that come after `values` in this order."""
    condition = Q()
    for position in reversed(range(len(order))):
        field, descending = order[position].lstrip("-"), order[position].startswith("-")
        beyond = Q(**{f"{field}__{'lt' if descending else 'gt'}": values[position]})
        equal = Q(**{field: values[position]})
        condition = beyond | (equal & condition) if condition else beyond
    return condition


def _cursor_of(row: Any, order: Sequence[str]) -> str:
    names = [name.lstrip("-") for name in order]
    return encode_cursor([row[name] if isinstance(row, dict) else getattr(row, name) for name in names])


def encode_cursor(values: Sequence[Any]) -> str:
    """An opaque cursor from the sort values of the last row shown."""
    return base64.urlsafe_b64encode(encode_json(list(values))).rstrip(b"=").decode()


def decode_cursor(cursor: str, *, length: int) -> list[Any]:
    """The sort values inside a cursor of ours; raises a 400 for anything else."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        values = None
    if (
        not isinstance(values, list)
        or len(values) != length
        or not all(isinstance(v, (str, int, float)) for v in values)
    ):
        raise bad_cursor()
    return values


def bad_cursor() -> InvalidInput:
    """The refusal for a cursor that no page of ours has given."""
    return InvalidInput("This cursor is not one of ours.", field="cursor", code="bad_cursor")


def page_of(item: type[Form]) -> Form:
    """The OpenAPI form of a page of these items."""
    fields = {"items": item(many=True), "next": serializers.CharField(allow_null=True)}
    made: Form = type(f"{item.__name__}Page", (serializers.Serializer,), fields)()
    return made


PAGE_PARAMETERS = [
    OpenApiParameter("cursor", str, description="Where the previous page said `next`."),
    OpenApiParameter(
        "limit", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE}, description="Items a page."
    ),
]
