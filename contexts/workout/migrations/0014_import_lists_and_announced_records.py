"""One's own imports are listed, refusals name their limits, and a record is announced once whatever comes again.

Who holds a record today has been announced, or was the first and needs no announcement.
"""

from django.db import migrations, models

HELD_TODAY = """
    INSERT INTO workout_announcedrecord (user_id, achieved_at, sport, record)
    SELECT user_id, achieved_at, sport, record FROM workout_personalbest
"""
TOO_LARGE = """
    UPDATE workout_import SET refusal_detail = 'The file is larger than {most_mb} MB.', refusal_values = '{"most_mb": 25}'
    WHERE refusal_code = 'too_large';
    UPDATE workout_import SET refusal_detail = 'The compressed file becomes larger than {most_mb} MB.',
        refusal_values = '{"most_mb": 25}' WHERE refusal_code = 'inflates_too_large';
    UPDATE workout_importbatch SET refusal_detail = 'Unpacked the archive is larger than {most_gb} GB.',
        refusal_values = '{"most_gb": 20}' WHERE refusal_code = 'unpacks_too_large';
"""


class Migration(migrations.Migration):

    dependencies = [
        ('workout', '0013_whose_metres'),
    ]

    operations = [
        migrations.CreateModel(
            name='AnnouncedRecord',
            fields=[
                ('pk', models.CompositePrimaryKey('user_id', 'achieved_at', 'sport', 'record', blank=True, editable=False, primary_key=True, serialize=False)),
                ('user_id', models.UUIDField()),
                ('achieved_at', models.DateTimeField(help_text='When the session ended: it says which activity this was.')),
                ('sport', models.CharField(choices=[('running', 'Running'), ('walking', 'Walking'), ('cycling', 'Cycling'), ('swimming', 'Swimming'), ('rowing', 'Rowing'), ('strength', 'Strength'), ('other', 'Other')], max_length=10)),
                ('record', models.CharField(max_length=32)),
            ],
        ),
        migrations.AddField(
            model_name='import',
            name='refusal_values',
            field=models.JSONField(default=dict, help_text='What fills the `{name}`s of the detail.'),
        ),
        migrations.AddField(
            model_name='importbatch',
            name='refusal_values',
            field=models.JSONField(default=dict, help_text='What fills the `{name}`s of the detail.'),
        ),
        migrations.AddIndex(
            model_name='import',
            index=models.Index(fields=['user_id', 'id'], name='import_own'),
        ),
        migrations.AddIndex(
            model_name='import',
            index=models.Index(condition=models.Q(('state', 'done'), _negated=True), fields=['user_id', 'id'], name='import_own_not_done'),
        ),
        migrations.RunSQL(HELD_TODAY, migrations.RunSQL.noop),
        migrations.RunSQL(TOO_LARGE, migrations.RunSQL.noop),
    ]
