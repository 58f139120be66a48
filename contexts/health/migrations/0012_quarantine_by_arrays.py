"""Quarantine by two arrays instead of a CASE over all metrics; each partition is written anew."""

import contexts.health.models.readings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('health', '0011_sharing_and_purposes'),
    ]

    operations = [
        migrations.RemoveField(model_name='reading', name='quarantined'),
        migrations.AddField(
            model_name='reading',
            name='quarantined',
            field=models.GeneratedField(db_persist=True, expression=models.Case(models.When(doubt__isnull=False, then=models.Value(True)), models.When(then=models.Value(False), value__range=(contexts.health.models.readings.Bound('stream', of='{40,272,0,0,25,40,0,25,3,50,0.02,50,20,30,30,34,10,30,0.2,0.3,2,0.3,5,1,1,1,0.3,20,0.2,0.2,2000,100,1,0,0,0,0,0,0,0,0,0,0,0,0,0,10,0,0,0,0,0,0,0,0,0.5,1,10,0,0.1,1,1,0,0,0,0,0,0,0,0,0,-50,-45,0,0,-1000,0,0,10,1,1,0,0,0,0,0,20}'), contexts.health.models.readings.Bound('stream', of='{220,1500,100,1,150,220,120,250,80,100,20,300,200,250,44,40,45,1000,8,10,650,2.75,150,75,250,200,10,85,3,3,20000,2000,60,10,100000,300000,900000,2000,60000,20000,80000,86400,86400,2500,300,40,100,86400,86400,86400,86400,86400,86400,43200,100,60,40,200,20,40,500,500,100,999999,5,1,400,120,65535,100,2048,50,45,10000,10000,1000,30,300000,80,250,200,300,1000,100,5000,100,44}'))), default=True, output_field=models.BooleanField()), output_field=models.BooleanField()),
        ),
    ]
