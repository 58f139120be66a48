"""Identity over HTTP, by subject: each module of this folder adds its `urlpatterns`."""

from contexts.identity.api import (
    account,
    addresses,
    apps,
    audit,
    coaching,
    consents,
    external,
    internal,
    membership,
    oauth,
    passkeys,
    passwords,
    people,
    personal_data,
    profile,
    second_factor,
    sessions,
)

SUBJECTS = (
    external,
    apps,
    oauth,
    account,
    addresses,
    passwords,
    internal,
    profile,
    people,
    second_factor,
    passkeys,
    sessions,
    audit,
    consents,
    membership,
    coaching,
    personal_data,
)

urlpatterns = [route for subject in SUBJECTS for route in subject.urlpatterns]
