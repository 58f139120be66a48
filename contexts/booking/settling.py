"""The steps of longer processes: the money of a confirmed booking is taken, a cancelled event is cleared."""

from datetime import datetime
from uuid import UUID

from contexts.booking import cancelling, processes
from contexts.booking.models import Booking, Payment, Process, SportEvent
from contexts.booking.rules import ACTIVE
from kernel import payments
from kernel.databases import unit_of_work


@processes.step("settle")
def settle(process: Process, at: datetime) -> None:
    """Take the authorised money; where the provider refuses, the booking ends and its places go to others."""
    payment = Payment.objects.select_related("booking").get(pk=process.subject_id)
    sport_event_id = payment.booking.sport_event_id
    try:
        payments.provider().capture(provider_id=payment.provider_id or "", payment_id=payment.pk)
    except payments.ProviderRefused as error:
        _compensate(sport_event_id=sport_event_id, process=process, payment=payment, error=error.code, at=at)
    else:
        _note(process=process, payment=payment, at=at)


@unit_of_work("booking")
def _note(*, process: Process, payment: Payment, at: datetime) -> None:
    processes.note_captured(process, payment, at=at)


@unit_of_work("booking", gate="sport_event_id")
def _compensate(*, sport_event_id: UUID, process: Process, payment: Payment, error: str, at: datetime) -> None:
    sport_event = SportEvent.objects.locked(sport_event_id)
    if not processes.finish(process, outcome=f"refused:{error}"[:16], at=at):
        return
    Payment.objects.filter(pk=payment.pk).update(status=Payment.Status.DECLINED, changed_at=at)
    booking = Booking.objects.get(pk=payment.booking_id)
    if booking.status in ACTIVE:
        cancelling.end(sport_event, [booking], reason="payment_failed", percent=0, at=at)


@processes.step("cancel_sport_event")
def cancel_bookings(process: Process, at: datetime) -> None:
    """End one portion of a cancelled event's bookings after the other until there is none."""
    while ended := cancelling.cancel_some(sport_event_id=process.subject_id, at=at):
        _note_progress(process_id=process.pk, ended=ended)
    _close(process=process, at=at)


@unit_of_work("booking", isolation="read committed")
def _note_progress(*, process_id: UUID, ended: int) -> None:
    process = Process.objects.select_for_update().get(pk=process_id)
    process.done += ended
    process.total = max(process.total, process.done)
    process.save(update_fields=["done", "total"])


@unit_of_work("booking")
def _close(*, process: Process, at: datetime) -> None:
    processes.finish(Process.objects.get(pk=process.pk), outcome="done", at=at)
