"""Where a run stands, in words: a line that fits a terminal, and a full one."""

from __future__ import annotations

from datetime import datetime

from imagemake.workflow.console.standing import Standing

HOUR_S, MINUTE_S = 3600, 60


def live_line(now: Standing, width: int) -> str:
    """Return a line of at most `width` characters: what matters most, in a fixed order."""
    parts = [
        (0, f"{now.done:,} of {now.wanted:,} done"),
        (1, _waits(now)),
        (5, f"{now.generated:,} generated" if now.generated else ""),
        (6, f"{now.checked:,} checked" if now.checked else ""),
        (4, f"{now.review:,} to review" if now.review else ""),
        (3, f"{now.failed:,} failed" if now.failed else ""),
        (7, _pace(now)),
        (8, now.gpus),
        (2, _money(now)),
        (2, _left(now)),
    ]
    chosen: list[int] = []
    for place in sorted(range(len(parts)), key=lambda place: parts[place][0]):
        if parts[place][1] and len(_joined(parts, sorted([*chosen, place]))) <= width:
            chosen.append(place)
    return _joined(parts, sorted(chosen)) or parts[0][1][:width]


def _joined(parts: list[tuple[int, str]], places: list[int]) -> str:
    return " | ".join(parts[place][1] for place in places)


def full_line(now: Standing, clock: datetime) -> str:
    """Return a line with everything, for a log.

    Args:
        now: Where the run stands.
        clock: The local time.
    """
    states = [
        (now.generated, "generated"),
        (now.checked, "checked"),
        (now.finished, "finished"),
        (now.review, "waiting for review"),
        (now.failed, "failed"),
    ]
    by_state = ", ".join(f"{n:,} {words}" for n, words in states if n)
    parts = [
        by_state,
        _pace(now),
        now.gpus,
        _money(now),
        _left(now),
        f"waiting for {_waits(now)}" if now.waits_for else "",
    ]
    done = f"{clock:%H:%M:%S} {now.done:,} of {now.wanted:,} images done"
    rest = "; ".join(filter(None, parts))
    return f"{done}: {rest}" if rest else done


def duration(seconds: float) -> str:
    """Return a duration in words that fit a line."""
    if seconds < MINUTE_S:
        return f"{max(1, round(seconds))} s"
    if seconds < HOUR_S:
        return f"{round(seconds / MINUTE_S)} min"
    hours, minutes = divmod(round(seconds / MINUTE_S), 60)
    return f"{hours} h {minutes:02} min"


def _waits(now: Standing) -> str:
    if not now.waits_for:
        return ""
    until = f" until {datetime.fromtimestamp(now.waits_until):%H:%M:%S}" if now.waits_until else ""
    return f"{now.waits_for}{until}"


def _pace(now: Standing) -> str:
    if now.per_min is None or now.per_min < 0.05:
        return ""
    limit = "" if now.limit_per_min is None else f" of {now.limit_per_min:,.3g}"
    return f"{now.per_min:,.3g}{limit} images/min"


def _money(now: Standing) -> str:
    if not now.cost_usd and not now.expected_usd:
        return ""
    expected = "" if now.expected_usd is None else f" of about ${now.expected_usd:,.2f}"
    return f"${now.cost_usd:,.2f}{expected}"


def _left(now: Standing) -> str:
    return "" if now.left_s is None else f"{duration(now.left_s)} left"
