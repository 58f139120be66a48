"""The sagas of booking (BO-7): money taken, money given back. Each is a row that says what is still to be done.

Any worker may take the next step of a process that is due, as often as it likes: the provider is asked under keys
that make the same request one request, and what its answer changes is written in one transaction with the step.
A provider that is away is asked again; one that says no sets off the compensation, or waits for a person.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from contexts.booking import events, rules
from contexts.booking.models import Payment, Process, Refund
from kernel import payments
from kernel.bus import publish
from kernel.databases import try_gate, unit_of_work
from kernel.events import uuid7
from kernel.payments import Money, ledger

log = logging.getLogger(__name__)

A_ROUND = 200
"""Processes that one round looks at."""

Step = Callable[[Process, datetime], None]
_steps: dict[str, Step] = {}


def step(kind: str) -> Callable[[Step], Step]:
    """Register what is done in a process of this kind."""

    def register(function: Step) -> Step:
        _steps[kind] = function
        return function

    return register


def start(*, kind: str, subject_id: UUID, at: datetime, refund: Refund | None = None, total: int = 1) -> Process:
    """Write down that something has to be done, inside the transaction that makes it necessary."""
    return Process.objects.create(
        kind=kind,
        subject_id=subject_id,
        refund=refund,
        total=total,
        started_at=at,
        due_at=at,
        deadline_at=at + rules.GIVE_UP_AFTER,
    )


def money_of(payment: Payment) -> Money:
    """What was paid."""
    return Money(minor=payment.amount_minor, currency=payment.currency)


def advance_due(*, at: datetime) -> int:
    """Take the next step of everything that is due; answers how many steps were taken."""
    due = Process.objects.filter(finished_at__isnull=True, due_at__lte=at).order_by("due_at", "id")
    subjects = dict.fromkeys(due.values_list("subject_id", flat=True)[:A_ROUND])
    return sum(advance(subject_id=subject_id, at=at) for subject_id in subjects)


def advance(*, subject_id: UUID, at: datetime) -> int:
    """Take the next step of a subject's first unfinished process, unless somebody is at it; answers 1 or 0."""
    with try_gate("booking", "process", subject_id) as ours:
        if not ours:
            return 0
        process = Process.objects.filter(subject_id=subject_id, finished_at__isnull=True).order_by("id").first()
        if process is None or process.due_at is None or process.due_at > at:
            return 0
        try:
            _steps[process.kind](process, at)
        except payments.ProviderUnavailable as error:
            _postpone(process_id=process.pk, error=str(error), at=at)
        return 1


@unit_of_work("booking", isolation="read committed")
def _postpone(*, process_id: UUID, error: str, at: datetime) -> None:
    process = Process.objects.select_for_update().get(pk=process_id)
    process.tries += 1
    process.error = error[:200]
    later = at + rules.pause_after(process.tries)
    process.due_at = later if later < process.deadline_at else None
    process.save(update_fields=["tries", "error", "due_at"])
    if process.due_at is None:
        log.error("a process of booking waits for a person", extra={"process": str(process_id)})


def finish(process: Process, *, outcome: str, at: datetime) -> bool:
    """Close a process inside the open transaction; false where somebody else has done so."""
    closed = Process.objects.filter(pk=process.pk, finished_at__isnull=True).update(
        finished_at=at, due_at=None, outcome=outcome, error="", done=process.total
    )
    return bool(closed)


@step("give_back")
def give_back(process: Process, at: datetime) -> None:
    """Return the money of a payment: what was only authorised is let go, what was taken is refunded."""
    payment = Payment.objects.get(pk=process.subject_id)
    provider_id = payment.provider_id or ""
    if payment.status == Payment.Status.AUTHORISED:
        try:
            payments.provider().void(provider_id=provider_id, payment_id=payment.pk)
        except payments.ProviderRefused as error:
            _give_to_a_person(process=process, error=error.code, at=at)
        else:
            _note_void(process=process, at=at)
    elif payment.status == Payment.Status.CAPTURED and process.refund is not None:
        refund = process.refund
        amount = Money(minor=refund.amount_minor, currency=payment.currency)
        try:
            payments.provider().refund(
                provider_id=provider_id, refund_id=refund.pk, amount=amount, reason=refund.reason
            )
        except payments.ProviderRefused as error:
            _give_to_a_person(process=process, error=error.code, at=at)
        else:
            _note_refund(process=process, at=at)
    else:
        _close(process=process, outcome="nothing_to_return", at=at)


