"""The ledger is written once: PostgreSQL itself refuses to change an entry."""

from django.db import migrations

REFUSE_UPDATES = """
    CREATE FUNCTION gamification_refuse_update() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'a points entry is never changed' USING ERRCODE = 'restrict_violation';
    END $$;
    CREATE TRIGGER points_entries_never_change BEFORE UPDATE ON gamification_pointsentry
        FOR EACH ROW EXECUTE FUNCTION gamification_refuse_update();
"""
ALLOW_UPDATES = """
    DROP TRIGGER points_entries_never_change ON gamification_pointsentry;
    DROP FUNCTION gamification_refuse_update();
"""


class Migration(migrations.Migration):
    dependencies = [("gamification", "0001_ledger")]

    operations = [migrations.RunSQL(REFUSE_UPDATES, ALLOW_UPDATES)]
