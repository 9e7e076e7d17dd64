"""The tabs of the review page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from imagemake.plan.state import Stage

if TYPE_CHECKING:
    pass


DECIDED = "decided"


ALL = "all"


TABS: Mapping[str, str] = {
    "review": "To review",
    "rejected": "Rejected",
    "refused": "Refused",
    "accepted": "Accepted",
    "pending": "Not made",
    DECIDED: "Decided",
    ALL: "All",
}


TAB_OF: Mapping[Stage, str] = {
    Stage.REVIEW: "review",
    Stage.REJECTED: "rejected",
    Stage.REFUSED: "refused",
    Stage.HELD: "refused",
    Stage.DONE: "accepted",
    Stage.POSTPROCESS: "accepted",
    Stage.GENERATE: "pending",
    Stage.VALIDATE: "pending",
}
