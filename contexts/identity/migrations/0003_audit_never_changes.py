"""What the audit says stays said: PostgreSQL refuses to change, remove or empty it, and takes the rights away."""

from typing import ClassVar

import django.db.models
from django.db import migrations, models

REFUSE_CHANGES = """
    CREATE FUNCTION identity_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the audit is never rewritten' USING ERRCODE = 'restrict_violation';
    END $$;
    CREATE TRIGGER audit_never_changes BEFORE UPDATE OR DELETE OR TRUNCATE ON identity_auditentry
        FOR EACH STATEMENT EXECUTE FUNCTION identity_refuse_change();
    CREATE TRIGGER audit_keeps_its_head BEFORE DELETE OR TRUNCATE ON identity_audithead
        FOR EACH STATEMENT EXECUTE FUNCTION identity_refuse_change();
    CREATE FUNCTION identity_refuse_step_back() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.position <> OLD.position + 1 THEN
            RAISE EXCEPTION 'the audit grows entry by entry' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER audit_grows_by_one BEFORE UPDATE ON identity_audithead
        FOR EACH ROW EXECUTE FUNCTION identity_refuse_step_back();
    REVOKE UPDATE, DELETE, TRUNCATE ON identity_auditentry FROM CURRENT_USER, PUBLIC;
    REVOKE DELETE, TRUNCATE ON identity_audithead FROM CURRENT_USER, PUBLIC;
"""
ALLOW_CHANGES = """
    GRANT UPDATE, DELETE, TRUNCATE ON identity_auditentry TO CURRENT_USER;
    GRANT DELETE, TRUNCATE ON identity_audithead TO CURRENT_USER;
    DROP TRIGGER audit_grows_by_one ON identity_audithead;
    DROP TRIGGER audit_keeps_its_head ON identity_audithead;
    DROP TRIGGER audit_never_changes ON identity_auditentry;
    DROP FUNCTION identity_refuse_step_back();
    DROP FUNCTION identity_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("identity", "0002_accounts_complete")]

    operations: ClassVar = [
        migrations.CreateModel(
            name="AuditHead",
            fields=[
                ("id", models.BooleanField(default=True, primary_key=True, serialize=False)),
                ("position", models.BigIntegerField(default=0)),
                ("digest", models.CharField(blank=True, max_length=64)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=django.db.models.Q(("id", True)), name="identity_audit_has_one_head"
                    )
                ],
            },
        ),
        migrations.RunSQL(REFUSE_CHANGES, ALLOW_CHANGES),
        migrations.AlterModelOptions(
            name="user",
            options={
                "permissions": [
                    ("block_user", "Can block and unblock people"),
                    ("view_physiology", "Can see birth date, sex, body mass and heart rate limit"),
                    ("view_address", "Can see e-mail addresses unmasked"),
                    ("grant_membership", "Can make people premium or PRO, and take it away"),
                ]
            },
        ),
    ]
