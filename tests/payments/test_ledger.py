"""The ledger: what does not sum to nothing is not committed, what is written stays."""

import pytest
from django.db import DatabaseError
from django.utils.timezone import now

from kernel.databases import NoUnitOfWork, unit_of_work
from kernel.events import uuid7
from kernel.models import LedgerEntry
from kernel.payments import Money, ledger

pytestmark = pytest.mark.django_db(databases=["booking"], transaction=True)


@unit_of_work("booking")
def post(**changes):
    """A transfer of an order."""
    usual = {"transfer_id": uuid7(), "order_id": uuid7(), "at": now(), "memo": "capture", "entries": sides(500, -500)}
    ledger.post(context="booking", **usual | changes)


def sides(debit: int, credit: int, currency: str = "EUR") -> dict[str, Money]:
    """Two sides."""
    return {"provider": Money(minor=debit, currency="EUR"), "sales": Money(minor=credit, currency=currency)}


def test_a_transfer_is_written_once():
    order, transfer = uuid7(), uuid7()
    for _ in range(2):
        post(order_id=order, transfer_id=transfer)
    assert ledger.balances(context="booking", order_id=order) == sides(500, -500)


@pytest.mark.parametrize(
    "entries", [sides(500, -499), sides(500, -500, "USD"), {"sales": Money(minor=1, currency="EUR")}]
)
def test_what_does_not_sum_to_nothing_is_not_committed(entries):
    with pytest.raises(DatabaseError, match="sums to nothing"):
        post(entries=entries)
    assert LedgerEntry.objects.using("booking").count() == 0


def test_what_is_written_stays():
    post()
    entries = LedgerEntry.objects.using("booking")
    for change in (lambda: entries.update(amount_minor=0), lambda: entries._raw_delete("booking")):
        with pytest.raises(DatabaseError, match="never rewritten"):
            change()
    assert entries.count() == 2


def test_it_is_written_with_what_it_speaks_of():
    with pytest.raises(NoUnitOfWork):
        ledger.post(context="booking", transfer_id=uuid7(), order_id=uuid7(), entries={}, at=now(), memo="x")
