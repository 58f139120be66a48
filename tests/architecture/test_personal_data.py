"""Nothing about a person is forgotten: every model of every database says what it is to a person."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import models, router

from kernel import personal_data
from kernel.databases import alias_of
from kernel.events import uuid7
from kernel.personal_data import Delete, Keep, NotPersonal, Owned, Replace

pytestmark = pytest.mark.parametrize("context", settings.CONTEXTS)


def models_in(context: str) -> set[type[models.Model]]:
    """Every model with a table in a context's database, those of Django and of libraries among them."""
    return {
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy and not model.__module__.startswith("tests.")
        if router.allow_migrate_model(alias_of(context), model)
    }


def unclassified(context: str, data: Mapping[Any, Any]) -> set[str]:
    """Models of which nobody has said what they are to a person."""
    return {model._meta.label for model in models_in(context) - set(data)}


def owned(context: str) -> Iterator[tuple[type[models.Model], Owned]]:
    yield from personal_data.owned_in(context)


def test_every_model_says_what_it_is_to_a_person(context: str) -> None:
    assert unclassified(context, personal_data.data_of(context)) == set()
    assert set(personal_data.data_of(context)) <= models_in(context)


def test_a_model_nobody_has_thought_of_is_noticed(context: str) -> None:
    data = dict(personal_data.data_of(context))
    forgotten = list(data)[-1]
    del data[forgotten]
    assert unclassified(context, data) == {forgotten._meta.label}


@pytest.mark.django_db(databases="__all__")
def test_who_owns_a_row_can_be_asked_of_the_database(context: str) -> None:
    """Each declaration is a query that PostgreSQL takes, and finds nothing for nobody."""
    for model, what in owned(context):
        assert not personal_data.rows_of(model, what, alias_of(context), uuid7()).exists()


def test_columns_that_are_named_exist(context: str) -> None:
    for model, what in owned(context):
        names = {field.name for field in model._meta.concrete_fields}
        assert set(what.leave_out) <= names, model
        if isinstance(what.erase, Replace):
            assert set(what.erase.columns) <= names, model


def test_children_are_erased_before_their_parents(context: str) -> None:
    """So that no deletion drags along more rows than one unit of work shall hold."""
    order = [model for model, what in owned(context) if isinstance(what.erase, Delete)]
    for nth, model in enumerate(order):
        parents = {f.related_model for f in model._meta.concrete_fields if f.is_relation} - {model}
        assert not parents & set(order[:nth]), model


def test_what_stays_says_why(context: str) -> None:
    kept = [what.erase for _, what in owned(context) if isinstance(what.erase, Keep)]
    reasons = [what.because for what in personal_data.data_of(context).values() if isinstance(what, NotPersonal)]
    assert all(len(reason) > 10 for reason in [*reasons, *(keep.because for keep in kept)])


def test_what_is_secret_is_not_exported(context: str) -> None:
    shown = {
        f"{model._meta.label}.{field.name}"
        for model, what in owned(context)
        if what.exports and what.shown is None  # what those show is read in tests/identity/test_exporting.py
        for field in model._meta.concrete_fields
        if field.name not in what.leave_out
    }
    words = ("secret", "password", "sealed", "pending_totp", "digest", "token")
    revealed = {name for name in shown if any(word in name.rpartition(".")[2] for word in words)}
    assert revealed - {"identity.User.password_changed_at"} == set()
