"""The tabs of the review list."""

from __future__ import annotations

from collections.abc import Mapping

from imagemake.plan.state import Stage

DECIDED = "decided"
ALL = "all"
TABS: Mapping[str, str] = {
    "review": "Awaiting review",
    "rejected": "Rejected",
    "refused": "Refused",
    "accepted": "Accepted",
    "pending": "Not generated",
    DECIDED: "Decided",
    ALL: "All",
}
TAB_OF: Mapping[Stage, str] = {
    Stage.REVIEW: "review",
    Stage.REJECTED: "rejected",
    Stage.REFUSED: "refused",
    Stage.KEPT: "refused",
    Stage.HELD: "refused",
    Stage.DONE: "accepted",
    Stage.POSTPROCESS: "accepted",
    Stage.WAITING: "pending",
    Stage.GENERATE: "pending",
    Stage.VALIDATE: "pending",
    Stage.JUDGE: "pending",
    Stage.REWRITE: "pending",
}
