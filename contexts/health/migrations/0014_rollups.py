"""Readings rolled up to quarters of an hour, and what tells when a rollup holds."""

import django.contrib.postgres.indexes
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('health', '0013_recalibrated_alerts_and_cold_withdrawals'),
    ]

    operations = [
        migrations.CreateModel(
            name='Invalidation',
            fields=[
                ('invalidation_id', models.BigAutoField(primary_key=True, serialize=False)),
                ('since', models.DateTimeField()),
                ('until', models.DateTimeField()),
                ('device_number', models.IntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='Rollup',
            fields=[
                ('pk', models.CompositePrimaryKey('device_number', 'stream', 'begin', blank=True, editable=False, primary_key=True, serialize=False)),
                ('begin', models.DateTimeField()),
                ('first_at', models.DateTimeField()),
                ('last_at', models.DateTimeField()),
                ('total', models.FloatField()),
                ('least', models.FloatField()),
                ('greatest', models.FloatField()),
                ('device_number', models.IntegerField()),
                ('count', models.IntegerField()),
                ('stream', models.SmallIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='Watermark',
            fields=[
                ('watermark_id', models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('until', models.DateTimeField()),
            ],
        ),
        migrations.AddIndex(
            model_name='batch',
            index=django.contrib.postgres.indexes.BrinIndex(autosummarize=True, fields=['recorded_at'], name='health_batch_recorded_at'),
        ),
        migrations.AddIndex(
            model_name='invalidation',
            index=models.Index(fields=['device_number', 'since'], name='health_invalidation_of_device'),
        ),
        migrations.AddConstraint(
            model_name='invalidation',
            constraint=models.CheckConstraint(condition=models.Q(('since__lt', models.F('until'))), name='health_invalidation_is_not_empty'),
        ),
        migrations.AddConstraint(
            model_name='rollup',
            constraint=models.CheckConstraint(condition=models.Q(('count__gt', 0), ('first_at__gte', models.F('begin')), ('first_at__lte', models.F('last_at'))), name='health_rollup_is_not_empty'),
        ),
        migrations.AddConstraint(
            model_name='watermark',
            constraint=models.CheckConstraint(condition=models.Q(('watermark_id', 1)), name='health_watermark_is_one'),
        ),
    ]
