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
            SELECT session_id, kind, value, step_us, sequence,
                   lag(sequence) OVER (PARTITION BY session_id, kind ORDER BY nth) AS before
            FROM workout_stream, unnest(steps_us, sequences, measured)
                 WITH ORDINALITY AS point (step_us, sequence, value, nth)
        ) AS points
        WHERE {ranges} OR (before IS NOT NULL AND (step_us < 0 OR (step_us = 0 AND sequence <= before)))
        GROUP BY session_id, kind
    """


@invariant(
    "workout", "W2", "The heart rate of a summary is that of the stream of the session, or of a duplicate of it"
)
def summaries_follow_from_streams() -> str:
    """The highest heart rate of the summary occurs in the stream, and without a stream there is none."""
    return """
        SELECT session.id FROM workout_trainingsession AS session
        WHERE session.hr_max IS NOT NULL AND NOT EXISTS (
            SELECT FROM workout_trainingsession AS measured
            JOIN workout_stream AS stream ON stream.session_id = measured.id AND stream.kind = 'heart_rate'
            WHERE (measured.id = session.id OR measured.duplicate_of_id = session.id)
              AND session.hr_max = ANY (stream.measured))
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
    """Recomputed from the sessions and their best efforts."""
    return """
        SELECT user_id, sport, best.record, best.value, truth.value AS truth
        FROM workout_personalbest AS best
        FULL JOIN (
            SELECT user_id, sport, record, value FROM (
                SELECT user_id, sport, max(distance_m) AS longest_distance,
                       min(fastest_1k_s) AS fastest_1k, min(fastest_5k_s) AS fastest_5k
                FROM workout_trainingsession WHERE duplicate_of_id IS NULL GROUP BY user_id, sport
            ) AS extremes, LATERAL (VALUES ('longest_distance', longest_distance), ('fastest_1k', fastest_1k),
                                           ('fastest_5k', fastest_5k)) AS each (record, value)
            WHERE value > 0
            UNION ALL
            SELECT effort.user_id, effort.sport, record,
                   CASE WHEN starts_with(record, 'fastest_') THEN min(effort.value) ELSE max(effort.value) END
            FROM workout_besteffort AS effort JOIN workout_trainingsession AS session ON session.id = session_id
            WHERE session.duplicate_of_id IS NULL GROUP BY effort.user_id, effort.sport, record
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


@invariant("workout", "W6", "A scheduled workout was done in a completed session of its own athlete")
def schedules_are_their_athletes() -> str:
    """And a schedule belongs to whoever has adopted the plan."""
    return """
        SELECT scheduled.id FROM workout_scheduledworkout AS scheduled
        JOIN workout_adoptedplan AS adopted ON adopted.id = scheduled.adopted_id
        LEFT JOIN workout_trainingsession AS session ON session.id = scheduled.session_id
        WHERE adopted.user_id <> scheduled.user_id OR session.user_id <> scheduled.user_id
           OR session.state <> 'completed'
    """


@invariant("workout", "W7", "Nothing is planned any more of a plan that was given up, and a day is never overfull")
def plans_end_and_days_have_room() -> str:
    """By the layout an athlete has at most three workouts a day of one plan, but for what was moved there."""
    return """
        SELECT scheduled.id::text FROM workout_scheduledworkout AS scheduled
        JOIN workout_adoptedplan AS adopted ON adopted.id = scheduled.adopted_id
        WHERE scheduled.state = 'planned' AND adopted.ended_at IS NOT NULL
        UNION ALL
        SELECT adopted_id || ' ' || day FROM workout_scheduledworkout WHERE NOT moved
        GROUP BY adopted_id, day HAVING count(*) > 3
    """


@invariant("workout", "W8", "A completed session has a track exactly if it has places")
def tracks_follow_from_streams() -> str:
    """One with fewer than two moments that have both a latitude and a longitude has none."""
    return """
        SELECT session.id FROM workout_trainingsession AS session
        JOIN workout_stream AS north ON north.session_id = session.id AND north.kind = 'latitude'
        JOIN workout_stream AS east ON east.session_id = session.id AND east.kind = 'longitude'
        LEFT JOIN workout_sessiontrack AS track ON track.session_id = session.id
        WHERE track.session_id IS NULL AND session.duplicate_of_id IS NULL
          AND north.steps_us = east.steps_us
          AND (SELECT sum(step_us) FROM unnest(north.steps_us[2:]) AS step_us) >= 1000
        UNION ALL
        SELECT track.session_id FROM workout_sessiontrack AS track
        WHERE NOT EXISTS (SELECT FROM workout_stream WHERE session_id = track.session_id AND kind = 'latitude')
    """


@invariant("workout", "W9", "An effort is its session's athlete's, in the segment's sport, within the session")
def efforts_belong_to_their_sessions() -> str:
    """The copies that leaderboards are ordered by, compared with what they were taken from."""
    return """
        SELECT effort.id FROM workout_segmenteffort AS effort
        JOIN workout_trainingsession AS session ON session.id = effort.session_id
        JOIN workout_segment AS segment ON segment.id = effort.segment_id
        WHERE effort.user_id <> session.user_id OR segment.sport <> session.sport
           OR effort.started_at < session.started_at
           OR effort.started_at + effort.elapsed_s * interval '1 second' > session.ended_at + interval '1 second'
    """


@invariant("workout", "W10", "A duplicate stands for none, and belongs to a session of the same athlete")
def duplicates_are_one_deep() -> str:
    """Only a session that is itself no duplicate stands for others; it alone keeps its own summary aside."""
    return """
        SELECT session.id, session.duplicate_of_id FROM workout_trainingsession AS session
        JOIN workout_trainingsession AS other ON other.id = session.duplicate_of_id
        WHERE other.duplicate_of_id IS NOT NULL OR other.user_id <> session.user_id OR other.own IS NULL
    """


@invariant("workout", "W11", "A finished batch has nothing left to read")
def finished_batches_are_read() -> str:
    """Every member became an import, or was left out with a code."""
    return """
        SELECT batch.id, count(*) FROM workout_importbatch AS batch
        JOIN workout_batchmember AS member ON member.batch_id = batch.id
        LEFT JOIN workout_import AS recording ON recording.id = member.recording_id
        WHERE batch.state = 'done' AND member.code = ''
          AND (recording.id IS NULL OR recording.state IN ('queued', 'working'))
        GROUP BY batch.id
    """


@invariant("workout", "X1", "Every completed session has announced it")
def completions_are_announced() -> str:
    """As long as the outbox keeps its events, which is longer than the day looked at here."""
    return """
        SELECT session.id FROM workout_trainingsession AS session
        WHERE session.state = 'completed' AND session.duplicate_of_id IS NULL
          AND session.completed_at > now() - interval '1 day'
          AND NOT EXISTS (SELECT FROM kernel_outbox AS event
                          WHERE event.type = 'workout.completed' AND event.key = session.id::text)
    """


@invariant("workout", "X2", "Every adopted plan has announced it")
def adoptions_are_announced() -> str:
    """As long as the outbox keeps its events, which is longer than the day looked at here."""
    return """
        SELECT adopted.id FROM workout_adoptedplan AS adopted
        WHERE adopted.adopted_at > now() - interval '1 day'
          AND NOT EXISTS (SELECT FROM kernel_outbox AS event
                          WHERE event.type = 'workout.plan_adopted' AND event.key = adopted.id::text)
    """
