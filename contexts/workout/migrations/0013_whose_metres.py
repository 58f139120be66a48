"""A live session's metres are of one counter; those that have some have their phone's."""

from django.db import migrations, models

PHONES_OWN = """
    UPDATE workout_trainingsession SET distance_by = 0
    WHERE source = 'live' AND id IN (
        SELECT session_id FROM workout_stream WHERE kind = 'distance'
        UNION SELECT session_id FROM workout_livesample WHERE stream = 'distance')
"""


class Migration(migrations.Migration):

    dependencies = [
        ('workout', '0012_formulas_and_auto_pauses'),
    ]

    operations = [
        migrations.AddField(
            model_name='trainingsession',
            name='distance_by',
            field=models.PositiveIntegerField(help_text="Whose counter its metres are of: the number of a device in health, 0 the phone's own.", null=True),
        ),
        migrations.RunSQL(PHONES_OWN, migrations.RunSQL.noop),
    ]
