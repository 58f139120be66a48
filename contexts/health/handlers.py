"""What health does when others speak."""

from django.utils.timezone import now

from contexts.health import events, rules
from contexts.health.alerts import alerting, escalating, watching
from contexts.health.alerts.episodes import Rule
from contexts.health.integrations import planning
from contexts.health.sharing import grants
from contexts.health.worn import calibrating, devices
from contexts.identity import events as identity
from contexts.identity import services as identity_services
from kernel import personal_data
from kernel.bus import on, publish


@on(identity.ConsentChanged, keep_order=True)
def follow_consent(event: identity.ConsentChanged) -> None:
    """Without consent to process health data nothing is taken in or shared; given again, it goes on."""
    if event.purpose == rules.PURPOSE and event.given:
        devices.resume_devices(user_id=event.user_id)
        planning.plan_what_was_missed(user_id=event.user_id, at=now())
        grants.resume(owner_id=event.user_id)
    elif event.purpose == rules.PURPOSE:
        devices.suspend_devices(user_id=event.user_id, at=now())
        grants.suspend(owner_id=event.user_id, at=now())


def _has_consent(event: events.DeviceConnected) -> bool:
    return identity_services.has_consent(user_id=event.user_id, purpose=rules.PURPOSE)


@on(events.DeviceConnected, asks=_has_consent)
def look_again_for_consent(event: events.DeviceConnected, has_consent: bool) -> None:
    """A device that was connected at the moment when consent was withdrawn is suspended like the others."""
    if not has_consent:
        devices.suspend_devices(user_id=event.user_id, at=now())


@on(events.DeviceConnected)
def check_calibration_and_synchronisation(event: events.DeviceConnected) -> None:
    """A device that has just been connected learns whether it wants to be calibrated and what to send (HE-1)."""
    calibrating.begin(device_id=event.device_id, at=now())


def _watched(event: events.HealthMetricRecorded | events.HealthMetricWithdrawn) -> list[Rule]:
    return watching.rules_for(user_id=event.user_id, streams=event.streams)


@on(events.HealthMetricRecorded, events.HealthMetricWithdrawn, asks=_watched, isolation="read committed")
def watch_readings(event: events.HealthMetricRecorded | events.HealthMetricWithdrawn, watched: list[Rule]) -> None:
    """Readings have come, late ones too, or gone: a person's alerts follow them (HE-5)."""
    alerting.evaluate(
        user_id=event.user_id, watched=watched, first_at=event.first_at, last_at=event.last_at, at=now()
    )


def _watched_anew(event: events.DeviceCalibrated) -> list[Rule]:
    return watching.rules_for(user_id=event.user_id, streams=[event.measured])


@on(events.DeviceCalibrated, asks=_watched_anew, isolation="read committed")
def watch_calibrated_readings(event: events.DeviceCalibrated, watched: list[Rule]) -> None:
    """A device's readings are to be read anew: alerts of the last day follow them (HE-1, HE-5)."""
    alerting.evaluate_anew(user_id=event.user_id, watched=watched, valid_from=event.valid_from, at=now())


def _name_of(event: events.MedicalAlertEscalated) -> str | None:
    person = identity_services.get_member(user_id=event.user_id)
    return person.display_name if person else None


@on(events.MedicalAlertEscalated, asks=_name_of)
def write_to_emergency_contact(event: events.MedicalAlertEscalated, name: str | None) -> None:
    """An alert has waited too long: whom its person has named is written to (HE-5)."""
    if name is not None:
        escalating.write_to_contact(user_id=event.user_id, name=name)


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
