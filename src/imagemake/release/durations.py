"""How long something will take, in words that promise no more than an estimate can."""

MINUTE_S, HOUR_S = 60, 3600


def duration_words(seconds: float) -> str:
    """Write a duration of some seconds: ``42 s``, ``12 minutes``, ``3 hours``."""
    if seconds >= 2 * HOUR_S:
        return f"{seconds / HOUR_S:,.0f} hours"
    return f"{seconds / MINUTE_S:.0f} minutes" if seconds >= 2 * MINUTE_S else f"{seconds:.0f} s"
