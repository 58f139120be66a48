"""What must always hold in identity's database: each query returns the rows that break it."""

from kernel.access import CONNECTION_LASTS, MFA_IS_RECENT
from kernel.observability import invariant


@invariant("identity", "I1", "No two accounts share an address, whatever its case")
def one_account_an_address() -> str:
    """Also promised by a unique index and a check constraint."""
    return "SELECT lower(email) FROM identity_user GROUP BY 1 HAVING count(*) > 1"


@invariant("identity", "I2", "After five failures a door is shut")
def five_failures_lock_out() -> str:
    """Also promised by a check constraint."""
    return "SELECT key FROM identity_lockout WHERE failures > 5 OR (failures = 5 AND locked_until IS NULL)"


@invariant("identity", "I3", "A refresh token is used once: it has at most one successor, and none while unused")
def refresh_tokens_are_used_once() -> str:
    """Also promised by a unique index on the parent."""
    return (
        "SELECT parent.jti_sha256 FROM identity_refreshtoken parent"
        " JOIN identity_refreshtoken child ON child.parent_id = parent.jti_sha256"
        " GROUP BY 1 HAVING count(*) > 1 OR bool_or(parent.used_at IS NULL)"
    )


@invariant("identity", "I6", "A time step of a second factor is remembered once it was used")
def used_steps_are_remembered() -> str:
    """Without the last step a code could be shown twice."""
    return "SELECT id FROM mfa_authenticator WHERE type = 'totp' AND NOT data ? 'last_step'"


@invariant("identity", "I7", "No secret lies in the clear")
def no_secret_in_the_clear() -> str:
    """Passwords are argon2 hashes (or unusable), seeds are sealed, tokens, codes and app secrets are digests."""
    return (
        "SELECT 'password' AS what, id::text FROM identity_user WHERE password !~ '^(argon2\\$argon2id|!)'"
        " UNION ALL SELECT 'pending seed', id::text FROM identity_session"
        " WHERE pending_totp <> '' AND pending_totp !~ '^v1\\.'"
        " UNION ALL SELECT 'seed', id::text FROM mfa_authenticator"
        " WHERE type <> 'webauthn' AND coalesce(data->>'secret', data->>'seed', '') !~ '^v1\\.'"
        " UNION ALL SELECT 'refresh token', jti_sha256 FROM identity_refreshtoken"
        " WHERE jti_sha256 !~ '^[0-9a-f]{64}$'"
        " UNION ALL SELECT 'app secret', id::text FROM identity_oauthapp"
        " WHERE secret_sha256 !~ '^([0-9a-f]{64})?$'"
        " UNION ALL SELECT 'code', code_sha256 FROM identity_authorizationcode"
        " WHERE code_sha256 !~ '^[0-9a-f]{64}$'"
    )


@invariant("identity", "I8", "An app acts with granted scopes, and medical ones were granted with a second factor")
def apps_act_as_granted() -> str:
    """Our own sessions have no scopes: they are people."""
    return (
        "SELECT id FROM identity_session WHERE (app_id IS NULL) <> (scopes = '{}')"
        " OR (app_id IS NOT NULL AND mfa_at IS NULL AND scopes && ARRAY['health:read', 'health:write']::varchar[])"
    )


@invariant("identity", "I5", "Nobody read medical data without a second factor")
def medical_looks_had_a_second_factor() -> str:
    """What health announced of its looks, judged once more: minutes ago, or for an app when it was let in."""
    recent, connection = MFA_IS_RECENT.total_seconds() + 60, CONNECTION_LASTS.total_seconds()
    return f"""
        SELECT position FROM identity_auditentry
        WHERE action = 'health.medical_data_read' AND (claims->>'mfa_at' IS NULL
            OR to_timestamp((claims->>'mfa_at')::bigint) < at - CASE WHEN claims ? 'app'
                THEN interval '{connection} seconds' ELSE interval '{recent} seconds' END)
    """


@invariant("identity", "X7", "The audit is as it was written: gapless, each entry sealing the one before")
def audit_is_as_written() -> str:
    """The digests are computed here once more by PostgreSQL, and the chain is as long as its head says."""
    return """
        SELECT position, 'changed' AS what FROM (
            SELECT position, digest, row_number() OVER written AS nth, encode(sha256(convert_to(
                coalesce(lag(digest) OVER written, '') || jsonb_build_object(
                    'position', position, 'at', to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                    'actor', actor, 'actor_kind', actor_kind, 'action', action, 'subject', subject,
                    'network', network, 'reason', reason, 'claims', claims, 'correlation_id', correlation_id
                )::text, 'UTF8')), 'hex') AS expected
            FROM identity_auditentry WINDOW written AS (ORDER BY position)
        ) AS chain WHERE digest <> expected OR position <> nth
        UNION ALL
        SELECT head.position, 'cut off' FROM identity_audithead AS head
        LEFT JOIN identity_auditentry AS last ON last.position = (SELECT max(position) FROM identity_auditentry)
        WHERE head.position > 0 AND (head.position, head.digest) IS DISTINCT FROM (last.position, last.digest)
        UNION ALL
        SELECT max(position), 'headless' FROM identity_auditentry
        WHERE NOT EXISTS (SELECT FROM identity_audithead) HAVING count(*) > 0
    """
