"""Who looked at medical data stays written: PostgreSQL refuses to change or remove a row."""

from typing import ClassVar

from django.db import migrations

REFUSE_CHANGES = """
    CREATE FUNCTION health_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'an access to medical data is never rewritten' USING ERRCODE = 'restrict_violation';
    END $$;
    CREATE TRIGGER accesses_never_change BEFORE UPDATE OR DELETE ON health_access
        FOR EACH ROW EXECUTE FUNCTION health_refuse_change();
"""
ALLOW_CHANGES = """
    DROP TRIGGER accesses_never_change ON health_access;
    DROP FUNCTION health_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("health", "0001_initial")]

    operations: ClassVar = [migrations.RunSQL(REFUSE_CHANGES, ALLOW_CHANGES)]
