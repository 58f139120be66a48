"""What must always hold in health's database, as queries that find what breaks it."""

from contexts.health import rules
from contexts.health.models import Alert
from contexts.health.models.accesses import MFA_WAS_RECENT
from contexts.health.rules import PLAUSIBLE
from kernel.access import CONNECTION_LASTS
from kernel.observability import invariant


@invariant("health", "H1", "What a batch counted is there, reading by reading")
def batches_are_complete() -> str:
    """A batch row says how many readings were answered as accepted, and how many of them are in cold files."""
    streams = ", ".join(str(stream.value) for stream in rules.Stream)
    return f"""
        SELECT batch_id, count, stored, cold FROM health_batch AS batch
        CROSS JOIN LATERAL (
            SELECT count(*) AS stored FROM health_reading AS reading
            WHERE reading.device_number = batch.device_number AND reading.stream IN ({streams})
              AND reading.time BETWEEN batch.first_at AND batch.last_at AND reading.mark = batch.mark
        ) AS found
        WHERE stored + cold <> count
    """


@invariant("health", "H2", "A reading is stored once")
def readings_are_unique() -> str:
    """The primary key says so on each partition; this looks across all of them."""
    return """
        SELECT device_number, stream, time, sequence FROM health_reading
        GROUP BY device_number, stream, time, sequence HAVING count(*) > 1
    """


@invariant("health", "H3", "Implausible and doubted readings are in quarantine, and no others")
def implausible_readings_are_quarantined() -> str:
    """Compares each flag with the ranges as the rules state them now."""
    plausible = " OR ".join(
        f"(stream = {stream.value} AND value BETWEEN {low} AND {high})" for stream, (low, high) in PLAUSIBLE.items()
    )
    return f"""
        SELECT device_number, stream, time FROM health_reading WHERE quarantined = (doubt IS NULL AND ({plausible}))
    """


@invariant("health", "H6", "Every batch is of a device, and of its owner's time with it")
def batches_have_a_device() -> str:
    """A row of devices has one owner; a device that was handed on brings them nothing from before."""
    return """
        SELECT batch_id FROM health_batch LEFT JOIN health_device ON number = device_number
        WHERE number IS NULL OR first_at < received_at
    """


@invariant("health", "H7", "No reading is from the future, or from long before its device was connected")
def readings_are_of_their_time() -> str:
    """A batch's span bounds its readings, so batches suffice. Entries, imports and vendors tell of long ago."""
    ahead = rules.CLOCK_AHEAD.total_seconds()
    before = rules.RECORDED_BEFORE.total_seconds()
    not_worn = ", ".join(f"'{kind}'" for kind in rules.NOT_WORN)
    return f"""
        SELECT batch_id FROM health_batch JOIN health_device ON number = device_number
        WHERE last_at > recorded_at + interval '{ahead} seconds'
           OR (kind NOT IN ({not_worn}) AND first_at < connected_at - interval '{before} seconds')
    """


@invariant(
    "health", "HE-3", "A connection's source is its person's, takes nothing once it has ended, keeps no tokens"
)
def connections_have_their_sources() -> str:
    """Tokens of one that has ended are kept while we try to give them back, for a day."""
    return f"""
        SELECT connection_id, state FROM health_connection AS connection
        LEFT JOIN health_device AS source ON number = device_number
        WHERE number IS NULL OR source.user_id <> connection.user_id OR kind <> '{rules.INTEGRATION}'
           OR (state = 'disconnected') <> (revoked_at IS NOT NULL)
           OR (state = 'needs_reconnect' AND sealed_tokens IS NOT NULL)
           OR (state = 'disconnected' AND sealed_tokens IS NOT NULL AND revoke_until < now() - interval '1 day')
    """


@invariant("health", "HE-2", "An entry's reading is there as it was last said, and a deleted one's is not")
def entries_have_their_readings() -> str:
    """One reading for each entry that is not deleted, and none of a person's own source beside these."""
    return f"""
        SELECT entry.entry_id, reading.time
        FROM (SELECT * FROM health_entry WHERE deleted_at IS NULL) AS entry
        FULL JOIN (
            SELECT user_id, number, reading.* FROM health_device
            JOIN health_reading AS reading ON device_number = number WHERE kind = '{rules.OWN_SOURCE}'
        ) AS reading USING (user_id, stream, time, sequence)
        WHERE entry.entry_id IS NULL OR reading.time IS NULL OR entry.value <> reading.value
    """


@invariant("health", "HE-2b", "A phone's sample has its readings, and one that was taken back has none")
def samples_have_their_readings() -> str:
    """Found as a deletion would find them; where there is a cold file of that time, they may be there."""
    return """
        SELECT sample.device_number, sample_id FROM health_phonesample AS sample
        JOIN health_device ON number = sample.device_number
        CROSS JOIN LATERAL (
            SELECT count(*) AS stored FROM health_reading AS reading
            WHERE reading.device_number = sample.device_number AND reading.sequence = sample.sequence
              AND reading.stream IN (SELECT jsonb_array_elements_text(sample.streams)::smallint)
              AND reading.time BETWEEN sample.first_at AND sample.last_at
        ) AS found
        WHERE CASE WHEN withdrawn_at IS NOT NULL THEN stored > 0 ELSE stored = 0 AND NOT EXISTS (
            SELECT FROM health_coldfile AS file
            WHERE file.user_id = health_device.user_id AND kind = 'readings' AND state = 'current'
              AND file.first_at <= sample.last_at AND file.last_at >= sample.first_at
        ) END
    """


