"""The ledger: what does not sum to nothing is not committed, what is written stays."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DatabaseError
from django.utils.timezone import now

from kernel.databases import NoUnitOfWork, release_connections, unit_of_work
from kernel.events import uuid7
from kernel.models import LedgerEntry
from kernel.payments import Money, ledger

pytestmark = pytest.mark.django_db(databases=["default", "booking"], transaction=True)


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


def test_the_same_transfer_with_other_accounts_writes_nothing_either():
    order, transfer = uuid7(), uuid7()
    post(order_id=order, transfer_id=transfer)
    others = {"fees": Money(minor=1, currency="EUR"), "bank": Money(minor=-1, currency="EUR")}
    post(order_id=order, transfer_id=transfer, entries=others)
    assert ledger.balances(context="booking", order_id=order) == sides(500, -500)


def test_a_transfer_that_eight_write_at_once_is_written_once():
    order, transfer = uuid7(), uuid7()

    def write(_: int) -> None:
        post(order_id=order, transfer_id=transfer)
        release_connections()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(24)))
    assert ledger.balance(context="booking", order_id=order) == {("provider", "EUR"): 500, ("sales", "EUR"): -500}


def test_an_order_in_two_currencies_is_not_shown_as_one():
    order = uuid7()
    post(order_id=order)
    dollars = {name: Money(minor=minor, currency="USD") for name, minor in (("provider", 7), ("sales", -7))}
    post(order_id=order, entries=dollars)
    assert ledger.balance(context="booking", order_id=order)["provider", "USD"] == 7
    with pytest.raises(ValueError, match="more than one currency"):
        ledger.balances(context="booking", order_id=order)


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
