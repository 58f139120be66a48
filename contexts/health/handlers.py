"""What health does when others speak."""

from django.utils.timezone import now

from contexts.health import devices, events, rules
from contexts.identity import events as identity
from contexts.identity import services as identity_services
from kernel import personal_data
from kernel.bus import on, publish


@on(identity.ConsentChanged, keep_order=True)
def follow_consent(event: identity.ConsentChanged) -> None:
    """Without consent to process health data nothing is taken in; given again, the devices go on."""
    if event.purpose == rules.PURPOSE and event.given:
        devices.resume_devices(user_id=event.user_id)
    elif event.purpose == rules.PURPOSE:
        devices.suspend_devices(user_id=event.user_id, at=now())


def _has_consent(event: events.DeviceConnected) -> bool:
    return identity_services.has_consent(user_id=event.user_id, purpose=rules.PURPOSE)


@on(events.DeviceConnected, asks=_has_consent)
def look_again_for_consent(event: events.DeviceConnected, has_consent: bool) -> None:
    """A device that was connected at the moment when consent was withdrawn is suspended like the others."""
    if not has_consent:
        devices.suspend_devices(user_id=event.user_id, at=now())


def _hand_out(event: identity.UserExportRequested) -> dict[str, int]:
    return personal_data.export("health", event.user_id, personal_data.part_of(event.export_id, "health"))


@on(identity.UserExportRequested, asks=_hand_out)
def hand_out_personal_data(event: identity.UserExportRequested, rows: dict[str, int]) -> None:
    """A person wants everything about them: our part is in the storage before we say so."""
    publish(
        events.PersonalDataExported(
            user_id=event.user_id, export_id=event.export_id, rows=rows, occurred_at=event.occurred_at
        )
    )


def _erase(event: identity.UserErased | identity.ErasureRepeated) -> None:
    personal_data.erase("health", event.user_id)


@on(identity.UserErased, identity.ErasureRepeated, asks=_erase)
def erase_person(event: identity.UserErased | identity.ErasureRepeated, _: None) -> None:
    """An account is erased: in units of work of their own, before we say that nothing is left."""
    publish(
        events.PersonalDataErased(user_id=event.user_id, erasure_id=event.erasure_id, occurred_at=event.occurred_at)
    )
