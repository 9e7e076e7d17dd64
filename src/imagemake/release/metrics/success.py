"""The confidence interval of a success rate."""

from __future__ import annotations

from math import sqrt

Z_95 = 1.959964  # standard normal deviate of a two-sided 95% interval


def interval_95(successes: int, n: int) -> tuple[float, float]:
    """Return the 95% confidence interval of a rate, 0 to 1.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927. It
    is valid for few requests and for rates near 0 and 1, unlike the normal approximation.

    Args:
        successes: From 0 to n.
        n: At least 1.
    """
    rate, square = successes / n, Z_95**2
    center = rate + square / (2 * n)
    spread = Z_95 * sqrt(rate * (1 - rate) / n + square / (4 * n * n))
    low, high = (center - spread) / (1 + square / n), (center + spread) / (1 + square / n)
    return (0.0 if successes == 0 else low), (1.0 if successes == n else high)
