"""What must always hold in identity's database: each query returns the rows that break it."""

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
    """Passwords are argon2 hashes (or unusable), seeds are sealed, refresh tokens are digests."""
    return (
        "SELECT 'password' AS what, id::text FROM identity_user WHERE password !~ '^(argon2\\$argon2id|!)'"
        " UNION ALL SELECT 'pending seed', id::text FROM identity_session"
        " WHERE pending_totp <> '' AND pending_totp !~ '^v1\\.'"
        " UNION ALL SELECT 'seed', id::text FROM mfa_authenticator"
        " WHERE coalesce(data->>'secret', data->>'seed', '') !~ '^v1\\.'"
        " UNION ALL SELECT 'refresh token', jti_sha256 FROM identity_refreshtoken"
        " WHERE jti_sha256 !~ '^[0-9a-f]{64}$'"
    )
