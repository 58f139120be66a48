"""Answering many callers at once: who comes while others are being served is served with those who came meanwhile.

A thing that everybody wants at the same moment is changed by one transaction at a time, so each caller would wait for
all transactions before theirs. Gathered, they wait for one: the first of them asks for all (group commit). Nobody is
kept waiting for company: a caller who comes alone is served alone, at once.
"""

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(eq=False)
class _Call(Generic[Q, A]):
    question: Q
    leads: bool = False
    answer: A | None = None
    error: BaseException | None = None
    woken: threading.Event = field(default_factory=threading.Event)


class Gathering(Generic[Q, A]):
    """Calls of many threads, gathered by key: `serve(key, questions)` answers up to `most` of them in their order."""

    def __init__(self, serve: Callable[[Hashable, Sequence[Q]], Sequence[A]], *, most: int) -> None:
        self._serve, self._most = serve, most
        self._lines: dict[Hashable, deque[_Call[Q, A]]] = {}
        self._lock = threading.Lock()

    def ask(self, key: Hashable, question: Q) -> A:
        """The answer to one question; raises what `serve` raises for it."""
        call = _Call[Q, A](question)
        with self._lock:
            line = self._lines.get(key)
            if line is None:
                self._lines[key] = deque([call])
                call.leads = True
            else:
                line.append(call)
        if not call.leads:
            call.woken.wait()
        if call.leads:
            self._lead(key)
        if call.error is not None:
            raise call.error
        return call.answer  # type: ignore[return-value]

    def _lead(self, key: Hashable) -> None:
        """Serve those who stand first, then hand the lead to who has come meanwhile."""
        with self._lock:
            served = list(self._lines[key])[: self._most]
        try:
            self._answer(key, served)
        finally:
            for call in served[1:]:  # before the next leader: who asks again at once is served with those who wait
                call.woken.set()
            with self._lock:
                line = self._lines[key]
                for _ in served:
                    line.popleft()
                if line:
                    line[0].leads = True
                    line[0].woken.set()
                else:
                    del self._lines[key]

    def _answer(self, key: Hashable, calls: list[_Call[Q, A]]) -> None:
        try:
            answers = self._serve(key, [call.question for call in calls])
            for call, answer in zip(calls, answers, strict=True):
                call.answer = answer
        except Exception as error:
            if len(calls) == 1:
                calls[0].error = error
                return
            for call in calls:  # one of them may be the reason; the others are not to suffer for it
                self._answer(key, [call])
