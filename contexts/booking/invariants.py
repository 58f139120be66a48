"""What must hold at every moment: each query must find nothing."""

from kernel.observability import invariant


@invariant("booking", "B1", "No sport event has given more places than it has, and its counts are its bookings")
def counts_are_the_bookings() -> str:
    """The row that is locked against the rows that are not."""
    return """
        SELECT event.id, event.capacity, event.held, event.confirmed, told.*
        FROM booking_sportevent AS event
        LEFT JOIN (SELECT sport_event_id, coalesce(sum(quantity) FILTER (WHERE status <> 'confirmed'), 0) AS held,
                          coalesce(sum(quantity) FILTER (WHERE status = 'confirmed'), 0) AS confirmed
                   FROM booking_booking WHERE status IN ('held', 'pending_payment', 'confirmed')
                   GROUP BY sport_event_id) AS told ON told.sport_event_id = event.id
        WHERE event.held + event.confirmed > event.capacity
           OR event.held <> coalesce(told.held, 0) OR event.confirmed <> coalesce(told.confirmed, 0)
    """


@invariant("booking", "B2", "A ticket type's counts are its bookings' lines, within its quota")
def quotas_are_kept() -> str:
    """The same for each kind of place."""
    return """
        SELECT kind.id, kind.quota, kind.held, kind.confirmed FROM booking_tickettype AS kind
        LEFT JOIN (SELECT line.ticket_type_id,
                          coalesce(sum(line.quantity) FILTER (WHERE booking.status <> 'confirmed'), 0) AS held,
                          coalesce(sum(line.quantity) FILTER (WHERE booking.status = 'confirmed'), 0) AS confirmed
                   FROM booking_bookingline AS line JOIN booking_booking AS booking ON booking.id = line.booking_id
                   WHERE booking.status IN ('held', 'pending_payment', 'confirmed')
                   GROUP BY line.ticket_type_id) AS told ON told.ticket_type_id = kind.id
        WHERE kind.held + kind.confirmed > kind.quota
           OR kind.held <> coalesce(told.held, 0) OR kind.confirmed <> coalesce(told.confirmed, 0)
    """


@invariant("booking", "B3", "A numbered place belongs to one active booking, which has as many seats as places")
def seats_match_places() -> str:
    """A seat of an ended booking, or a booking short of seats."""
    return """
        SELECT booking.id, booking.quantity, count(seat.id) AS seats FROM booking_booking AS booking
        JOIN booking_sportevent AS event ON event.id = booking.sport_event_id AND event.is_numbered
        LEFT JOIN booking_seat AS seat ON seat.booking_id = booking.id
        GROUP BY booking.id, booking.quantity, booking.status
        HAVING count(seat.id) <> CASE WHEN booking.status IN ('held', 'pending_payment', 'confirmed')
                                      THEN booking.quantity ELSE 0 END
    """


@invariant("booking", "B4", "Nobody has more than two events of one day")
def two_events_a_day() -> str:
    """The bookings themselves, not the places in the day that guard them."""
    return """
        SELECT place.user_id, place.day, count(*) AS events FROM booking_dayplace AS place
        JOIN booking_booking AS booking ON booking.id = place.booking_id
        WHERE booking.status IN ('held', 'pending_payment', 'confirmed')
        GROUP BY place.user_id, place.day HAVING count(*) > 2
    """


@invariant("booking", "B5", "A confirmed booking has a ticket for each place, an ended one no valid ticket")
def tickets_match_bookings() -> str:
    """Valid tickets against places."""
    return """
        SELECT booking.id, booking.status, booking.quantity, count(ticket.id) AS valid FROM booking_booking AS booking
        LEFT JOIN booking_ticket AS ticket ON ticket.booking_id = booking.id AND ticket.voided_at IS NULL
        GROUP BY booking.id, booking.status, booking.quantity
        HAVING count(ticket.id) <> CASE WHEN booking.status = 'confirmed' THEN booking.quantity ELSE 0 END
    """


@invariant("booking", "B6", "A waitlist's count is its entries, and nobody waits while their wish is free")
def waitlist_is_counted() -> str:
    """The counter of the event's row."""
    return """
        SELECT event.id, event.waiting, count(entry.id) AS entries FROM booking_sportevent AS event
        LEFT JOIN booking_waitlistentry AS entry ON entry.sport_event_id = event.id AND entry.status = 'waiting'
        WHERE event.status <> 'finished'
        GROUP BY event.id, event.waiting HAVING event.waiting <> count(entry.id)
    """


@invariant(
    "booking", "B7", "Confirmed places are paid or about to be, and money of ended bookings is on its way back"
)
def no_money_without_places() -> str:
    """Either confirmed or given back: never both, never neither."""
    return """
        SELECT booking.id, booking.status, payment.status AS payment FROM booking_booking AS booking
        JOIN booking_payment AS payment ON payment.booking_id = booking.id
        WHERE (booking.status = 'confirmed' AND payment.status NOT IN ('authorised', 'captured'))
           OR (booking.status IN ('expired', 'cancelled') AND payment.status = 'authorised'
               AND NOT EXISTS (SELECT 1 FROM booking_process AS process
                               WHERE process.subject_id = payment.id AND process.finished_at IS NULL))
    """


@invariant("booking", "B8", "The ledger has each payment's money: captured, less what was refunded")
def ledger_is_the_payments() -> str:
    """Double entries against the payments they speak of."""
    return """
        SELECT payment.id, payment.amount_minor, payment.refunded_minor, entry.total FROM booking_payment AS payment
        LEFT JOIN (SELECT order_id, sum(amount_minor) AS total FROM kernel_ledger_entry
                   WHERE account = 'provider' GROUP BY order_id) AS entry ON entry.order_id = payment.booking_id
        WHERE coalesce(entry.total, 0) <>
              CASE WHEN payment.status = 'captured' THEN payment.amount_minor - payment.refunded_minor ELSE 0 END
    """
