from django.db import migrations, models


class Migration(migrations.Migration):
    """What a second factor was; and a passkey belongs to one account, which allauth's table does not say."""

    dependencies = [
        ("identity", "0004_doors_of_an_account"),
        ("mfa", "0003_authenticator_type_uniq"),
    ]

    operations = [
        migrations.AddField(
            model_name="session",
            name="mfa_with",
            field=models.CharField(default="otp", help_text="What it was: otp, hwk.", max_length=8),
        ),
        migrations.RunSQL(
            "CREATE UNIQUE INDEX identity_passkey_once ON mfa_authenticator ((data->>'credential_id'))"
            " WHERE type = 'webauthn'",
            "DROP INDEX identity_passkey_once",
        ),
    ]
