"""An athlete's own imports are listed, the newest first, all or those that are not done."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('workout', '0013_whose_metres'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='import',
            index=models.Index(fields=['user_id', 'id'], name='import_own'),
        ),
        migrations.AddIndex(
            model_name='import',
            index=models.Index(condition=models.Q(('state', 'done'), _negated=True), fields=['user_id', 'id'], name='import_own_not_done'),
        ),
    ]