@invariant("health", "H5", "An episode is one alert: no two of a rule and person share an instant")
def alerts_do_not_overlap() -> str:
    """Those that later readings or a calibration have dissolved, or whose rule has changed, do not count."""
    over = ", ".join(f"'{reason}'" for reason in (*Alert.DISSOLVED, Alert.Reason.RULE_GONE.value))
    return f"""
        SELECT one.alert_id, other.alert_id AS other_id
        FROM health_alert AS one JOIN health_alert AS other
          ON other.user_id = one.user_id AND other.rule = one.rule AND other.rule_version = one.rule_version
         AND other.alert_id > one.alert_id AND other.began_at <= one.last_at AND one.began_at <= other.last_at
        WHERE one.reason NOT IN ({over}) AND other.reason NOT IN ({over})
    """


@invariant("health", "H8", "Nobody looked at medical data without a recent second factor")
def looks_had_a_second_factor() -> str:
    """One row a look; `mfa_at` cannot be empty. An app's is the one under which it was let in."""
    return f"""
        SELECT access_id FROM health_access
        WHERE mfa_at > at + interval '1 minute' OR mfa_at < at - CASE WHEN app_id IS NULL
            THEN interval '{MFA_WAS_RECENT.total_seconds()} seconds'
            ELSE interval '{CONNECTION_LASTS.total_seconds()} seconds' END
    """


@invariant("health", "P3", "Nothing is recorded from a person who has withdrawn their consent")
def nothing_is_recorded_without_consent() -> str:
    """`suspended_at` is when the withdrawal reached the device; a batch under way had looked a moment before."""
    return f"""
        SELECT batch_id FROM health_batch JOIN health_device ON number = device_number
        WHERE recorded_at > suspended_at + interval '{rules.WITHDRAWN_WITHIN.total_seconds()} seconds'
    """


@invariant("health", "HE-6", "What cold files hold was taken from the table, and has its key")
def cold_files_hold_what_was_moved() -> str:
    """Not more than batches say has gone; a reading that was sent again counts in two batches."""
    return """
        SELECT file.user_id, sum(rows) AS held, min(gone.cold) AS gone
        FROM health_coldfile AS file
        LEFT JOIN (
            SELECT user_id, sum(cold) AS cold FROM health_batch JOIN health_device ON number = device_number
            GROUP BY user_id
        ) AS gone USING (user_id)
        LEFT JOIN health_datakey AS own_key ON own_key.user_id = file.user_id
        WHERE kind = 'readings' AND state = 'current'
        GROUP BY file.user_id
        HAVING sum(rows) > coalesce(min(gone.cold), 0) OR bool_or(own_key.user_id IS NULL)
    """


@invariant("health", "HE-8", "A rollup says what its readings say, unless it is known to be invalid")
def rollups_are_as_their_readings() -> str:
    """The last week that is rolled up, computed anew; of devices that are calibrated the counts alone."""
    width = f"interval '{rules.ROLLUP_WIDTH.total_seconds()} seconds'"
    streams = ", ".join(str(stream.value) for stream in sorted(rules.ROLLED_UP))
    return f"""
        WITH span AS (SELECT until - interval '7 days' AS since, until FROM health_watermark),
        computed AS (
            SELECT device_number, stream, time_bucket({width}, time) AS begin, count(*) AS count,
                   sum(value) AS total, min(value) AS least, max(value) AS greatest
            FROM span JOIN health_reading ON time >= since AND time < until
            WHERE stream IN ({streams}) AND NOT quarantined
            GROUP BY 1, 2, 3
        ), kept AS (SELECT health_rollup.* FROM span JOIN health_rollup ON begin >= since AND begin < until)
        SELECT device_number, begin, computed.count, kept.count AS kept
        FROM computed FULL JOIN kept USING (device_number, stream, begin)
        WHERE NOT EXISTS (
            SELECT FROM health_invalidation AS invalid
            WHERE invalid.device_number = coalesce(computed.device_number, kept.device_number)
              AND invalid.since <= begin AND begin < invalid.until
        ) AND (
            computed.count IS DISTINCT FROM kept.count
            OR (computed.least <> kept.least OR computed.greatest <> kept.greatest
                OR abs(computed.total - kept.total) > 1e-9 * greatest(abs(kept.total), 1))
               AND NOT EXISTS (SELECT FROM health_calibration AS curve WHERE curve.device_number = kept.device_number)
        )
    """


@invariant("health", "HE-7", "Who looked at another's data had a right to: a grant as it stood, or an emergency")
def looks_at_others_had_a_right() -> str:
    """Grants that went with an account are not judged; terms of a grant never change."""
    return """
        SELECT access_id FROM health_access JOIN health_grant USING (grant_id)
        WHERE by <> grantee_id OR subject_id <> owner_id OR accepted_at IS NULL OR at < accepted_at
           OR at >= expires_at OR at > ended_at OR NOT purposes ? purpose OR NOT metrics ? stream
           OR health_access.since < health_grant.since OR health_access.until > health_grant.until
        UNION ALL
        SELECT access_id FROM health_access JOIN health_emergencyaccess USING (emergency_id)
        WHERE by <> opened_by OR health_access.subject_id <> health_emergencyaccess.subject_id
           OR at < opened_at OR at >= expires_at
    """
