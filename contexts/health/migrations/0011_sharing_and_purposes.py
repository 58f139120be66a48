"""Grants, emergency accesses, what a look was for; what people write is sealed from now on."""

import contexts.health.terms
import datetime
import django.db.models.expressions
import kernel.events
from django.db import migrations, models

from contexts.health.sealing import seal_text

TEXTS = [
    ('AlertComment', 'health_alertcomment', {'text': 'sealed_text'}),
    ('EmergencyContact', 'health_emergencycontact', {'name': 'sealed_name', 'email': 'sealed_email'}),
]


def seal_texts(apps, schema_editor):
    """Seal what was stored as it was written; the plain columns go next. There is no way back."""
    for name, table, columns in TEXTS:
        model = apps.get_model('health', name)
        for row in model.objects.using(schema_editor.connection.alias).iterator():
            for plain, sealed in columns.items():
                text = seal_text(getattr(row, plain), column=f'{table}.{sealed}', row_id=row.pk)
                setattr(row, sealed, text)
            row.save(update_fields=list(columns.values()))


class Migration(migrations.Migration):

    dependencies = [
        ('health', '0010_cold_storage'),
    ]

    operations = [
        migrations.CreateModel(
            name='EmergencyAccess',
            fields=[
                ('emergency_id', models.UUIDField(default=kernel.events.uuid7, primary_key=True, serialize=False)),
                ('subject_id', models.UUIDField(db_index=True)),
                ('opened_by', models.UUIDField()),
                ('sealed_reason', models.BinaryField()),
                ('opened_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('verdict', models.CharField(blank=True, choices=[('justified', 'Justified'), ('abuse', 'Abuse')], max_length=9)),
                ('judged_by', models.UUIDField(null=True)),
                ('judged_at', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name_plural': 'emergency accesses',
                'permissions': [('break_glass', "Can open a person's data in an emergency"), ('judge_emergency', 'Can judge emergency accesses of others')],
            },
        ),
        migrations.CreateModel(
            name='Grant',
            fields=[
                ('grant_id', models.UUIDField(default=kernel.events.uuid7, primary_key=True, serialize=False)),
                ('owner_id', models.UUIDField()),
                ('grantee_id', models.UUIDField()),
                ('role', models.CharField(choices=[('coach', 'coach'), ('doctor', 'doctor')], max_length=8)),
                ('metrics', models.JSONField()),
                ('purposes', models.JSONField()),
                ('since', models.DateTimeField(null=True)),
                ('until', models.DateTimeField(null=True)),
                ('made_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('accepted_at', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('ended_by', models.CharField(blank=True, choices=[('owner', 'Owner'), ('grantee', 'Grantee')], max_length=8)),
                ('suspended_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.AddField(
            model_name='access',
            name='emergency_id',
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name='access',
            name='grant_id',
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name='access',
            name='purpose',
            field=models.CharField(choices=[('own_care', 'own_care'), ('coaching', 'coaching'), ('treatment', 'treatment'), ('support', 'support'), ('emergency', 'emergency')], default=contexts.health.terms.Purpose['OWN_CARE'], max_length=16),
        ),
        migrations.AddField(
            model_name='alertcomment',
            name='sealed_text',
            field=models.BinaryField(default=b''),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='emergencycontact',
            name='sealed_email',
            field=models.BinaryField(default=b''),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='emergencycontact',
            name='sealed_name',
            field=models.BinaryField(default=b''),
            preserve_default=False,
        ),
        migrations.RunPython(seal_texts),
        migrations.RemoveField(
            model_name='alertcomment',
            name='text',
        ),
        migrations.RemoveField(
            model_name='emergencycontact',
            name='email',
        ),
        migrations.RemoveField(
            model_name='emergencycontact',
            name='name',
        ),
        migrations.AddConstraint(
            model_name='access',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('by', models.F('subject_id')), ('emergency_id', None), ('grant_id', None)), models.Q(models.Q(('by', models.F('subject_id')), _negated=True), ('emergency_id', None), ('grant_id__isnull', False)), models.Q(models.Q(('by', models.F('subject_id')), _negated=True), ('emergency_id__isnull', False), ('grant_id', None), ('purpose', contexts.health.terms.Purpose['EMERGENCY'])), _connector='OR'), name='health_access_by_right'),
        ),
        migrations.AddIndex(
            model_name='emergencyaccess',
            index=models.Index(fields=['opened_by', 'expires_at'], name='health_emergency_open'),
        ),
        migrations.AddConstraint(
            model_name='emergencyaccess',
            constraint=models.CheckConstraint(condition=models.Q(('expires_at__lte', django.db.models.expressions.CombinedExpression(models.F('opened_at'), '+', models.Value(datetime.timedelta(seconds=3600))))), name='health_emergency_lasts_an_hour'),
        ),
        migrations.AddConstraint(
            model_name='emergencyaccess',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('judged_at', None), ('judged_by', None), ('verdict', '')), models.Q(models.Q(('verdict', ''), _negated=True), ('judged_at__isnull', False), ('judged_by__isnull', False)), _connector='OR'), name='health_emergency_judged_by_somebody'),
        ),
        migrations.AddConstraint(
            model_name='emergencyaccess',
            constraint=models.CheckConstraint(condition=models.Q(('judged_by', None), models.Q(('judged_by', models.F('opened_by')), _negated=True), _connector='OR'), name='health_emergency_judged_by_another'),
        ),
        migrations.AddIndex(
            model_name='grant',
            index=models.Index(fields=['owner_id', 'made_at'], name='health_grant_of_owner'),
        ),
        migrations.AddIndex(
            model_name='grant',
            index=models.Index(fields=['grantee_id', 'made_at'], name='health_grant_of_grantee'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(('owner_id', models.F('grantee_id')), _negated=True), name='health_grant_is_for_another'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(('expires_at__gt', models.F('made_at')), ('expires_at__lte', django.db.models.expressions.CombinedExpression(models.F('made_at'), '+', models.Value(datetime.timedelta(days=365))))), name='health_grant_lasts_a_year_at_most'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('ended_at', None), ('ended_by', '')), models.Q(('ended_at__isnull', False), models.Q(('ended_by', ''), _negated=True)), _connector='OR'), name='health_grant_ended_by_somebody'),
        ),
    ]
