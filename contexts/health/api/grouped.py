"""Answered in groups: the few readings of a request, of devices that send each as it comes."""

from collections.abc import Sequence

import msgspec
from django.utils.timezone import now

from contexts.health.api.readings import Readings
from contexts.health.intake.grouped import Delivery, record_grouped
from contexts.health.intake.ingesting import JSON
from contexts.health.worn.devices import known_device
from contexts.health.worn.signatures import Claim, give_back, spend
from kernel import policy
from kernel.grouped_requests import Asked, GroupedEndpoint

PATH = "/api/v1/health/readings"
JSON_BYTES = JSON.encode()


def record_readings(asked: Sequence[Asked]) -> list[bytes | None]:
    """The receipts of signed requests, each as `Readings.post` would answer it; None for whom that is to answer."""
    answers: list[bytes | None] = [None] * len(asked)
    if policy.is_laid_over(Readings.operation("POST")):
        return answers
    signed = {place: found for place, each in enumerate(asked) if (found := _signed(each)) is not None}
    claims = [claim for claim, _ in signed.values()]
    fresh = dict(zip(signed, spend(claims), strict=True))
    accepted = {place: found for place, found in signed.items() if fresh[place]}
    try:
        receipts = record_grouped([delivery for _, delivery in accepted.values()], at=now())
    except Exception:
        give_back([claim for claim, _ in accepted.values()])
        raise
    give_back([claim for (claim, _), receipt in zip(accepted.values(), receipts, strict=True) if receipt is None])
    for place, receipt in zip(accepted, receipts, strict=True):
        answers[place] = None if receipt is None else msgspec.json.encode(receipt)
    return answers


def _signed(asked: Asked) -> tuple[Claim, Delivery] | None:
    """Who signed this request with their present key, and what they sent; None if that is not plain."""
    if asked.headers.get(b"content-type") != JSON_BYTES or b"content-encoding" in asked.headers:
        return None
    claim = Claim.told_in(asked.headers.get(b"authorization", b"").decode("latin-1"))
    if claim is None or not claim.is_dated_now:
        return None
    device = known_device(claim.device_id)
    if device is None or not claim.is_by(device.secret, method=asked.method, path=asked.path, body=asked.body):
        return None
    return claim, Delivery(device, asked.body, asked.correlation_id)


grouped_endpoints = [GroupedEndpoint(method="POST", path=PATH, route=PATH.lstrip("/"), serve=record_readings)]
