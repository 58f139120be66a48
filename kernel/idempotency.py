"""`Idempotency-Key`: repeats of a request have one effect and one answer (P-6).

The key, a hash of the request and the answer are one row, written in the same transaction as the effect: either
all of it is there or nothing is. A repeat answers the same bytes for 24 hours; the same key with another request
is refused with 422, while the first is still running with 409. Redis holds a copy of the answer and only saves
a query. A refused request has no effect and stores nothing, so it may be repeated with the same key.
"""

import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import redis
from django.db import connections
from rest_framework.request import Request
from rest_framework.response import Response

from kernel.databases import alias_of, redis_client, run_after_commit, try_gate, unit_of_work
from kernel.errors import InvalidInput, Refused
from kernel.http import encode_json

KEPT = timedelta(hours=24)
MAX_KEY_LENGTH = 255
KEPT_HEADERS = ("Location",)


class KeyReused(Refused):
    """This Idempotency-Key has been used for a different request."""

    status = 422


class InFlight(Refused):
    """The first request with this Idempotency-Key is still being worked on."""

    retry_after = 1.0


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What the first request was answered."""

    request_hash: bytes
    status: int
    headers: dict[str, str]
    body: bytes

    def replay(self, request_hash: bytes) -> Response:
        if self.request_hash != request_hash:
            raise KeyReused
        return Response(self.body, status=self.status, headers=self.headers | {"Idempotency-Replayed": "true"})


def idempotent(
    context: str, *, prepare: Callable[[Request], Any] | None = None, keeps: bool = False
) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """Make a view method honour `Idempotency-Key`, in one unit of work of `context` with its effect.

    Without the header the method runs as it is. The method itself must not ask other contexts: it may run inside
    the unit of work. What it needs from elsewhere comes from the token, or from `prepare(request)`, which is called
    before and whose answer the method gets as its argument after the request.

    An action that opens a unit of work of its own, before which it waits at a gate or gathers with others, says
    `keeps`: its method gets `keep=`, a function that has to be called inside that unit with the answer.
    """

    def decorate(method: Callable[..., Response]) -> Callable[..., Response]:
        @functools.wraps(method)
        def answered(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
            args = (prepare(request), *args) if prepare else args
            key = request.headers.get("Idempotency-Key")
            if key is None:
                return method(view, request, *args, **kwargs, **({"keep": _keep_nothing} if keeps else {}))
            principal: Any = request.user
            scope = _Scope(context=context, actor=principal.user_id, route=_route(request), key=_checked(key))
            if keeps:
                return scope.once(_hash_of(request), lambda keep: method(view, request, *args, keep=keep, **kwargs))
            return scope.once(_hash_of(request), scope.in_unit(lambda: method(view, request, *args, **kwargs)))

        answered.is_idempotent = True  # type: ignore[attr-defined]
        return answered

    return decorate


Keep = Callable[[Response], Response]
"""Stores an answer in the open unit of work, and hands it on."""


def _keep_nothing(response: Response) -> Response:
    return response


@dataclass(frozen=True, kw_only=True)
class _Scope:
    """One key of one actor on one route."""

    context: str
    actor: UUID
    route: str
    key: str

    def once(self, request_hash: bytes, effect: Callable[[Keep], Response]) -> Response:
        answer = self._cached()
        if answer is not None:
            return answer.replay(request_hash)
        with try_gate(self.context, "idempotency", self.actor, self.route, self.key) as ours:
            if not ours:
                raise InFlight
            answer = self._stored()
            return answer.replay(request_hash) if answer else effect(partial(self._keep, request_hash))

    def in_unit(self, effect: Callable[[], Response]) -> Callable[[Keep], Response]:
        """The effect and its answer in one unit of work, opened here."""
        return unit_of_work(self.context)(lambda keep: keep(effect()))

    def _keep(self, request_hash: bytes, response: Response) -> Response:
        response.data = encode_json(response.data)
        headers = {name: response[name] for name in KEPT_HEADERS if name in response}
        answer = _Answer(request_hash=request_hash, status=response.status_code, headers=headers, body=response.data)
        self._store(answer)
        run_after_commit(lambda: self._cache(answer))
        return response

    def _stored(self) -> _Answer | None:
        with connections[alias_of(self.context)].cursor() as cursor:
            cursor.execute(
                "SELECT request_hash, status, headers, body FROM kernel_idempotency_key"
                " WHERE actor = %s AND route = %s AND key = %s",
                [self.actor, self.route, self.key],
            )
            row = cursor.fetchone()
        if row is None:
            return None
        headers = row[2] if isinstance(row[2], dict) else json.loads(row[2])
        return _Answer(request_hash=bytes(row[0]), status=row[1], headers=headers, body=bytes(row[3]))

    def _store(self, answer: _Answer) -> None:
        with connections[alias_of(self.context)].cursor() as cursor:
            cursor.execute(
                "INSERT INTO kernel_idempotency_key (actor, route, key, request_hash, status, headers, body)"
                " VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s)",
                [
                    self.actor,
                    self.route,
                    self.key,
                    answer.request_hash,
                    answer.status,
                    json.dumps(answer.headers),
                    answer.body,
                ],
            )

    @property
    def _redis_key(self) -> str:
        words = "\x1f".join((self.context, str(self.actor), self.route, self.key))
        return "idempotency:" + hashlib.sha256(words.encode()).hexdigest()

    def _cache(self, answer: _Answer) -> None:
        kept = [answer.request_hash.hex(), answer.status, answer.headers, answer.body.decode()]
        redis_client().set(self._redis_key, json.dumps(kept), ex=KEPT)

    def _cached(self) -> _Answer | None:
        try:
            kept = redis_client().get(self._redis_key)
        except redis.RedisError:
            return None
        if kept is None:
            return None
        request_hash, status, headers, body = json.loads(kept)
        return _Answer(request_hash=bytes.fromhex(request_hash), status=status, headers=headers, body=body.encode())


def _checked(key: str) -> str:
    if not key.isascii() or not key.isprintable() or not 1 <= len(key) <= MAX_KEY_LENGTH:
        raise InvalidInput(
            "1 to 255 printable ASCII characters, please.", field="Idempotency-Key", code="bad_idempotency_key"
        )
    return key


def _route(request: Request) -> str:
    return f"{request.method} {request.path}"


def _hash_of(request: Request) -> bytes:
    digest = hashlib.sha256(encode_json(_comparable(request)))
    for upload in request.FILES.values():
        for chunk in upload.chunks():
            digest.update(chunk)
        upload.seek(0)
    return digest.digest()


def _comparable(request: Request) -> Any:
    if not request.FILES:
        return request.data
    fields: Any = request.data
    return sorted((name, value) for name, value in fields.items() if name not in request.FILES)


def forget_old_answers(*, context: str, at: datetime) -> int:
    """Delete the answers older than 24 hours; returns how many."""
    with connections[alias_of(context)].cursor() as cursor:
        cursor.execute("DELETE FROM kernel_idempotency_key WHERE created_at < %s", [at - KEPT])
        return int(cursor.rowcount)


def forget_cached_answers(*, context: str, actor: UUID) -> None:
    """Delete the copies in Redis of what somebody was answered; the rows are their context's personal data."""
    with connections[alias_of(context)].cursor() as cursor:
        cursor.execute("SELECT route, key FROM kernel_idempotency_key WHERE actor = %s", [actor])
        scopes = [_Scope(context=context, actor=actor, route=route, key=key) for route, key in cursor.fetchall()]
    if scopes:
        redis_client().delete(*(scope._redis_key for scope in scopes))
