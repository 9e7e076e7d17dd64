"""What exists already: images, measures, finished images, and what the journal says about missing images.

Directory listings show what the store holds. Measures and failed postprocessing are in the tables under ``work/``,
which may be deleted at any time, and under ``store/measures``, which a clone includes. The journal is read only when an
image is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from imagemake.config.fields import MAIN
from imagemake.core.on_disk import OnDisk
from imagemake.images.repair_mask import MASK_EXTENSION, RepairMask
from imagemake.plan.call_times import CallTimes, ModelId, model_id
from imagemake.plan.learned_costs import LearnedCosts
from imagemake.stages.judge.known import KnownAnswers
from imagemake.store.calls_on_disk import CallsOnDisk
from imagemake.store.file_index import FileIndex
from imagemake.store.items import ItemFailure, Measured
from imagemake.store.journal import Call, Outcome, read_calls
from imagemake.store.kept_measures import kept_rows
from imagemake.store.layout import JUDGED, POSTPROCESSED, VALIDATED
from imagemake.store.open_calls import OpenCalls
from imagemake.store.store import DamagedError, Store, StoredFile
from imagemake.store.submissions import Submission, Submissions
from imagemake.store.tables import intact_rows


@dataclass(slots=True)
class KeyHistory:
    """What the journal says about one key.

    Attributes:
        calls: Number of calls.
        unknown: Number of calls with an unknown outcome; each may have been billed.
        unknown_usd: The most that these can have cost, in USD; None if that is unknown.
        last: How the last call ended.
        last_at: When the last call was sent, ISO 8601 in UTC.
        message: The provider's last message.
        code: The code of the provider's last error; None without one.
        call: ID of the last call.
        was_made: Whether a call ever made the image.
    """

    calls: int = 0
    unknown: int = 0
    unknown_usd: Decimal | None = Decimal(0)
    last: Outcome = Outcome.UNKNOWN
    last_at: str = ""
    message: str = ""
    code: str | None = None
    call: str = ""
    was_made: bool = False

    def add(self, call: Call) -> None:
        """Take a call into account. Calls come in the order of the journal."""
        self.calls += 1
        if call.outcome is Outcome.UNKNOWN:
            self.unknown += 1
            self.unknown_usd = _added(self.unknown_usd, call.sent.get("worst_usd"))
        self.last, self.last_at = call.outcome, call.sent["at"]
        self.message = (call.closed or {}).get("message", "")
        self.code, self.call = (call.closed or {}).get("code"), call.sent["call"]
        self.was_made |= call.outcome in (Outcome.MADE, Outcome.SHARED)


def is_first_attempt(call: Call) -> bool:
    """Return whether a call was for a request's first attempt."""
    return call.sent["attempt"] == 0 and "kind" not in call.sent


@dataclass(slots=True)
class JournalFacts:
    """What the journal says, by key, by name, and by model.

    Attributes:
        keys: About each key.
        last_recipe: The recipe of the last call for a request's first attempt, by the request's name.
        costs: What images cost.
        times: How long calls took.
        answered_at: When each model last made an image, ISO 8601 in UTC.
        used_up_at: When a call last met the end of each model's quota.
    """

    keys: dict[str, KeyHistory] = field(default_factory=dict)
    last_recipe: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    costs: LearnedCosts = field(default_factory=LearnedCosts)
    times: CallTimes = field(default_factory=CallTimes)
    answered_at: dict[ModelId, str] = field(default_factory=dict)
    used_up_at: dict[ModelId, str] = field(default_factory=dict)

    def add(self, call: Call) -> None:
        """Take a call into account. Calls come in the order of the journal."""
        self.keys.setdefault(call.sent["key"], KeyHistory()).add(call)
        self.add_to_all(call)
        if is_first_attempt(call):
            self.last_recipe[call.sent["name"]] = call.sent["recipe"]

    def add_to_all(self, call: Call) -> None:
        """Take a call into account where it matters to others than its own key."""
        self.costs.add(call)
        self.times.add(call)
        self._note_quota(call)

    def _note_quota(self, call: Call) -> None:
        is_end = call.closed is not None and call.closed.get("quota") is True
        if call.closed is None or not (is_end or call.outcome is Outcome.MADE):
            return
        model = model_id(call.sent["recipe"])
        latest = self.used_up_at if is_end else self.answered_at
        latest[model] = max(latest.get(model, ""), call.closed.get("at", ""))


