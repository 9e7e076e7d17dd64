"""Figures of a release that a gate can demand; each is a number of metrics.json."""

FIGURES = (
    "success_rate",
    "success_rate_low",
    "first_attempt_success_rate",
    "accepted",
    "rejected",
    "review",
    "refused",
    "failed",
    "attempts_mean",
    "mean_cost_usd_per_image",
    "cost_usd_total",
    "cost_unknown",
    "mean_seconds_per_image",
    "unknown_calls",
)
