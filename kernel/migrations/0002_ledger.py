"""The ledger: PostgreSQL refuses a transfer that does not sum to nothing, and every change of what is written."""

from django.db import migrations, models


KEEP_IT_TRUE = """
    CREATE FUNCTION kernel_ledger_balances() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT 1 FROM kernel_ledger_entry WHERE transfer_id = NEW.transfer_id
                   GROUP BY currency HAVING sum(amount_minor) <> 0) THEN
            RAISE EXCEPTION 'a transfer sums to nothing' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER ledger_balances AFTER INSERT ON kernel_ledger_entry
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION kernel_ledger_balances();
    CREATE FUNCTION kernel_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the ledger is never rewritten' USING ERRCODE = 'restrict_violation';
    END $$;
    CREATE TRIGGER ledger_never_changes BEFORE UPDATE OR DELETE ON kernel_ledger_entry
        FOR EACH STATEMENT EXECUTE FUNCTION kernel_refuse_change();
"""
LET_IT_CHANGE = """
    DROP TRIGGER ledger_never_changes ON kernel_ledger_entry;
    DROP FUNCTION kernel_refuse_change();
    DROP TRIGGER ledger_balances ON kernel_ledger_entry;
    DROP FUNCTION kernel_ledger_balances();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('kernel', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='LedgerEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('transfer_id', models.UUIDField()),
                ('order_id', models.UUIDField(db_index=True)),
                ('account', models.CharField(max_length=32)),
                ('currency', models.CharField(max_length=3)),
                ('amount_minor', models.BigIntegerField(help_text='Debit positive, credit negative.')),
                ('occurred_at', models.DateTimeField()),
                ('memo', models.CharField(max_length=32)),
            ],
            options={
                'verbose_name_plural': 'ledger entries',
                'db_table': 'kernel_ledger_entry',
                'constraints': [models.UniqueConstraint(fields=('transfer_id', 'account', 'currency'), name='kernel_ledger_entry_once')],
            },
        ),
        migrations.RunSQL(KEEP_IT_TRUE, LET_IT_CHANGE),
    ]
