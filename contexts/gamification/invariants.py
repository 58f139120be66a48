"""What must hold at every moment: each query must find nothing."""

from contexts.gamification.rules import DAILY_CAP
from kernel.observability import invariant


@invariant("gamification", "G1", "Nobody earns more than 1,000 points in one local day")
def daily_cap() -> str:
    """The ledger itself, not the balance that guards it."""
    return f"""
        SELECT user_id, local_day, sum(points_granted) AS points FROM gamification_pointsentry
        GROUP BY user_id, local_day HAVING sum(points_granted) > {DAILY_CAP}
    """


@invariant("gamification", "G2", "The balances that boards add up are the sums of the ledger")
def balances_equal_the_ledger() -> str:
    """Redis against these balances is checked by `manage.py rebuild_leaderboards --check`."""
    return """
        SELECT user_id, local_day, balance.points AS balance, ledger.points AS ledger
        FROM gamification_userday AS balance
        FULL JOIN (SELECT user_id, local_day, sum(points_granted) AS points
                   FROM gamification_pointsentry GROUP BY user_id, local_day) AS ledger
        USING (user_id, local_day)
        WHERE coalesce(balance.points, 0) <> coalesce(ledger.points, 0)
    """


@invariant("gamification", "G4", "One cause is paid once for each rule")
def one_award_for_each_cause() -> str:
    """The unique constraint, asked again."""
    return """
        SELECT rule, source_id, count(*) AS awards FROM gamification_pointsentry
        GROUP BY rule, source_id HAVING count(*) > 1
    """
