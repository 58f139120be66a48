"""Alerts that a calibration has dissolved, and what was withdrawn of cold files."""

import kernel.events
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('health', '0012_quarantine_by_arrays'),
    ]

    operations = [
        migrations.AlterField(
            model_name='alert',
            name='reason',
            field=models.CharField(blank=True, choices=[('cleared', 'Cleared'), ('silence', 'Silence'), ('superseded', 'later readings showed that it was part of another one, or none'), ('rule_gone', 'Rule Gone'), ('recalibrated', "by its device's new calibration it is part of another one, or none")], max_length=12),
        ),
        migrations.CreateModel(
            name='ColdWithdrawal',
            fields=[
                ('withdrawal_id', models.UUIDField(default=kernel.events.uuid7, primary_key=True, serialize=False)),
                ('user_id', models.UUIDField()),
                ('month', models.DateField(help_text="The first day of the file's month.")),
                ('device_number', models.IntegerField()),
                ('stream', models.SmallIntegerField()),
                ('sequence', models.IntegerField()),
                ('first_at', models.DateTimeField()),
                ('last_at', models.DateTimeField()),
                ('noted_at', models.DateTimeField()),
            ],
            options={
                'indexes': [models.Index(fields=['user_id', 'month'], name='health_withdrawal_of_month')],
            },
        ),
    ]
