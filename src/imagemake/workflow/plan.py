"""The plan of one target, as the rules see it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of one target.

    Attributes:
        run: ID of the plan, 16 hexadecimal digits.
        inputs: The plan's path, or nothing if the target is up to date.
        batches: Batches of the first round.
        last_round: Highest possible number of a later round, from 1; the first round is not counted.
    """

    run: str
    inputs: tuple[str, ...]
    batches: tuple[str, ...]
    last_round: int


UP_TO_DATE = Plan("", (), (), 0)
