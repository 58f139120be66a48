"""Cold files of readings, and the keys under which they are sealed."""

import kernel.events
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('health', '0009_integrations'),
    ]

    operations = [
        migrations.CreateModel(
            name='DataKey',
            fields=[
                ('user_id', models.UUIDField(primary_key=True, serialize=False)),
                ('sealed_key', models.BinaryField()),
                ('made_at', models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name='batch',
            name='cold',
            field=models.IntegerField(db_default=0, help_text='How many of them have gone to cold files since.'),
        ),
        migrations.CreateModel(
            name='ColdFile',
            fields=[
                ('file_id', models.UUIDField(default=kernel.events.uuid7, primary_key=True, serialize=False)),
                ('user_id', models.UUIDField()),
                ('kind', models.CharField(choices=[('readings', 'Readings'), ('payloads', 'request bodies as devices sent them')], max_length=8)),
                ('state', models.CharField(choices=[('current', 'Current'), ('superseded', 'Superseded')], default='current', max_length=10)),
                ('month', models.DateField(help_text='The first day of the month.')),
                ('object_key', models.CharField(max_length=200, unique=True)),
                ('rows', models.IntegerField(help_text='Readings, or request bodies.')),
                ('bytes', models.BigIntegerField(help_text='As it lies in the store.')),
                ('sha256', models.CharField(help_text='Of the bytes as they lie in the store.', max_length=64)),
                ('first_at', models.DateTimeField()),
                ('last_at', models.DateTimeField()),
                ('streams', models.JSONField(help_text='The numbers of the streams in it.')),
                ('last_readings', models.JSONField(help_text='By device and stream (their numbers), when the last was measured.')),
                ('stored_at', models.DateTimeField()),
                ('superseded_at', models.DateTimeField(null=True)),
            ],
            options={
                'indexes': [models.Index(fields=['user_id', 'kind', 'first_at'], name='health_cold_file_of_person')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('kind', 'readings'), ('state', 'current')), fields=('user_id', 'month'), name='health_cold_file_one_a_month'), models.CheckConstraint(condition=models.Q(('bytes__gt', 0), ('first_at__lte', models.F('last_at')), ('rows__gt', 0)), name='health_cold_file_is_not_empty'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'current'), ('superseded_at', None)), models.Q(('state', 'superseded'), ('superseded_at__isnull', False)), _connector='OR'), name='health_cold_file_superseded_at_some_time')],
            },
        ),
    ]
