"""What must hold at every moment: each query must find nothing."""

from contexts.workout.models import RANGES
from kernel.observability import invariant


@invariant("workout", "W1", "Stored values lie within their stream's range, and time never runs backwards")
def streams_are_plausible() -> str:
    """The check constraints asked again, and the order of time, which no constraint can see."""
    ranges = " OR ".join(
        f"(kind = '{kind}' AND (value < {low} OR value > {high}))" for kind, (low, high) in RANGES.items()
    )
    return f"""
        SELECT session_id, kind, count(*) FROM (
            SELECT session_id, kind, value, offset_us, sequence, nth,
                   lag((offset_us, sequence)) OVER (PARTITION BY session_id, kind ORDER BY nth) AS before
            FROM workout_stream, unnest(offsets_us, sequences, measured)
                 WITH ORDINALITY AS point (offset_us, sequence, value, nth)
        ) AS points
        WHERE {ranges} OR (offset_us, sequence) <= before
        GROUP BY session_id, kind
    """


@invariant("workout", "W2", "The heart rate of a summary is that of the session's stream")
def summaries_follow_from_streams() -> str:
    """The highest heart rate of the summary occurs in the stream, and without a stream there is none."""
    return """
        SELECT session.id FROM workout_trainingsession AS session
        LEFT JOIN workout_stream AS stream ON stream.session_id = session.id AND stream.kind = 'heart_rate'
        WHERE session.hr_max IS NOT NULL
          AND (stream.session_id IS NULL OR NOT session.hr_max = ANY (stream.measured))
    """


@invariant("workout", "W3", "A recording became each of its sessions once, and only finished imports have sessions")
def recordings_become_sessions_once() -> str:
    """All sessions of a file, or none."""
    return """
        SELECT recording.id, recording.state, count(session.id) AS sessions
        FROM workout_import AS recording
        LEFT JOIN workout_trainingsession AS session ON session.recording_id = recording.id
        GROUP BY recording.id, recording.state
        HAVING count(session.id) <> count(DISTINCT session.part)
            OR (recording.state = 'done') <> (count(session.id) > 0)
    """


@invariant("workout", "W4", "A personal best is the best of the athlete's sessions in that sport")
def bests_are_the_best() -> str:
    """Recomputed from the sessions."""
    return """
        SELECT user_id, sport, best.record, best.value, truth.value AS truth
        FROM workout_personalbest AS best
        FULL JOIN (
            SELECT user_id, sport, record, value FROM (
                SELECT user_id, sport, max(distance_m) AS longest_distance,
                       min(fastest_1k_s) AS fastest_1k, min(fastest_5k_s) AS fastest_5k
                FROM workout_trainingsession GROUP BY user_id, sport
            ) AS extremes, LATERAL (VALUES ('longest_distance', longest_distance), ('fastest_1k', fastest_1k),
                                           ('fastest_5k', fastest_5k)) AS each (record, value)
            WHERE value > 0
        ) AS truth USING (user_id, sport, record)
        WHERE best.value IS DISTINCT FROM truth.value
    """


@invariant("workout", "W5", "A completed session has no readings waiting beside its packed streams")
def nothing_waits_after_completion() -> str:
    """Live samples are packed when a session ends; what comes later goes straight into its streams."""
    return """
        SELECT session.id, count(*) FROM workout_trainingsession AS session
        JOIN workout_livesample AS sample ON sample.session_id = session.id
        WHERE session.state = 'completed' GROUP BY session.id
    """


@invariant("workout", "X1", "Every completed session has announced it")
def completions_are_announced() -> str:
    """As long as the outbox keeps its events, which is longer than the day looked at here."""
    return """
        SELECT session.id FROM workout_trainingsession AS session
        WHERE session.state = 'completed' AND session.completed_at > now() - interval '1 day'
          AND NOT EXISTS (SELECT FROM kernel_outbox AS event
                          WHERE event.type = 'workout.completed' AND event.key = session.id::text)
    """