@unit_of_work("booking")
def _close(*, process: Process, outcome: str, at: datetime) -> None:
    finish(process, outcome=outcome, at=at)
    if process.refund_id:
        Refund.objects.filter(pk=process.refund_id).update(status=Refund.Status.FAILED, done_at=at)


@unit_of_work("booking")
def _note_void(*, process: Process, at: datetime) -> None:
    if finish(process, outcome="voided", at=at):
        Payment.objects.filter(pk=process.subject_id).update(status=Payment.Status.VOIDED, changed_at=at)
        if process.refund_id:
            Refund.objects.filter(pk=process.refund_id).update(status=Refund.Status.DONE, done_at=at)


@unit_of_work("booking")
def _note_refund(*, process: Process, at: datetime) -> None:
    if not finish(process, outcome="refunded", at=at):
        return
    assert process.refund_id is not None
    refund = Refund.objects.select_related("payment__booking").get(pk=process.refund_id)
    refund.status, refund.done_at = Refund.Status.DONE, at
    refund.save(update_fields=["status", "done_at"])
    payment = Payment.objects.select_for_update().get(pk=refund.payment_id)
    payment.refunded_minor += refund.amount_minor
    payment.changed_at = at
    payment.save(update_fields=["refunded_minor", "changed_at"])
    _book(transfer_id=refund.pk, payment=payment, minor=-refund.amount_minor, at=at, memo="refund")
    publish(
        events.MoneyReturned(
            booking_id=payment.booking_id,
            user_id=payment.booking.user_id,
            refund_minor=refund.amount_minor,
            currency=payment.currency,
            occurred_at=at,
        )
    )


def note_captured(process: Process, payment: Payment, *, at: datetime) -> None:
    """The money is taken: said in the payment, the ledger and the process, inside the open transaction."""
    if finish(process, outcome="captured", at=at):
        Payment.objects.filter(pk=payment.pk).update(status=Payment.Status.CAPTURED, changed_at=at)
        _book(transfer_id=payment.pk, payment=payment, minor=payment.amount_minor, at=at, memo="capture")


def _book(*, transfer_id: UUID, payment: Payment, minor: int, at: datetime, memo: str) -> None:
    """Double entry: what the provider owes us more, sales have brought."""
    entries = {
        "provider": Money(minor=minor, currency=payment.currency),
        "sales": Money(minor=-minor, currency=payment.currency),
    }
    ledger.post(
        context="booking", transfer_id=transfer_id, order_id=payment.booking_id, entries=entries, at=at, memo=memo
    )


@unit_of_work("booking", isolation="read committed")
def _give_to_a_person(*, process: Process, error: str, at: datetime) -> None:
    """The provider will not: the process waits until somebody tries it again from the administration."""
    Process.objects.filter(pk=process.pk).update(due_at=None, error=error[:200], tries=process.tries + 1)
    if process.refund_id:
        Refund.objects.filter(pk=process.refund_id).update(status=Refund.Status.FAILED)


@unit_of_work("booking", isolation="read committed")
def try_again(*, process_id: UUID, at: datetime) -> bool:
    """Somebody asks for another try of what waits; answers whether there was anything to try."""
    waiting = Process.objects.filter(pk=process_id, finished_at__isnull=True)
    again = waiting.update(due_at=at, deadline_at=at + rules.GIVE_UP_AFTER, error="")
    Refund.objects.filter(process__pk=process_id, status=Refund.Status.FAILED).update(status=Refund.Status.DUE)
    return bool(again)


@unit_of_work("booking", isolation="read committed")
def note_refund_failed(*, refund_id: UUID, at: datetime) -> None:
    """The provider has taken back its word about a refund: the books say so, and a person has to look."""
    refund = Refund.objects.select_for_update().filter(pk=refund_id).first()
    if refund is None or refund.status != Refund.Status.DONE:
        return
    refund.status = Refund.Status.FAILED
    refund.save(update_fields=["status"])
    payment = Payment.objects.select_for_update().get(pk=refund.payment_id)
    payment.refunded_minor -= refund.amount_minor
    payment.changed_at = at
    payment.save(update_fields=["refunded_minor", "changed_at"])
    _book(transfer_id=uuid7(), payment=payment, minor=refund.amount_minor, at=at, memo="refund failed")
    once_more = Refund.objects.create(
        payment=payment, amount_minor=refund.amount_minor, reason=refund.reason, asked_at=at
    )
    process = start(kind="give_back", subject_id=payment.pk, refund=once_more, at=at)
    Process.objects.filter(pk=process.pk).update(due_at=None, error="refund_failed")
    log.error("a refund has failed afterwards", extra={"refund": str(refund_id)})
