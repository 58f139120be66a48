"""Changes of a session are counted, sets name their exercise, and sessions older than tracks are to get theirs.

Every session there is today is due; its column's default for new ones is that nothing is.
"""

from django.db import migrations, models

TRACK_DUE = "Its track is still to be derived: it was completed before there were tracks."


class Migration(migrations.Migration):
    dependencies = [("workout", "0010_stream_steps")]

    operations = [
        migrations.AddField(
            model_name="trainingsession",
            name="changes",
            field=models.PositiveIntegerField(default=0, help_text="How often its sport or its audience changed."),
        ),
        migrations.AddField(
            model_name="trainingsession",
            name="track_due",
            field=models.BooleanField(default=True, help_text=TRACK_DUE),
        ),
        migrations.AlterField(
            model_name="trainingsession",
            name="track_due",
            field=models.BooleanField(default=False, help_text=TRACK_DUE),
        ),
        migrations.AddIndex(
            model_name="trainingsession",
            index=models.Index(condition=models.Q(("track_due", True)), fields=["id"], name="session_track_due"),
        ),
        migrations.AlterField(
            model_name="strengthset",
            name="exercise",
            field=models.CharField(help_text="As the athlete calls it.", max_length=80),
        ),
        migrations.AddField(
            model_name="strengthset",
            name="exercise_id",
            field=models.UUIDField(help_text="Of the library, the athlete's own, or a plan they follow.", null=True),
        ),
    ]
