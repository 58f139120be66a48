"""Imports of exported health data, the files in them, and what phones have sent."""

import django.db.models.deletion
import kernel.events
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('health', '0006_norms_and_alerts'),
    ]

    operations = [
        migrations.CreateModel(
            name='DataImport',
            fields=[
                ('import_id', models.UUIDField(default=kernel.events.uuid7, editable=False, primary_key=True, serialize=False)),
                ('user_id', models.UUIDField()),
                ('file_name', models.CharField(max_length=255)),
                ('size', models.PositiveBigIntegerField(help_text='Bytes, as announced.')),
                ('received', models.PositiveBigIntegerField(default=0, help_text='Bytes that are here.')),
                ('parts', models.JSONField(default=list, help_text='Names and sizes of the stored parts, in their order.')),
                ('state', models.CharField(choices=[('uploading', 'Uploading'), ('queued', 'Queued'), ('reading', 'Reading'), ('done', 'Done'), ('refused', 'Refused')], default='uploading', max_length=9)),
                ('begun_at', models.DateTimeField()),
                ('touched_at', models.DateTimeField(help_text='When a part came, or a worker last got on with it.')),
                ('claim', models.UUIDField(help_text='Which worker is at it.', null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0, help_text='Since something was last stored of it.')),
                ('finished_at', models.DateTimeField(null=True)),
                ('refusal_code', models.CharField(blank=True, max_length=60)),
            ],
        ),
        migrations.CreateModel(
            name='ImportedFile',
            fields=[
                ('pk', models.CompositePrimaryKey('source_id', 'position', blank=True, editable=False, primary_key=True, serialize=False)),
                ('source', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='files', to='health.dataimport')),
                ('position', models.PositiveIntegerField(help_text='Its place in the archive, from 0.')),
                ('path', models.CharField(help_text='As the archive names it.', max_length=400)),
                ('size', models.PositiveBigIntegerField(help_text='Bytes, unpacked.')),
                ('shape', models.CharField(blank=True, help_text='As what it is read.', max_length=40)),
                ('outcome', models.CharField(choices=[('waiting', 'Waiting'), ('read', 'Read'), ('refused', 'Refused'), ('left_out', 'Left Out')], default='waiting', max_length=8)),
                ('code', models.CharField(blank=True, help_text='Why it was refused, left out, or ends early.', max_length=60)),
                ('reached', models.PositiveBigIntegerField(default=0)),
                ('records', models.PositiveBigIntegerField(default=0, help_text='What was read, of whatever fate.')),
                ('accepted', models.PositiveBigIntegerField(default=0)),
                ('duplicates', models.PositiveBigIntegerField(default=0)),
                ('rejected', models.JSONField(default=dict, help_text='Records by code.')),
                ('unknown', models.JSONField(default=dict, help_text='Records by the type nobody here knows.')),
            ],
        ),
        migrations.CreateModel(
            name='PhoneSample',
            fields=[
                ('pk', models.CompositePrimaryKey('device_number', 'sample_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('device_number', models.IntegerField()),
                ('sample_id', models.CharField(max_length=64)),
                ('sequence', models.IntegerField()),
                ('streams', models.JSONField()),
                ('first_at', models.DateTimeField()),
                ('last_at', models.DateTimeField()),
                ('withdrawn_at', models.DateTimeField(help_text='When the phone took it back; it does not return.', null=True)),
                ('modified_at', models.DateTimeField(help_text='Its version, where the platform tells one.', null=True)),
            ],
        ),
        migrations.AddConstraint(
            model_name='device',
            constraint=models.UniqueConstraint(condition=models.Q(('kind__in', ['apple_health', 'health_connect', 'apple_export', 'google_takeout', 'fitbit_export', 'garmin_export'])), fields=('user_id', 'kind'), name='health_device_one_of_an_origin'),
        ),
        migrations.AddIndex(
            model_name='dataimport',
            index=models.Index(fields=['user_id', 'begun_at', 'import_id'], name='health_import_of_person'),
        ),
        migrations.AddIndex(
            model_name='dataimport',
            index=models.Index(condition=models.Q(('state__in', ['uploading', 'queued', 'reading'])), fields=['touched_at'], name='health_import_unfinished'),
        ),
        migrations.AddConstraint(
            model_name='dataimport',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'refused'), models.Q(('refusal_code', ''), _negated=True)), models.Q(models.Q(('state', 'refused'), _negated=True), ('refusal_code', '')), _connector='OR'), name='health_import_refused_says_why'),
        ),
        migrations.AddConstraint(
            model_name='dataimport',
            constraint=models.CheckConstraint(condition=models.Q(('received__lte', models.F('size'))), name='health_import_is_not_longer_than_said'),
        ),
        migrations.AddIndex(
            model_name='importedfile',
            index=models.Index(condition=models.Q(('outcome', 'waiting')), fields=['source', 'position'], name='health_file_waiting'),
        ),
    ]
