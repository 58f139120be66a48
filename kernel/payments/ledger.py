"""The ledger: double entries beside the change that made them true, never changed afterwards.

Every transfer sums to nothing in each currency, which the database checks at commit: so does every order.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from kernel.databases import alias_of, require_unit_of_work
from kernel.models import LedgerEntry
from kernel.payments import Money


def post(
    *, context: str, transfer_id: UUID, order_id: UUID, entries: Mapping[str, Money], at: datetime, memo: str
) -> None:
    """Write a transfer down, by account, in the open unit of work; the same `transfer_id` again writes nothing."""
    written = LedgerEntry.objects.using(require_unit_of_work(context))
    if written.filter(transfer_id=transfer_id).exists():
        return
    written.bulk_create(
        (
            LedgerEntry(
                transfer_id=transfer_id,
                order_id=order_id,
                account=account,
                amount_minor=money.minor,
                currency=money.currency,
                occurred_at=at,
                memo=memo,
            )
            for account, money in entries.items()
        ),
        ignore_conflicts=True,  # somebody else may be writing the same transfer at this moment
    )


def balance(*, context: str, order_id: UUID) -> dict[tuple[str, str], int]:
    """What each account has from one order in each currency, in its smallest unit: debit positive."""
    sums: dict[tuple[str, str], int] = defaultdict(int)
    entries = LedgerEntry.objects.using(alias_of(context)).filter(order_id=order_id)
    for account, currency, amount in entries.values_list("account", "currency", "amount_minor"):
        sums[account, currency] += amount
    return dict(sums)


def balances(*, context: str, order_id: UUID) -> dict[str, Money]:
    """What each account has from an order in one currency; raises `ValueError` where there are two."""
    sums = balance(context=context, order_id=order_id)
    if len({currency for _, currency in sums}) > 1:
        raise ValueError(f"order {order_id} is in more than one currency")
    return {account: Money(minor=total, currency=currency) for (account, currency), total in sums.items()}
