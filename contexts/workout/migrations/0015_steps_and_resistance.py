"""Streams of steps and of a machine's resistance, and how many steps a session took.

The ranges are those of before with two kinds more, so rows that are there need no look: the constraints are added
without one, which would hold every writer back while years of streams are read. They hold for whatever is written.
"""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('workout', '0014_import_lists_and_announced_records'),
    ]

    operations = [
        migrations.AddField(
            model_name='trainingsession',
            name='steps',
            field=models.PositiveIntegerField(help_text='As the phone counted them outside of pauses.', null=True),
        ),
        migrations.RemoveConstraint(model_name='livesample', name='live_sample_in_range'),
        migrations.RemoveConstraint(model_name='stream', name='stream_in_range'),
        AddConstraintNotValid(
            model_name='livesample',
            constraint=models.CheckConstraint(condition=models.Func(output_field=models.BooleanField(), template="CASE stream WHEN 'heart_rate' THEN value BETWEEN 40 AND 220 WHEN 'rr_interval' THEN value BETWEEN 200 AND 3000 WHEN 'latitude' THEN value BETWEEN -90 AND 90 WHEN 'longitude' THEN value BETWEEN -180 AND 180 WHEN 'altitude' THEN value BETWEEN -12000 AND 20000 WHEN 'distance' THEN value BETWEEN 0 AND 100000000 WHEN 'speed' THEN value BETWEEN 0 AND 400 WHEN 'cadence' THEN value BETWEEN 0 AND 1000 WHEN 'power' THEN value BETWEEN 0 AND 10000 WHEN 'temperature' THEN value BETWEEN -100 AND 150 WHEN 'steps' THEN value BETWEEN 0 AND 100000000 WHEN 'resistance' THEN value BETWEEN -1000 AND 1000 ELSE false END"), name='live_sample_in_range'),
        ),
        AddConstraintNotValid(
            model_name='stream',
            constraint=models.CheckConstraint(condition=models.Func(output_field=models.BooleanField(), template="CASE kind WHEN 'heart_rate' THEN 40 <= ALL (measured) AND 220 >= ALL (measured) WHEN 'rr_interval' THEN 200 <= ALL (measured) AND 3000 >= ALL (measured) WHEN 'latitude' THEN -90 <= ALL (measured) AND 90 >= ALL (measured) WHEN 'longitude' THEN -180 <= ALL (measured) AND 180 >= ALL (measured) WHEN 'altitude' THEN -12000 <= ALL (measured) AND 20000 >= ALL (measured) WHEN 'distance' THEN 0 <= ALL (measured) AND 100000000 >= ALL (measured) WHEN 'speed' THEN 0 <= ALL (measured) AND 400 >= ALL (measured) WHEN 'cadence' THEN 0 <= ALL (measured) AND 1000 >= ALL (measured) WHEN 'power' THEN 0 <= ALL (measured) AND 10000 >= ALL (measured) WHEN 'temperature' THEN -100 <= ALL (measured) AND 150 >= ALL (measured) WHEN 'steps' THEN 0 <= ALL (measured) AND 100000000 >= ALL (measured) WHEN 'resistance' THEN -1000 <= ALL (measured) AND 1000 >= ALL (measured) ELSE false END"), name='stream_in_range'),
        ),
    ]