class Inventory:
    """What exists when this object is made; later changes are not seen.

    Args:
        store: The store.
        work: The folder of the tables, usually ``work/``.
    """

    def __init__(self, store: Store, work: Path) -> None:
        self.store = store
        self.raw: dict[str, StoredFile] = FileIndex(store.raw.all())
        self.finished: dict[str, StoredFile] = FileIndex(store.finished.all())
        self.work = work

    @cached_property
    def submissions(self) -> tuple[Submission, ...]:
        """Batches that were submitted to a provider and not yet collected."""
        return tuple(Submissions(self.store.root).all())

    @cached_property
    def submission_of(self) -> Mapping[str, str]:
        """The submission that each key waits in."""
        return {key: submission.id for submission in self.submissions for key in submission.calls.values()}

    @cached_property
    def in_queues(self) -> frozenset[str]:
        """The keys whose image waits in a provider's queue."""
        return frozenset(found.key for found in OpenCalls(self.store.root).all())

    @cached_property
    def _measures(self) -> OnDisk:
        """The values read from raw images, by their digests; each table can have some of an image's."""
        found = OnDisk()
        for row in chain(self._rows(VALIDATED), self._of_tables(JUDGED)):
            if "raw" in row and "measures" in row:
                found.add(row["raw"]["digest"], row["measures"])
        return found

    def measured(self, digest: str) -> dict[str, Any]:
        """Return the values read from a raw image so far, by measure identity; empty for one without any."""
        found: dict[str, Any] = {}
        for values in self._measures.of(digest):
            found.update(values)
        return found

    def held(self, measured: Measured) -> Measured:
        """Return the values of an image to keep in its state, once its verdict is known."""
        return measured

    @cached_property
    def failed_outputs(self) -> dict[str, ItemFailure]:
        """Why postprocessing failed, by the key that the finished image would have."""
        return self._postprocess_failures[0]

    @cached_property
    def postprocessed_before(self) -> dict[str, set[str]]:
        """Outputs that were made before, by whatever steps, by the raw image's digest."""
        return self._postprocess_failures[1]

    @cached_property
    def _postprocess_failures(self) -> tuple[dict[str, ItemFailure], dict[str, set[str]]]:
        failures: dict[str, ItemFailure] = {}
        outputs: dict[str, set[str]] = {}
        for row in self._rows(POSTPROCESSED):
            if "finished" in row:
                outputs.setdefault(row["raw"]["digest"], set()).add(MAIN)
            elif "output_key" in row:
                failures[row["output_key"]] = ItemFailure.from_dict(row["failure"])
            for label, one in row.get("further", {}).items():
                if "finished" in one:
                    outputs.setdefault(row["raw"]["digest"], set()).add(label)
                else:
                    failures[one["key"]] = ItemFailure.from_dict(one["failure"])
        return failures, outputs

    def _rows(self, stage: str) -> Iterator[dict[str, Any]]:
        return chain(kept_rows(self.store), self._of_tables(stage))

    def _of_tables(self, stage: str) -> Iterator[dict[str, Any]]:
        return intact_rows(sorted((self.work / stage).glob("*.jsonl")))

    @cached_property
    def masks(self) -> Mapping[tuple[str, tuple[str, ...]], RepairMask]:
        """The masks of repairs, by the image and the reasons."""
        found, references = {}, self.store.references
        for stored in sorted(references.all(), key=lambda one: one.digest, reverse=True):
            if stored.extension == MASK_EXTENSION:
                with suppress(DamagedError):  # it is moved aside, and made again
                    mask = RepairMask.from_bytes(references.read(stored))
                    found[mask.image, mask.reasons] = mask
        return found

    @cached_property
    def answers(self) -> KnownAnswers:
        """The answers of models that the store has; read only where the tables lack some."""
        return KnownAnswers(self.store.root)

    @cached_property
    def journal(self) -> JournalFacts:
        """What the journal says; read only on demand, because the journal holds every call ever made."""
        histories, recipes = _Histories(), _LastRecipes()
        facts = JournalFacts(histories, recipes)
        for call in read_calls(self.store.journal_folder):
            facts.add_to_all(call)
            histories.calls.add(call)
            if is_first_attempt(call):
                recipes.kept.add(call.sent["name"], call.sent["recipe"])
        return facts

    def forget_answers(self) -> None:
        """Read the store's answers again at the next use: some were added."""
        self.__dict__.pop("answers", None)

    @cached_property
    def kept(self) -> frozenset[str]:
        """IDs of the calls whose responses are kept until their image can be read or fetched."""
        return frozenset(self.store.unreadable())

    @cached_property
    def damaged(self) -> set[str]:
        """Keys of raw images that were found damaged and moved away."""
        return {path.name.partition(".")[0] for path in (self.store.root / "damaged" / "raw").glob("*.*.*")}


class _Histories(dict[str, KeyHistory]):
    """Histories by key, made when they are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = CallsOnDisk(["at", "call", "worst_usd"], ["message", "code"])

    def get(self, key: str, default: Any = None) -> Any:
        if not (calls := self.calls.of(key)):
            return default
        history = KeyHistory()
        for call in calls:
            history.add(call)
        return history

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key) is not None


class _LastRecipes(dict[str, Mapping[str, Any]]):
    """Recipes by name, of which the last one counts."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = OnDisk()

    def get(self, name: str, default: Any = None) -> Any:
        return next(reversed(self.kept.of(name)), default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None


def _added(total_usd: Decimal | None, more_usd: float | None) -> Decimal | None:
    return None if total_usd is None or more_usd is None else total_usd + Decimal(str(more_usd))
