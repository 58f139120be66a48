"""A catalogue of metrics, what is known of devices, calibrations, and what people enter by hand."""

import kernel.events
from django.db import migrations, models


REFUSE_CHANGES = """
    CREATE FUNCTION health_refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'a version is never rewritten' USING ERRCODE = 'restrict_violation';
    END $$;
    CREATE TRIGGER calibrations_never_change BEFORE UPDATE ON health_calibration
        FOR EACH ROW EXECUTE FUNCTION health_refuse_rewriting();
    CREATE TRIGGER entry_versions_never_change BEFORE UPDATE ON health_entryversion
        FOR EACH ROW EXECUTE FUNCTION health_refuse_rewriting();
"""
ALLOW_CHANGES = """
    DROP TRIGGER entry_versions_never_change ON health_entryversion;
    DROP TRIGGER calibrations_never_change ON health_calibration;
    DROP FUNCTION health_refuse_rewriting();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('health', '0003_consent_and_apps'),
    ]

    operations = [
        migrations.CreateModel(
            name='Calibration',
            fields=[
                ('calibration_id', models.UUIDField(default=kernel.events.uuid7, primary_key=True, serialize=False)),
                ('device_number', models.IntegerField()),
                ('stream', models.SmallIntegerField(choices=[(1, 'heart_rate'), (2, 'rr_interval'), (3, 'battery'), (4, 'sensor_contact'), (5, 'resting_heart_rate'), (6, 'walking_heart_rate'), (7, 'heart_rate_recovery'), (8, 'pulse_rate'), (9, 'respiratory_rate'), (10, 'oxygen_saturation'), (11, 'perfusion_index'), (12, 'blood_pressure_systolic'), (13, 'blood_pressure_diastolic'), (14, 'blood_pressure_mean'), (15, 'body_temperature'), (16, 'basal_body_temperature'), (17, 'skin_temperature'), (18, 'peak_expiratory_flow'), (19, 'forced_expiratory_volume'), (20, 'forced_vital_capacity'), (21, 'body_mass'), (22, 'body_height'), (23, 'body_mass_index'), (24, 'body_fat'), (25, 'lean_body_mass'), (26, 'muscle_mass'), (27, 'bone_mass'), (28, 'body_water'), (29, 'waist_circumference'), (30, 'hip_circumference'), (31, 'basal_metabolic_rate'), (32, 'body_impedance'), (33, 'visceral_fat_rating'), (34, 'water_intake'), (35, 'steps'), (36, 'walking_distance'), (37, 'cycling_distance'), (38, 'flights_climbed'), (39, 'active_energy'), (40, 'resting_energy'), (41, 'energy_burned'), (42, 'exercise_duration'), (43, 'sedentary_duration'), (44, 'power'), (45, 'cadence'), (46, 'speed'), (47, 'vo2_max'), (48, 'sleep_duration'), (49, 'deep_sleep_duration'), (50, 'light_sleep_duration'), (51, 'rem_sleep_duration'), (52, 'awake_duration'), (53, 'time_in_bed'), (54, 'sleep_latency'), (55, 'sleep_efficiency'), (56, 'blood_glucose'), (57, 'interstitial_glucose'), (58, 'haemoglobin_a1c'), (59, 'blood_ketones'), (60, 'blood_lactate'), (61, 'hrv_sdnn'), (62, 'hrv_rmssd'), (63, 'hrv_pnn50')])),
                ('version', models.IntegerField()),
                ('points', models.JSONField()),
                ('valid_from', models.DateTimeField()),
                ('added_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Certification',
            fields=[
                ('certification_id', models.UUIDField(default=kernel.events.uuid7, primary_key=True, serialize=False)),
                ('device_number', models.IntegerField(db_index=True)),
                ('standard', models.CharField(max_length=64)),
                ('number', models.CharField(max_length=64)),
                ('issued_by', models.CharField(blank=True, max_length=80)),
                ('valid_from', models.DateField()),
                ('valid_until', models.DateField(null=True)),
                ('added_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Entry',
            fields=[
                ('entry_id', models.UUIDField(default=kernel.events.uuid7, primary_key=True, serialize=False)),
                ('user_id', models.UUIDField()),
                ('stream', models.SmallIntegerField(choices=[(1, 'heart_rate'), (2, 'rr_interval'), (3, 'battery'), (4, 'sensor_contact'), (5, 'resting_heart_rate'), (6, 'walking_heart_rate'), (7, 'heart_rate_recovery'), (8, 'pulse_rate'), (9, 'respiratory_rate'), (10, 'oxygen_saturation'), (11, 'perfusion_index'), (12, 'blood_pressure_systolic'), (13, 'blood_pressure_diastolic'), (14, 'blood_pressure_mean'), (15, 'body_temperature'), (16, 'basal_body_temperature'), (17, 'skin_temperature'), (18, 'peak_expiratory_flow'), (19, 'forced_expiratory_volume'), (20, 'forced_vital_capacity'), (21, 'body_mass'), (22, 'body_height'), (23, 'body_mass_index'), (24, 'body_fat'), (25, 'lean_body_mass'), (26, 'muscle_mass'), (27, 'bone_mass'), (28, 'body_water'), (29, 'waist_circumference'), (30, 'hip_circumference'), (31, 'basal_metabolic_rate'), (32, 'body_impedance'), (33, 'visceral_fat_rating'), (34, 'water_intake'), (35, 'steps'), (36, 'walking_distance'), (37, 'cycling_distance'), (38, 'flights_climbed'), (39, 'active_energy'), (40, 'resting_energy'), (41, 'energy_burned'), (42, 'exercise_duration'), (43, 'sedentary_duration'), (44, 'power'), (45, 'cadence'), (46, 'speed'), (47, 'vo2_max'), (48, 'sleep_duration'), (49, 'deep_sleep_duration'), (50, 'light_sleep_duration'), (51, 'rem_sleep_duration'), (52, 'awake_duration'), (53, 'time_in_bed'), (54, 'sleep_latency'), (55, 'sleep_efficiency'), (56, 'blood_glucose'), (57, 'interstitial_glucose'), (58, 'haemoglobin_a1c'), (59, 'blood_ketones'), (60, 'blood_lactate'), (61, 'hrv_sdnn'), (62, 'hrv_rmssd'), (63, 'hrv_pnn50')])),
                ('time', models.DateTimeField()),
                ('sequence', models.IntegerField()),
                ('value', models.FloatField()),
                ('told', models.FloatField()),
                ('unit', models.CharField(max_length=16)),
                ('version', models.IntegerField()),
                ('batch_id', models.UUIDField(null=True)),
                ('deleted_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='EntryVersion',
            fields=[
                ('pk', models.CompositePrimaryKey('entry_id', 'version', blank=True, editable=False, primary_key=True, serialize=False)),
                ('entry_id', models.UUIDField()),
                ('version', models.IntegerField()),
                ('user_id', models.UUIDField(db_index=True)),
                ('time', models.DateTimeField()),
                ('told', models.FloatField()),
                ('unit', models.CharField(max_length=16)),
                ('is_deletion', models.BooleanField()),
                ('written_at', models.DateTimeField()),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='reading',
            name='health_reading_stream_is_known',
        ),
        migrations.AddField(
            model_name='device',
            name='calibration_due_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='device',
            name='checked_at',
            field=models.DateTimeField(help_text='When its calibration was last looked at.', null=True),
        ),
        migrations.AddField(
            model_name='device',
            name='due_told_at',
            field=models.DateTimeField(help_text='When its owner was told that a calibration is due.', null=True),
        ),
        migrations.AddField(
            model_name='device',
            name='firmware',
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name='device',
            name='handover_digest',
            field=models.BinaryField(help_text='Of the code with which somebody else may take it over.', null=True),
        ),
        migrations.AddField(
            model_name='device',
            name='handover_until',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='device',
            name='hardware',
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name='device',
            name='lost_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='device',
            name='maker',
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name='device',
            name='model',
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name='device',
            name='received_at',
            field=models.DateTimeField(help_text='When it was handed on to this owner by another one.', null=True),
        ),
        migrations.AddField(
            model_name='device',
            name='serial',
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name='device',
            name='software',
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name='device',
            name='sync_from',
            field=models.DateTimeField(help_text='The earliest measurement it was asked for.', null=True),
        ),
        migrations.RemoveField(model_name='reading', name='quarantined'),
        migrations.AddField(
            model_name='reading',
            name='quarantined',
            field=models.GeneratedField(db_persist=True, expression=models.Case(models.When(stream=1, then=models.Q(('value__lt', 40), ('value__gt', 220), _connector='OR')), models.When(stream=2, then=models.Q(('value__lt', 272), ('value__gt', 1500), _connector='OR')), models.When(stream=3, then=models.Q(('value__lt', 0), ('value__gt', 100), _connector='OR')), models.When(stream=4, then=models.Q(('value__lt', 0), ('value__gt', 1), _connector='OR')), models.When(stream=5, then=models.Q(('value__lt', 25), ('value__gt', 150), _connector='OR')), models.When(stream=6, then=models.Q(('value__lt', 40), ('value__gt', 220), _connector='OR')), models.When(stream=7, then=models.Q(('value__lt', 0), ('value__gt', 120), _connector='OR')), models.When(stream=8, then=models.Q(('value__lt', 25), ('value__gt', 250), _connector='OR')), models.When(stream=9, then=models.Q(('value__lt', 3), ('value__gt', 80), _connector='OR')), models.When(stream=10, then=models.Q(('value__lt', 50), ('value__gt', 100), _connector='OR')), models.When(stream=11, then=models.Q(('value__lt', 0.02), ('value__gt', 20), _connector='OR')), models.When(stream=12, then=models.Q(('value__lt', 50), ('value__gt', 300), _connector='OR')), models.When(stream=13, then=models.Q(('value__lt', 20), ('value__gt', 200), _connector='OR')), models.When(stream=14, then=models.Q(('value__lt', 30), ('value__gt', 250), _connector='OR')), models.When(stream=15, then=models.Q(('value__lt', 30), ('value__gt', 44), _connector='OR')), models.When(stream=16, then=models.Q(('value__lt', 34), ('value__gt', 40), _connector='OR')), models.When(stream=17, then=models.Q(('value__lt', 10), ('value__gt', 45), _connector='OR')), models.When(stream=18, then=models.Q(('value__lt', 30), ('value__gt', 1000), _connector='OR')), models.When(stream=19, then=models.Q(('value__lt', 0.2), ('value__gt', 8), _connector='OR')), models.When(stream=20, then=models.Q(('value__lt', 0.3), ('value__gt', 10), _connector='OR')), models.When(stream=21, then=models.Q(('value__lt', 2), ('value__gt', 650), _connector='OR')), models.When(stream=22, then=models.Q(('value__lt', 0.3), ('value__gt', 2.75), _connector='OR')), models.When(stream=23, then=models.Q(('value__lt', 5), ('value__gt', 150), _connector='OR')), models.When(stream=24, then=models.Q(('value__lt', 1), ('value__gt', 75), _connector='OR')), models.When(stream=25, then=models.Q(('value__lt', 1), ('value__gt', 250), _connector='OR')), models.When(stream=26, then=models.Q(('value__lt', 1), ('value__gt', 200), _connector='OR')), models.When(stream=27, then=models.Q(('value__lt', 0.3), ('value__gt', 10), _connector='OR')), models.When(stream=28, then=models.Q(('value__lt', 20), ('value__gt', 85), _connector='OR')), models.When(stream=29, then=models.Q(('value__lt', 0.2), ('value__gt', 3), _connector='OR')), models.When(stream=30, then=models.Q(('value__lt', 0.2), ('value__gt', 3), _connector='OR')), models.When(stream=31, then=models.Q(('value__lt', 2000), ('value__gt', 20000), _connector='OR')), models.When(stream=32, then=models.Q(('value__lt', 100), ('value__gt', 2000), _connector='OR')), models.When(stream=33, then=models.Q(('value__lt', 1), ('value__gt', 60), _connector='OR')), models.When(stream=34, then=models.Q(('value__lt', 0), ('value__gt', 10), _connector='OR')), models.When(stream=35, then=models.Q(('value__lt', 0), ('value__gt', 100000), _connector='OR')), models.When(stream=36, then=models.Q(('value__lt', 0), ('value__gt', 300000), _connector='OR')), models.When(stream=37, then=models.Q(('value__lt', 0), ('value__gt', 900000), _connector='OR')), models.When(stream=38, then=models.Q(('value__lt', 0), ('value__gt', 2000), _connector='OR')), models.When(stream=39, then=models.Q(('value__lt', 0), ('value__gt', 60000), _connector='OR')), models.When(stream=40, then=models.Q(('value__lt', 0), ('value__gt', 20000), _connector='OR')), models.When(stream=41, then=models.Q(('value__lt', 0), ('value__gt', 80000), _connector='OR')), models.When(stream=42, then=models.Q(('value__lt', 0), ('value__gt', 86400), _connector='OR')), models.When(stream=43, then=models.Q(('value__lt', 0), ('value__gt', 86400), _connector='OR')), models.When(stream=44, then=models.Q(('value__lt', 0), ('value__gt', 2500), _connector='OR')), models.When(stream=45, then=models.Q(('value__lt', 0), ('value__gt', 300), _connector='OR')), models.When(stream=46, then=models.Q(('value__lt', 0), ('value__gt', 40), _connector='OR')), models.When(stream=47, then=models.Q(('value__lt', 10), ('value__gt', 100), _connector='OR')), models.When(stream=48, then=models.Q(('value__lt', 0), ('value__gt', 86400), _connector='OR')), models.When(stream=49, then=models.Q(('value__lt', 0), ('value__gt', 86400), _connector='OR')), models.When(stream=50, then=models.Q(('value__lt', 0), ('value__gt', 86400), _connector='OR')), models.When(stream=51, then=models.Q(('value__lt', 0), ('value__gt', 86400), _connector='OR')), models.When(stream=52, then=models.Q(('value__lt', 0), ('value__gt', 86400), _connector='OR')), models.When(stream=53, then=models.Q(('value__lt', 0), ('value__gt', 86400), _connector='OR')), models.When(stream=54, then=models.Q(('value__lt', 0), ('value__gt', 43200), _connector='OR')), models.When(stream=55, then=models.Q(('value__lt', 0), ('value__gt', 100), _connector='OR')), models.When(stream=56, then=models.Q(('value__lt', 0.5), ('value__gt', 60), _connector='OR')), models.When(stream=57, then=models.Q(('value__lt', 1), ('value__gt', 40), _connector='OR')), models.When(stream=58, then=models.Q(('value__lt', 10), ('value__gt', 200), _connector='OR')), models.When(stream=59, then=models.Q(('value__lt', 0), ('value__gt', 20), _connector='OR')), models.When(stream=60, then=models.Q(('value__lt', 0.1), ('value__gt', 40), _connector='OR')), models.When(stream=61, then=models.Q(('value__lt', 1), ('value__gt', 500), _connector='OR')), models.When(stream=62, then=models.Q(('value__lt', 1), ('value__gt', 500), _connector='OR')), models.When(stream=63, then=models.Q(('value__lt', 0), ('value__gt', 100), _connector='OR')), default=True, output_field=models.BooleanField()), output_field=models.BooleanField()),
        ),
        migrations.AlterField(
            model_name='reading',
            name='stream',
            field=models.SmallIntegerField(choices=[(1, 'heart_rate'), (2, 'rr_interval'), (3, 'battery'), (4, 'sensor_contact'), (5, 'resting_heart_rate'), (6, 'walking_heart_rate'), (7, 'heart_rate_recovery'), (8, 'pulse_rate'), (9, 'respiratory_rate'), (10, 'oxygen_saturation'), (11, 'perfusion_index'), (12, 'blood_pressure_systolic'), (13, 'blood_pressure_diastolic'), (14, 'blood_pressure_mean'), (15, 'body_temperature'), (16, 'basal_body_temperature'), (17, 'skin_temperature'), (18, 'peak_expiratory_flow'), (19, 'forced_expiratory_volume'), (20, 'forced_vital_capacity'), (21, 'body_mass'), (22, 'body_height'), (23, 'body_mass_index'), (24, 'body_fat'), (25, 'lean_body_mass'), (26, 'muscle_mass'), (27, 'bone_mass'), (28, 'body_water'), (29, 'waist_circumference'), (30, 'hip_circumference'), (31, 'basal_metabolic_rate'), (32, 'body_impedance'), (33, 'visceral_fat_rating'), (34, 'water_intake'), (35, 'steps'), (36, 'walking_distance'), (37, 'cycling_distance'), (38, 'flights_climbed'), (39, 'active_energy'), (40, 'resting_energy'), (41, 'energy_burned'), (42, 'exercise_duration'), (43, 'sedentary_duration'), (44, 'power'), (45, 'cadence'), (46, 'speed'), (47, 'vo2_max'), (48, 'sleep_duration'), (49, 'deep_sleep_duration'), (50, 'light_sleep_duration'), (51, 'rem_sleep_duration'), (52, 'awake_duration'), (53, 'time_in_bed'), (54, 'sleep_latency'), (55, 'sleep_efficiency'), (56, 'blood_glucose'), (57, 'interstitial_glucose'), (58, 'haemoglobin_a1c'), (59, 'blood_ketones'), (60, 'blood_lactate'), (61, 'hrv_sdnn'), (62, 'hrv_rmssd'), (63, 'hrv_pnn50')]),
        ),
        migrations.AddIndex(
            model_name='batch',
            index=models.Index(fields=['device_number', 'recorded_at'], name='health_batch_of_device'),
        ),
        migrations.AddIndex(
            model_name='device',
            index=models.Index(condition=models.Q(('calibration_due_at__isnull', False), ('revoked_at', None)), fields=['calibration_due_at'], name='health_device_due'),
        ),
        migrations.AddConstraint(
            model_name='device',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'own_entries')), fields=('user_id',), name='health_device_one_own_source'),
        ),
        migrations.AddConstraint(
            model_name='device',
            constraint=models.UniqueConstraint(condition=models.Q(('handover_digest__isnull', False)), fields=('handover_digest',), name='health_device_one_of_a_code'),
        ),
        migrations.AddConstraint(
            model_name='reading',
            constraint=models.CheckConstraint(condition=models.Q(('stream__range', (1, 63))), name='health_reading_stream_is_known'),
        ),
        migrations.AddConstraint(
            model_name='calibration',
            constraint=models.UniqueConstraint(fields=('device_number', 'stream', 'version'), name='health_calibration_version'),
        ),
        migrations.AddConstraint(
            model_name='calibration',
            constraint=models.CheckConstraint(condition=models.Q(('version__gt', 0)), name='health_calibration_counts_from_one'),
        ),
        migrations.AddConstraint(
            model_name='certification',
            constraint=models.CheckConstraint(condition=models.Q(('valid_until', None), ('valid_until__gte', models.F('valid_from')), _connector='OR'), name='health_certification_ends_after_it_began'),
        ),
        migrations.AddIndex(
            model_name='entry',
            index=models.Index(fields=['user_id', 'time', 'entry_id'], name='health_entry_of_person'),
        ),
        migrations.AddConstraint(
            model_name='entry',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('batch_id__isnull', False), ('deleted_at', None)), models.Q(('batch_id', None), ('deleted_at__isnull', False)), _connector='OR'), name='health_entry_has_its_reading'),
        ),
        migrations.RunSQL(REFUSE_CHANGES, ALLOW_CHANGES),
    ]
