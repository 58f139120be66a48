"""A deleted workout's points are taken back by an entry of its own, below zero."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gamification", "0002_entries_never_change")]

    operations = [
        migrations.RemoveConstraint(model_name="pointsentry", name="never_grants_more_than_asked"),
        migrations.AlterField(
            model_name="pointsentry",
            name="points_asked",
            field=models.IntegerField(
                help_text="What the rule says, before the daily cap; negative: taken back."
            ),
        ),
        migrations.AlterField(
            model_name="pointsentry",
            name="points_granted",
            field=models.IntegerField(help_text="What the daily cap let through; negative: taken back."),
        ),
        migrations.AddConstraint(
            model_name="pointsentry",
            constraint=models.CheckConstraint(
                condition=models.Q(points_granted__gte=0, points_granted__lte=models.F("points_asked"))
                | models.Q(
                    points_granted__lte=0, points_granted__gte=models.F("points_asked"), rule="deleted_workout"
                ),
                name="never_grants_more_than_asked",
            ),
        ),
    ]
