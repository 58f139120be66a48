"""Norms as reviewers publish them, alerts and their rules, comments, emergency contacts."""

import kernel.events
from django.db import migrations, models


REFUSE_CHANGES = """
    CREATE TRIGGER norm_versions_never_change BEFORE UPDATE OR DELETE ON health_normversion
        FOR EACH ROW EXECUTE FUNCTION health_refuse_rewriting();
"""
ALLOW_CHANGES = "DROP TRIGGER norm_versions_never_change ON health_normversion;"


class Migration(migrations.Migration):

    dependencies = [
        ('health', '0005_enrolments'),
    ]

    operations = [
        migrations.CreateModel(
            name='AlertComment',
            fields=[
                ('comment_id', models.UUIDField(default=kernel.events.uuid7, primary_key=True, serialize=False)),
                ('alert_id', models.UUIDField(db_index=True)),
                ('user_id', models.UUIDField(db_index=True)),
                ('text', models.CharField(max_length=1000)),
                ('written_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='EmergencyContact',
            fields=[
                ('user_id', models.UUIDField(primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=80)),
                ('email', models.EmailField(max_length=254)),
                ('locale', models.CharField(choices=[('en', 'en'), ('ru', 'ru')], max_length=2)),
                ('after_minutes', models.IntegerField()),
                ('agreed_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Alert',
            fields=[
                ('alert_id', models.UUIDField(default=kernel.events.uuid7, primary_key=True, serialize=False)),
                ('user_id', models.UUIDField()),
                ('rule', models.CharField(max_length=80)),
                ('rule_version', models.IntegerField()),
                ('stream', models.SmallIntegerField(choices=[(1, 'heart_rate'), (2, 'rr_interval'), (3, 'battery'), (4, 'sensor_contact'), (5, 'resting_heart_rate'), (6, 'walking_heart_rate'), (7, 'heart_rate_recovery'), (8, 'pulse_rate'), (9, 'respiratory_rate'), (10, 'oxygen_saturation'), (11, 'perfusion_index'), (12, 'blood_pressure_systolic'), (13, 'blood_pressure_diastolic'), (14, 'blood_pressure_mean'), (15, 'body_temperature'), (16, 'basal_body_temperature'), (17, 'skin_temperature'), (18, 'peak_expiratory_flow'), (19, 'forced_expiratory_volume'), (20, 'forced_vital_capacity'), (21, 'body_mass'), (22, 'body_height'), (23, 'body_mass_index'), (24, 'body_fat'), (25, 'lean_body_mass'), (26, 'muscle_mass'), (27, 'bone_mass'), (28, 'body_water'), (29, 'waist_circumference'), (30, 'hip_circumference'), (31, 'basal_metabolic_rate'), (32, 'body_impedance'), (33, 'visceral_fat_rating'), (34, 'water_intake'), (35, 'steps'), (36, 'walking_distance'), (37, 'cycling_distance'), (38, 'flights_climbed'), (39, 'active_energy'), (40, 'resting_energy'), (41, 'energy_burned'), (42, 'exercise_duration'), (43, 'sedentary_duration'), (44, 'power'), (45, 'cadence'), (46, 'speed'), (47, 'vo2_max'), (48, 'sleep_duration'), (49, 'deep_sleep_duration'), (50, 'light_sleep_duration'), (51, 'rem_sleep_duration'), (52, 'awake_duration'), (53, 'time_in_bed'), (54, 'sleep_latency'), (55, 'sleep_efficiency'), (56, 'blood_glucose'), (57, 'interstitial_glucose'), (58, 'haemoglobin_a1c'), (59, 'blood_ketones'), (60, 'blood_lactate'), (61, 'hrv_sdnn'), (62, 'hrv_rmssd'), (63, 'hrv_pnn50')])),
                ('severity', models.CharField(choices=[('warning', 'Warning'), ('critical', 'Critical')], max_length=8)),
                ('terms', models.JSONField()),
                ('began_at', models.DateTimeField()),
                ('last_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('state', models.CharField(choices=[('open', 'Open'), ('acknowledged', 'Acknowledged'), ('snoozed', 'Snoozed'), ('closed', 'Closed')], max_length=12)),
                ('reason', models.CharField(blank=True, choices=[('cleared', 'Cleared'), ('silence', 'Silence'), ('superseded', 'later readings showed that it was part of another one, or none'), ('rule_gone', 'Rule Gone')], max_length=12)),
                ('triggered_at', models.DateTimeField()),
                ('acknowledged_at', models.DateTimeField(null=True)),
                ('snoozed_until', models.DateTimeField(null=True)),
                ('escalate_at', models.DateTimeField(null=True)),
                ('escalated_at', models.DateTimeField(null=True)),
                ('closed_at', models.DateTimeField(null=True)),
            ],
            options={
                'indexes': [models.Index(fields=['user_id', 'rule', 'last_at'], name='health_alert_of_rule'), models.Index(fields=['user_id', 'triggered_at', 'alert_id'], name='health_alert_of_person'), models.Index(condition=models.Q(('escalate_at__isnull', False)), fields=['escalate_at'], name='health_alert_escalates'), models.Index(condition=models.Q(('state', 'closed'), _negated=True), fields=['last_at'], name='health_alert_unclosed')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state', 'closed'), _negated=True), fields=('user_id', 'rule'), name='health_alert_one_open'), models.CheckConstraint(condition=models.Q(('began_at__lte', models.F('last_at'))), name='health_alert_ends_after_it_began'), models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', False), ('state', 'closed'), models.Q(('reason', ''), _negated=True)), models.Q(models.Q(('state', 'closed'), _negated=True), ('closed_at', None), ('reason', '')), _connector='OR'), name='health_alert_closed_says_why')],
            },
        ),
        migrations.CreateModel(
            name='AlertRule',
            fields=[
                ('rule_id', models.UUIDField(default=kernel.events.uuid7, primary_key=True, serialize=False)),
                ('user_id', models.UUIDField()),
                ('stream', models.SmallIntegerField(choices=[(1, 'heart_rate'), (2, 'rr_interval'), (3, 'battery'), (4, 'sensor_contact'), (5, 'resting_heart_rate'), (6, 'walking_heart_rate'), (7, 'heart_rate_recovery'), (8, 'pulse_rate'), (9, 'respiratory_rate'), (10, 'oxygen_saturation'), (11, 'perfusion_index'), (12, 'blood_pressure_systolic'), (13, 'blood_pressure_diastolic'), (14, 'blood_pressure_mean'), (15, 'body_temperature'), (16, 'basal_body_temperature'), (17, 'skin_temperature'), (18, 'peak_expiratory_flow'), (19, 'forced_expiratory_volume'), (20, 'forced_vital_capacity'), (21, 'body_mass'), (22, 'body_height'), (23, 'body_mass_index'), (24, 'body_fat'), (25, 'lean_body_mass'), (26, 'muscle_mass'), (27, 'bone_mass'), (28, 'body_water'), (29, 'waist_circumference'), (30, 'hip_circumference'), (31, 'basal_metabolic_rate'), (32, 'body_impedance'), (33, 'visceral_fat_rating'), (34, 'water_intake'), (35, 'steps'), (36, 'walking_distance'), (37, 'cycling_distance'), (38, 'flights_climbed'), (39, 'active_energy'), (40, 'resting_energy'), (41, 'energy_burned'), (42, 'exercise_duration'), (43, 'sedentary_duration'), (44, 'power'), (45, 'cadence'), (46, 'speed'), (47, 'vo2_max'), (48, 'sleep_duration'), (49, 'deep_sleep_duration'), (50, 'light_sleep_duration'), (51, 'rem_sleep_duration'), (52, 'awake_duration'), (53, 'time_in_bed'), (54, 'sleep_latency'), (55, 'sleep_efficiency'), (56, 'blood_glucose'), (57, 'interstitial_glucose'), (58, 'haemoglobin_a1c'), (59, 'blood_ketones'), (60, 'blood_lactate'), (61, 'hrv_sdnn'), (62, 'hrv_rmssd'), (63, 'hrv_pnn50')])),
                ('side', models.CharField(choices=[('low', 'Low'), ('high', 'High')], max_length=4)),
                ('bound', models.FloatField()),
                ('hysteresis', models.FloatField()),
                ('lasts_s', models.IntegerField()),
                ('silence_s', models.IntegerField()),
                ('cool_down_s', models.IntegerField()),
                ('severity', models.CharField(choices=[('warning', 'Warning'), ('critical', 'Critical')], max_length=8)),
                ('version', models.IntegerField(default=1)),
                ('written_at', models.DateTimeField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('user_id', 'stream', 'side'), name='health_alert_rule_one_a_side'), models.CheckConstraint(condition=models.Q(('cool_down_s__gte', 0), ('hysteresis__gte', 0), ('lasts_s__gte', 0), ('silence_s__gt', 0)), name='health_alert_rule_times_are_positive')],
            },
        ),
        migrations.CreateModel(
            name='NormVersion',
            fields=[
                ('id', models.UUIDField(default=kernel.events.uuid7, primary_key=True, serialize=False)),
                ('key', models.CharField(max_length=64)),
                ('version', models.IntegerField()),
                ('document', models.JSONField()),
                ('note', models.CharField(max_length=200)),
                ('made_by', models.UUIDField()),
                ('made_at', models.DateTimeField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('key', 'version'), name='health_norm_version'), models.CheckConstraint(condition=models.Q(('version__gt', 0)), name='health_norm_counts_from_one')],
            },
        ),
        migrations.RunSQL(REFUSE_CHANGES, ALLOW_CHANGES),
    ]
